"""What the journal says about runs, in the words that people are shown: the list of runs, and one run on one page.

What is wrong comes first, and is shown however many tasks there are; of the rest a large run gives a count.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pexen_state.box.life import boot_id
from pexen_state.core.states import BAD_WORDS
from pexen_state.journal import queries
from pexen_state.journal.identity import is_alive
from pexen_state.journal.lock import holder_of
from pexen_state.report.endings import session_in_words
from pexen_state.report.merged import Merged, merged_in_words
from pexen_state.report.style import Style, count, duration, took, verdict_words, when
from pexen_state.report.suspects import awaiting_of
from pexen_state.report.tables import table
from pexen_state.report.text import cut, safe

Found = dict[str, Any]

_ALL_SHOWN = 200  # a run with no more tasks is shown whole
_LISTED = 100  # failures, warnings, reasons of a larger one
_NAMED = 5  # tasks beside a reason
_RUN_COLUMNS = (
    "run",
    "suite",
    "state",
    "verdict",
    "tasks",
    "pass",
    "warn",
    "fail",
    "skip",
    "not run",
    "again",
    "started",
    "took",
)


def with_doing(connection: sqlite3.Connection, path: str, runs: Iterable[Found]) -> list[Found]:
    """Runs, each with a column `doing`: `running`, `paused`, `interrupted`, `parked` or `awaits_reboot`.

    None for one that is over.
    Whether an unfinished run is being run right now is known to the run lock alone.
    """
    holder = holder_of(path)
    # What a dead runner left holds the lock for a moment more, until it has ended everything.
    runner = holder.runner.pid if holder is not None and is_alive(holder.runner) else None
    told = []
    for run in runs:
        doing = None
        if run["state"] == "unfinished":
            # Who only steered says nothing of how the run was left.
            sessions = [one for one in queries.sessions(connection, run["id"]) if one["how_ended"] != "steered"]
            doing = _doing(sessions[-1], runner) if sessions else "interrupted"
            if doing == "interrupted" and sessions and _awaits_reboot(connection, run["id"], sessions[-1]):
                doing = "awaits_reboot"
        told.append({**run, "doing": doing})
    return told


def _doing(session: Found, runner: int | None) -> str:
    if session["ended_at"] is None and runner is not None and session["pid"] == runner:
        return "running"
    return str(session["how_ended"]) if session["how_ended"] in ("paused", "parked") else "interrupted"


def _awaits_reboot(connection: sqlite3.Connection, run: int, last: Found) -> bool:
    """Whether it ended in good order, with tasks that asked for a reboot, and the box has had none since."""
    in_order = last["how_ended"] in ("stopped", "rebooted")
    return in_order and last["boot_id"] == boot_id() and bool(awaiting_of(connection, run))


def runs_table(runs: Iterable[Found]) -> Iterator[str]:
    rows = [
        (
            run["id"],
            run["name"],
            verdict_words(run["doing"] or run["state"]),
            verdict_words(run["verdict"]),
            run["tasks"],
            run["passed"],
            run["warned"],
            run["failed"],
            run["skipped"],
            run["not_run"],
            f"of {run['parent']}" if run.get("parent") is not None else "",
            when(run["started_at"]),
            duration(run["seconds"]) if run["seconds"] is not None else "",
        )
        for run in runs
    ]
    if any(row[10] for row in rows):
        return table(_RUN_COLUMNS, rows)
    return table([*_RUN_COLUMNS[:10], *_RUN_COLUMNS[11:]], [row[:10] + row[11:] for row in rows])


def run_lines(run: Found, sessions: Sequence[Found], again: str | None, style: Style) -> Iterator[str]:
    """One run, above its tasks. `again` says what it runs again, if it does."""
    state = verdict_words(run["doing"] or run["state"])
    verdict = f", verdict {verdict_words(run['verdict'])}" if run["verdict"] else ""
    yield style.strong(f"run {run['id']}  suite {safe(run['name'])}  {state}{verdict}")
    if again is not None:
        yield f"  {again}"
    yield f"  target    {cut(safe(str(run['target'])))}"
    yield f"  started   {when(run['started_at'])} on {safe(str(run['host']))}, kernel {safe(str(run['kernel']))}"
    if run["seconds"] is not None:
        yield f"  took      {duration(run['seconds'])}"
    counted = ("passed", "warned", "failed", "skipped", "not_run")
    counts = ", ".join(f"{run[name]} {verdict_words(name)}" for name in counted if run[name])
    yield f"  tasks     {run['tasks']}{f': {counts}' if counts else ''}"
    for number, session in enumerate(sessions, 1):
        is_running = run["doing"] == "running" and number == len(sessions)
        yield (
            f"  session   {when(session['started_at'])}  pid {session['pid']}  {session_in_words(session, is_running)}"
        )


def merged_line(found: Merged) -> Iterator[str]:
    """`  merged    runs 1 and 3: the newest verdict of each task; 12 tasks: 11 pass, 1 fail`"""
    if (said := merged_in_words(found.runs)) is not None:
        counts = Counter(verdict_words(task["verdict"]) or "unfinished" for task in found.tasks)
        told = ", ".join(f"{number} {word}" for word, number in counts.most_common())
        yield f"  merged    {said}; {count(len(found.tasks), 'task')}: {told}"


def again_in_words(parent: int, verdicts: Mapping[str, str | None], keys: Iterable[str]) -> str:
    """Which tasks of which run a run runs again. `verdicts`: those of the tasks of that run, `keys`: of this one.

    What was picked brings along what it requires. So only a kind of task that is here to the last one was picked.
    """
    again = set(keys)
    failed = {key for key, verdict in verdicts.items() if verdict in BAD_WORDS}
    undone = {key for key, verdict in verdicts.items() if verdict in (None, "not_run")}
    picked = [
        words for kind, words in ((failed, "what failed"), (undone, "what did not run")) if kind and kind <= again
    ]
    if again >= set(verdicts) and again != failed and again != undone:
        return f"runs again the tasks of run {parent}"
    return f"runs again {' and '.join(picked)} in run {parent}" if picked else f"runs again tasks of run {parent}"


# -- its tasks


def task_lines(tasks: Sequence[Found], style: Style, everything: bool, run_id: int | None = None) -> Iterator[str]:
    """What failed, then warnings, what was flaky, what did not run by its reasons, and the rest if it is not too much.

    `everything`: nothing is left out. `run_id`: of a task that is of another run this is said.
    """
    whole = everything or len(tasks) <= _ALL_SHOWN
    most = len(tasks) if everything else _LISTED
    bad = [task for task in tasks if task["verdict"] in BAD_WORDS]
    warned = [task for task in tasks if task["verdict"] == "warn"]
    flaky = [task for task in tasks if task["flaky"] and task["verdict"] != "warn"]
    not_run = [task for task in tasks if task["verdict"] == "not_run"]
    for wrong in (bad, warned, flaky):
        yield from (task_line(task, style, run_id) for task in wrong[:most])
        if len(wrong) > most:
            yield f"  ... and {len(wrong) - most} more; --all lists them"
    yield from _not_run_lines(not_run, style, everything)
    told = {id(task) for task in (*bad, *warned, *flaky, *not_run)}
    rest = [task for task in tasks if id(task) not in told]
    if whole:
        yield from (task_line(task, style, run_id) for task in rest)
    elif rest:
        words = Counter(verdict_words(task["verdict"]) or task["state"] for task in rest)
        counts = ", ".join(f"{number} {word}" for word, number in words.most_common())
        more = "more " if told else ""
        yield f"  {'and ' if told else ''}{count(len(rest), f'{more}task')}: {counts}; --all lists them"


def task_line(task: Found, style: Style, run_id: int | None = None) -> str:
    word = verdict_words(task["verdict"]) or task["state"]
    parts = [f"  {style.word(word)} [{took(task['seconds'])}] {safe(task['task'])}"]
    if run_id is not None and task["run"] != run_id:
        parts.append(f"in run {task['run']}")
    if (task["attempts"] or 0) > 1:
        parts.append(f"{task['attempts']} attempts")
    if task["flaky"]:
        parts.append("flaky")
    if task["reason"]:
        parts.append(cut(safe(task["reason"])))
    return "  ".join(parts)


def _not_run_lines(tasks: Sequence[Found], style: Style, everything: bool) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for task in tasks:
        by_reason.setdefault(task["reason"] or task["state"], []).append(task["task"])
    shown = list(by_reason.items()) if everything else list(by_reason.items())[:_LISTED]
    for reason, keys in shown:
        named = keys if everything else keys[:_NAMED]
        more = f" and {len(keys) - len(named)} more" if len(keys) > len(named) else ""
        yield f"  {style.word('not run')} {len(keys):>9} {cut(safe(reason))}"
        yield f"                    {', '.join(map(safe, named))}{more}"
    if len(by_reason) > len(shown):
        left = sum(len(keys) for keys in list(by_reason.values())[len(shown) :])
        yield f"  ... and {left} more that did not run; --all lists them"
