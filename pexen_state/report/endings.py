"""How sessions, attempts and tasks ended, in words that need no table of states and causes beside them."""

from __future__ import annotations

import signal
from typing import Any

from pexen_state.report.style import duration, when

Found = dict[str, Any]

# What comes before its time, and after it. Nobody wrote down when a runner died: its time is the last word of it.
_SESSIONS = {
    "finished": ("finished", ""),
    "stopped": ("stopped", "; what ran was ended in order"),
    "paused": ("paused", ""),
    "parked": ("parked", ", until a person resumes it"),
    "failed": ("ended by an error of the journal or of pexen itself", ""),
    "killed": ("killed; last seen", ""),
    "rebooted": ("ended by a reboot that a task asked for", ""),
    "shutdown": ("ended by a shutdown or reboot of the box, by somebody else", ""),
    "steered": ("nothing was run, only steered", ""),
    "crashed": ("cut off: the box crashed or lost power; last seen", ""),
}

_CAUSES = {
    "returned": "ended well",
    "failed": "said that it failed",
    "asserted": "an assertion failed",
    "raised": "raised an exception",
    "skipped": "said that it does not apply here",
    "worker_died": "its worker died",
    "runner_died": "the runner was killed",
    "stopped": "stopped with the runner",
    "cancelled": "cancelled",
    "shut_down": "the box was shut down or rebooted while it ran",
    "box_died": "the box crashed or lost power while it ran beside others",
    "box_died_alone": "the box crashed or lost power while it alone ran",
    "kernel": "ended well, but the kernel told of trouble meanwhile",
    "out_of_time": "over the time limit of all its attempts together",
    "reboot_asked": "asked for a reboot",
    "no_reboot": "asked for a reboot, and there was none",
    "does_not_apply": "does not apply here",
    "unmet": "what it requires was not provided",
    "locked": "a lock that it needs is held for good",
    "gone": "no longer among the tasks",
    "given_up": "the run was given up",
}


def session_in_words(session: Found, is_running: bool) -> str:
    """How one life of the runner ended, and when. `is_running`: it is the one that lives now."""
    how = session["how_ended"]
    if how is None:
        return "runs now" if is_running else "cut off, and nobody went on yet"
    before, after = _SESSIONS.get(how, (str(how), ""))
    return f"{before} at {when(session['ended_at'])}{after}"


def attempt_in_words(attempt: Found, is_running: bool = True) -> str:
    """`exit 1`, `killed by SIGSEGV`, `timed out after 5m`, `its worker died`. `is_running`: somebody runs the run."""
    cause = attempt["cause"]
    if cause is None:
        if not is_running:
            return "was in flight when the run was cut off"
        return "running" if attempt["state"] == "running" else "handed over, not begun yet"
    match cause:
        case "exited" if attempt["exit_code"] is not None:
            return f"exit {attempt['exit_code']}"
        case "signalled" if attempt["signal"] is not None:
            return f"killed by {signal_name(attempt['signal'])}"
        case "timed_out" | "idle":
            silent = ", silent for too long," if cause == "idle" else ""
            after = f" after {duration(attempt['seconds'])}" if attempt["seconds"] is not None else ""
            return f"timed out{silent}{after}"
        case "worker_died" if attempt["signal"] is not None:
            return f"its worker died of {signal_name(attempt['signal'])}"
        case "reboot_asked" if attempt["mark"]:
            return f"asked for a reboot, with the mark {attempt['mark']}"
    return cause_in_words(cause)


def cause_in_words(cause: str | None) -> str:
    return _CAUSES.get(cause or "", (cause or "").replace("_", " "))


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
