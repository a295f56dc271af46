"""What the journal says about runs and tasks, in the words that people are shown."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from pexen_state.journal import queries
from pexen_state.journal.lock import holder_of
from pexen_state.report.style import Style, duration, took, verdict_words
from pexen_state.report.tables import table
from pexen_state.report.text import safe

Found = dict[str, Any]

_BAD = ("fail", "error", "timeout", "crash")
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
    "started",
    "took",
)


def with_doing(connection: sqlite3.Connection, path: str, runs: Iterable[Found]) -> list[Found]:
    """Runs, each with a column `doing`: `running`, `paused`, `interrupted` or `parked`, None for one that is over.

    Whether an unfinished run is being run right now is known to the run lock alone.
    """
    holder = holder_of(path)
    told = []
    for run in runs:
        doing = None
        if run["state"] == "unfinished":
            sessions = queries.sessions(connection, run["id"])
            runner = holder.runner.pid if holder is not None else None
            doing = _doing(sessions[-1], runner) if sessions else "interrupted"
        told.append({**run, "doing": doing})
    return told


def _doing(session: Found, runner: int | None) -> str:
    if session["ended_at"] is None and runner is not None and session["pid"] == runner:
        return "running"
    return str(session["how_ended"]) if session["how_ended"] in ("paused", "parked") else "interrupted"


def runs_table(runs: Iterable[Found]) -> Iterator[str]:
    rows = [
        (
            run["id"],
            run["name"],
            run["doing"] or run["state"],
            verdict_words(run["verdict"]),
            run["tasks"],
            run["passed"],
            run["warned"],
            run["failed"],
            run["skipped"],
            run["not_run"],
            when(run["started_at"]),
            duration(run["seconds"]) if run["seconds"] is not None else "",
        )
        for run in runs
    ]
    return table(_RUN_COLUMNS, rows)


def run_lines(run: Found, sessions: Iterable[Found], style: Style) -> Iterator[str]:
    """One run, above its tasks."""
    state = run["doing"] or run["state"]
    verdict = f", verdict {verdict_words(run['verdict'])}" if run["verdict"] else ""
    yield style.strong(f"run {run['id']}  suite {safe(run['name'])}  {state}{verdict}")
    yield f"  target    {safe(str(run['target']))}"
    yield f"  started   {when(run['started_at'])} on {safe(str(run['host']))}, kernel {safe(str(run['kernel']))}"
    counted = ("passed", "warned", "failed", "skipped", "not_run")
    counts = ", ".join(f"{run[name]} {verdict_words(name)}" for name in counted if run[name])
    yield f"  tasks     {run['tasks']}{f': {counts}' if counts else ''}"
    for session in sessions:
        ended = f"{session['how_ended']} at {when(session['ended_at'])}" if session["ended_at"] else "not ended"
        yield f"  session   {when(session['started_at'])}  pid {session['pid']}  {ended}"


def task_lines(tasks: Iterable[Found], style: Style) -> Iterator[str]:
    """The tasks of a run, one a line; what failed comes last, where it is seen."""
    for task in sorted(tasks, key=lambda task: task["verdict"] in _BAD):
        word = verdict_words(task["verdict"]) or task["state"]
        parts = [f"  {style.word(word)} [{took(task['seconds'])}] {safe(task['task'])}"]
        if (task["attempts"] or 0) > 1:
            parts.append(f"{task['attempts']} attempts")
        if task["flaky"]:
            parts.append("flaky")
        if task["reason"]:
            parts.append(safe(task["reason"]))
        yield "  ".join(parts)


def one_task(task: Found, attempts: Iterable[Found], story: Iterable[Found], style: Style) -> Iterator[str]:
    """One task: where it stands, its attempts, and how it came there."""
    verdict = f", verdict {verdict_words(task['verdict'])}" if task["verdict"] else ""
    yield style.strong(f"{safe(task['task'])}  {task['state']}{verdict}{', flaky' if task['flaky'] else ''}")
    if task["reason"]:
        yield f"  reason    {safe(task['reason'])}"
    for attempt in attempts:
        ended = [f"attempt {attempt['attempt']}: {attempt['state']}"]
        if attempt["cause"]:
            ended.append(verdict_words(attempt["cause"]))
        if attempt["exit_code"] is not None:
            ended.append(f"exit {attempt['exit_code']}")
        if attempt["signal"] is not None:
            ended.append(f"signal {attempt['signal']}")
        ended.append(f"{took(attempt['seconds']).strip()}")
        yield f"  {'  '.join(ended)}"
        if attempt["started_at"]:
            yield f"    started {when(attempt['started_at'])}  worker {attempt['worker']}  pid {attempt['pid']}"
        if attempt["output"]:
            yield f"    output  {safe(attempt['output'])}"
    for step in story:
        reason = f"  {safe(step['reason'])}" if step["reason"] else ""
        yield f"  {when(step['at'])}  {step['old']} -> {step['new']}: {verdict_words(step['cause'])}{reason}"


def when(iso: str | None) -> str:
    """A time of the journal, which is UTC, in seconds and in the time zone of whoever looks."""
    if not iso:
        return ""
    from datetime import datetime

    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")
