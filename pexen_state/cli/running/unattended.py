"""What keeps a service from going on by itself, so that a person can stop a box that reboots for ever.

`pexen.hold` on the kernel's command line: it does not go on at all. A grace after a boot: it waits a while before it
goes on with a run that may reboot the box again; `pexen pause` and `pexen cancel` count until then.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from pexen_state.cli.app import App
from pexen_state.cli.suite.earlier import Unfinished
from pexen_state.core.listing import listed
from pexen_state.report.style import duration

COMMAND_LINE = "/proc/cmdline"
_WORD = "pexen.hold"
_NO = ("0", "no", "off", "false")

HELD = f"{_WORD} is on the kernel's command line: nothing goes on by itself. `pexen resume` does."


def is_held(path: str = COMMAND_LINE) -> bool:
    """Whether whoever booted this box said that nothing is to go on by itself."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            words = file.read().split()
    except OSError:
        return False
    # As the kernel does it: the last one counts.
    said = [word.partition("=")[2] for word in words if word.partition("=")[0] == _WORD]
    return bool(said) and said[-1].lower() not in _NO


def may_reboot_after_a_boot(found: Sequence[Unfinished], all_may: bool = False) -> list[int]:
    """Runs that may reboot the box, and whose last session was before this boot. `all_may`: this session lets them."""
    return [
        one.record.id for one in found if one.how.is_new_boot and (all_may or one.record.options.get("allow_reboot"))
    ]


def wait_out(app: App, runs: Sequence[int], seconds: float) -> None:
    """Give a person the time to stop them."""
    which = f"run{'s' if len(runs) > 1 else ''} {listed([str(run) for run in runs])}"
    text = (
        f"{which} may reboot this box: in {duration(seconds)} {'they go' if len(runs) > 1 else 'it goes'} on. "
        f"`pexen cancel {runs[0]}` ends it, `pexen pause {runs[0]}` leaves it to be gone on with by hand."
    )
    app.console.say(f"pexen: {text}")
    app.console.err.flush()
    app.manager.status(text)
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        app.manager.alive()
        time.sleep(min(left, 1.0))
