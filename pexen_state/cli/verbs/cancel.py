"""`pexen cancel`: end a run, or one of its tasks."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import click

from pexen_state.cli.app import App, verb

if TYPE_CHECKING:
    from pexen_state.sched.steer import Steered

_MOMENTS = 1.0  # many times what it takes until a beginning is in the journal
_RUNNING = ("running", "rebooting")


@click.command(short_help="End a run, or one of its tasks.")
@click.option("-r", "--run", "forced", metavar="RUN", help="The run, whatever it looks like.")
@click.argument("words", metavar="[RUN] [TASK]", nargs=-1)
@verb
def cancel(app: App, words: tuple[str, ...], forced: str | None) -> int:
    """End a run for good, or one of its tasks. What runs is stopped, what has not run never will.

    RUN is a number, latest, latest-1, or a run's name [latest]; TASK is a key, or the last whole
    parts of its path, if only one task has them. Nothing is asked. A cancelled run cannot be resumed; `pexen pause` is
    for that.
    """
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import looking, which
    from pexen_state.cli.steering import check_unfinished
    from pexen_state.journal import queries
    from pexen_state.report.style import verdict_words
    from pexen_state.report.text import safe
    from pexen_state.sched.steer import Cancel, steer

    with looking(app) as (path, connection):
        run, key = which(connection, words, forced, whole_parts=True)
        if key is None:
            check_unfinished(connection, path, run, "there is nothing to cancel")
            before = [task["ended_at"] is not None for task in queries.tasks(connection, run)]
        else:
            check_unfinished(connection, path, run, f"{safe(key)} has come to its end, too")
            state, verdict = _standing_of(connection, run, key)
            if verdict:
                said = verdict_words(verdict) if verdict != "not_run" else state
                raise UsageError(f"{safe(key)} has ended already ({said}): there is nothing to cancel")
    done = steer(path, Cancel(key), run)
    _wait_for_the_pool(app, run, key)
    if done.is_over and not done.is_run:
        _follow_up(app, path, run)
    with looking(app) as (_, connection):
        if key is None:
            about = queries.run(connection, run)
            if all(before) or about["state"] == "finished":
                verdict = f", with verdict {verdict_words(about['verdict'])}" if about["verdict"] else ""
                line = f"run {run} had come to its end{verdict}: nothing was cancelled."
            else:
                line = _of_run(connection, run, sum(before))
        else:
            line = f"{_of_task(connection, run, key)} {_then(run, done)}"
    app.console.out.line(line)
    return 0


def _follow_up(app: App, path: str, run: int) -> None:
    """Nobody ran it, and now it is over: what is to follow its end is up to us."""
    from pexen_state.cli.running import following_up

    for record in following_up.due(path, str(run)):
        following_up.make_up_for(app, path, record)


def _wait_for_the_pool(app: App, run: int, key: str | None) -> None:
    """What was handed over and has begun is told within moments; what has not is mostly given back."""
    import time

    from pexen_state.cli.resolve import looking
    from pexen_state.journal import queries

    until = time.monotonic() + _MOMENTS
    while time.monotonic() < until:
        with looking(app) as (_, connection):
            if key is None:
                is_known = not queries.states(connection, run).get("submitted")
            else:
                is_known = _standing_of(connection, run, key)[0] != "submitted"
        if is_known:
            return
        time.sleep(0.05)


def _then(run: int, done: Steered) -> str:
    if done.is_over:
        return f"It was the last one: run {run} is over."
    return "The run goes on without it." if done.is_run else "`pexen resume` goes on without it."


def _of_run(connection: sqlite3.Connection, run: int, ended: int) -> str:
    from pexen_state.journal import queries
    from pexen_state.report.style import count

    tasks = queries.tasks(connection, run)
    never = sum(
        task["state"] == "submitted" or (task["state"] == "cancelled" and task["verdict"] == "not_run")
        for task in tasks
    )
    killed = sum(
        task["state"] in _RUNNING or (task["state"] == "cancelled" and task["verdict"] != "not_run") for task in tasks
    )
    told = [
        f"{count(killed, 'task')} {'is' if killed == 1 else 'are'} stopped",
        f"{count(never, 'task')} never {'runs' if never == 1 else 'run'}",
        f"{count(ended, 'task')} had ended before",
    ]
    again = f" `pexen rerun {run} --not-run` runs what did not." if never else ""
    return f"run {run} is cancelled: {', '.join(told)}. It cannot be resumed.{again}"


def _of_task(connection: sqlite3.Connection, run: int, key: str) -> str:
    from pexen_state.report.style import verdict_words
    from pexen_state.report.text import safe

    state, verdict = _standing_of(connection, run, key)
    named = f"{safe(key)} of run {run}"
    if state in _RUNNING or (state == "cancelled" and verdict == "error"):
        return f"{named} is cancelled: it was running, and is stopped."
    if state == "cancelled" or verdict is None:
        return f"{named} is cancelled: it never runs."
    return f"{named} came to its end meanwhile ({verdict_words(verdict)}): nothing was cancelled."


def _standing_of(connection: sqlite3.Connection, run: int, key: str) -> tuple[str, str | None]:
    from pexen_state.journal import queries

    (found,) = queries.rows(connection, "SELECT state, verdict FROM tasks WHERE run = ? AND task = ?", run, key)
    return found["state"], found["verdict"]
