"""What `pause`, `cancel` and `unlock` have in common: which run is meant, and what there is to be steered.

Whoever runs the run is asked; if nobody does, the same is done to the journal, under its lock (`sched.steer`). What
is said afterwards is read from the journal, where everything that was answered stands already.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from pexen_state.cli.errors import UsageError
from pexen_state.core.spec import Name
from pexen_state.journal import queries
from pexen_state.report.text import safe


class HeldLock(NamedTuple):
    """A lock that a task which has ended left held."""

    name: Name
    shown: str  #: as `pexen locks` shows it
    key: str  #: of the task
    ending: str  #: its verdict, in words


def runner_of(connection: sqlite3.Connection, path: str) -> int | None:
    """The run that is being run now; None if nobody runs anything."""
    from pexen_state.journal.lock import holder_of

    holder = holder_of(path)
    if holder is None:
        return None
    found = connection.execute(
        "SELECT run FROM session WHERE pid = ? AND ended_us IS NULL ORDER BY id DESC LIMIT 1", (holder.runner.pid,)
    ).fetchone()
    return None if found is None else int(found[0])


def check_unfinished(connection: sqlite3.Connection, path: str, run: int, what: str) -> None:
    """Raises UsageError for a run that is over; `what` says what then is the matter."""
    state = queries.run(connection, run)["state"]
    if state == "unfinished":
        return
    at_work = runner_of(connection, path)
    hint = f" Run {at_work} is being run now; name it, if you mean that one." if at_work not in (None, run) else ""
    raise UsageError(f"run {run} is {state}: {what}.{hint}")


def held_locks(connection: sqlite3.Connection, run: int) -> Iterator[HeldLock]:
    """The locks that tasks of the run which have ended left held."""
    from pexen_state.core.lock_names import lock_text
    from pexen_state.journal.standing import standing
    from pexen_state.report.style import verdict_words

    for name, task in standing(connection, run).still_held():
        yield HeldLock(name, safe(lock_text(name)), task.spec.key, verdict_words(task.verdict.word))


def waits_for(connection: sqlite3.Connection, run: int, name: Name) -> int:
    """How many unfinished tasks that are not in flight want this lock, or one above or below it."""
    from pexen_state.core.locks import is_above, normal_name
    from pexen_state.journal.standing import standing

    freed = normal_name(name)

    def wants(name: Name) -> bool:
        want = normal_name(name)
        return want == freed or is_above(want, freed) or is_above(freed, want)

    return sum(
        not task.state.is_final and not task.state.in_flight and any(map(wants, (*task.spec.alone, *task.spec.uses)))
        for task in standing(connection, run).tasks.values()
    )
