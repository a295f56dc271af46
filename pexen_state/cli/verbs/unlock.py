"""`pexen unlock`: free what a failed task left held."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pexen_state.cli.app import App, verb

if TYPE_CHECKING:
    from pexen_state.cli.steering import HeldLock

_SHOWN = 20


@click.command(short_help="Free a lock that a failed task left held.")
@click.option("-r", "--run", "forced", metavar="RUN", help="The run [latest].")
@click.argument("lock", metavar="LOCK")
@verb
def unlock(app: App, forced: str | None, lock: str) -> int:
    """Free a lock that a task which has ended left held, once what it stands for is clean again.

    LOCK is a name as `pexen locks` shows it. This is for an unfinished run: a new run begins with all locks free.
    """
    from pexen_state.cli import journals
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import looking
    from pexen_state.cli.steering import check_unfinished, held_locks, waits_for
    from pexen_state.core.lock_names import lock_of, lock_text
    from pexen_state.journal import queries
    from pexen_state.journal.specs import sql_text
    from pexen_state.report.style import count
    from pexen_state.report.text import safe
    from pexen_state.sched.steer import Unlock, steer

    with looking(app) as (path, connection):
        run = queries.run_id(connection, sql_text(forced or "latest"))
        check_unfinished(connection, path, run, "a new run begins with all locks free")
        held = list(held_locks(connection, run))
        name = lock_of(_typed(lock, held), [one.name for one in held])
        if name is None:
            raise UsageError(f"{_not_held(connection, run, lock)}. {_list(held)}")
        waiting = waits_for(connection, run, name)
    done = steer(path, Unlock(lock_text(name)), run)
    meant = [one for one in held if one.name == name]
    left = ", ".join(f"{safe(one.key)} ({one.ending})" for one in meant[:_SHOWN])
    tasks = f"{count(waiting, 'task')} that {'wants' if waiting == 1 else 'want'} it may run"
    if not waiting:
        then = "No task waits for it."
    elif done.is_run:
        then = f"{tasks} now."
    else:
        then = f"{tasks}: `pexen{journals.option_for(path, app.journal, journals.current_directory())} resume` goes on."
    app.console.out.line(f"the lock {meant[0].shown} of run {run} is free; {left} had left it held. {then}")
    return 0


def _typed(lock: str, held: Sequence[HeldLock]) -> str:
    """A name that no terminal shows may be typed as it was shown."""
    from pexen_state.core.lock_names import lock_text
    from pexen_state.journal.specs import sql_text

    return next((lock_text(one.name) for one in held if one.shown == lock), sql_text(lock))


def _not_held(connection: sqlite3.Connection, run: int, lock: str) -> str:
    """Why there is nothing to free."""
    from pexen_state.core.lock_names import lock_of
    from pexen_state.journal.specs import sql_text
    from pexen_state.journal.standing import standing
    from pexen_state.report.text import safe

    plan = standing(connection, run)
    for name, number, _ in plan.locks.held():
        task = plan.tasks[number]
        if not task.state.is_final and lock_of(sql_text(lock), [name]) is not None:
            by = f"the lock {safe(lock)} is held by {safe(task.spec.key)}"
            if task.state.in_flight:
                return f"{by}, which has not ended: it is freed when that has"
            key = safe(task.spec.key)
            return f"{by}, which goes on with it ({task.state.word}): `pexen cancel {key}` gives it up"
    return f"no task that has ended holds a lock {safe(lock)!r} in run {run}"


def _list(held: Sequence[HeldLock]) -> str:
    from pexen_state.report.text import safe

    if not held:
        return "No lock was left held."
    named = ", ".join(f"{one.shown} (left by {safe(one.key)}, {one.ending})" for one in held[:_SHOWN])
    return f"Left held: {named}{', ...' if len(held) > _SHOWN else ''}."
