"""Is a journal what it says? Every decision is applied to a new plan, and the outcome compared with the projection.

Reads only, by the standard library. Each finding is a sentence.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from pexen_state.core.decisions import Restored
from pexen_state.core.plan import IllegalTransition, Plan, Task
from pexen_state.core.states import State
from pexen_state.journal import restore
from pexen_state.journal.reader import reader
from pexen_state.journal.records import SavedTask
from pexen_state.journal.versions import REVISION
from pexen_state.journal.views import VIEWS

_RUNS = "SELECT id FROM run ORDER BY id"

# An attempt that has no end belongs to a task in flight.
_OPEN_ATTEMPTS = """
SELECT k.key, t.attempt - t.withdrawn FROM attempt a JOIN transition t ON t.seq = a.id JOIN task k ON k.id = t.task
WHERE a.ended IS NULL AND (k.state NOT IN (2, 3) OR k.submitted <> a.id)
"""

# Transitions that no session claims would be in no view.
_STRAY_TRANSITIONS = """
SELECT count(*) FROM transition t WHERE NOT EXISTS (
  SELECT 1 FROM session s WHERE t.seq BETWEEN s.first_seq AND coalesce(s.last_seq, t.seq)
)
"""


#: When something was. NULL is for what has not been yet.
_TIMES = {
    "run": ("began_us", "ended_us"),
    "session": ("began_us", "ended_us"),
    "transition": ("at_us",),
    "run_event": ("at_us",),
    "result": ("at_us",),
    "checkpoint": ("at_us",),
}
_YEAR_10000_US = 253_402_300_800_000_000  # the first that is written with five digits


class Finding(NamedTuple):
    run: int | None  #: None: it is about the file
    task: str | None
    what: str


def check(path: str | os.PathLike[str]) -> list[Finding]:
    """Everything that is wrong with the journal. Raises a JournalError if it cannot be read at all."""
    with reader(path) as connection:
        return [*_file(connection), *_runs(connection)]


def _file(connection: sqlite3.Connection) -> Iterator[Finding]:
    for (said,) in connection.execute("PRAGMA quick_check"):
        if said != "ok":
            yield Finding(None, None, f"SQLite: {said}")
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield Finding(None, None, f"row {row} of {table} points to a row of {parent} that is not there")
    yield from _views(connection)
    for key, nth in connection.execute(_OPEN_ATTEMPTS):
        yield Finding(None, key, f"attempt {nth} has no end, but the task is not in flight with it")
    yield from _times(connection)
    (strays,) = connection.execute(_STRAY_TRANSITIONS).fetchone()
    if strays:
        yield Finding(None, None, f"{strays} transitions belong to no session")


def _times(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Of the times, those that no clock has shown."""
    for table, columns in _TIMES.items():
        for column in columns:
            (count,) = connection.execute(
                f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL"
                f" AND (typeof({column}) <> 'integer' OR {column} NOT BETWEEN 0 AND ?)",
                (_YEAR_10000_US - 1,),
            ).fetchone()
            if count:
                yield Finding(None, None, f"{count} of {column} in the table {table} can be no time")


def _views(connection: sqlite3.Connection) -> Iterator[Finding]:
    """They are text in the file. Of an older schema they are those of its time, and nobody asks them."""
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if revision != REVISION:
        return
    there = dict(connection.execute("SELECT name, sql FROM main.sqlite_master WHERE type = 'view'").fetchall())
    for name, statement in VIEWS.items():
        if there.get(name) != statement:
            yield Finding(None, None, f"the view {name} is not what pexen makes it")


def _runs(connection: sqlite3.Connection) -> Iterator[Finding]:
    def fetch(query: str, params: restore.Row) -> list[restore.Row]:
        return connection.execute(query, params).fetchall()

    for (run,) in fetch(_RUNS, ()):
        try:
            yield from replay(fetch, run)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            yield Finding(run, None, f"what is recorded of it makes no sense: {error!r}")


def replay(fetch: restore.Fetch, run: int) -> Iterator[Finding]:
    """What of a run's projection differs from a replay of its decisions."""
    plan = Plan()
    for seq, decision in restore.numbered_decisions(fetch, run):
        try:
            plan.apply(decision)
        except (IllegalTransition, LookupError) as error:
            yield Finding(run, None, f"decision {seq} cannot be applied: {error}")
            return
    saved = restore.saved_tasks(fetch, run)
    if len(saved) != len(plan.tasks):
        yield Finding(run, None, f"{len(plan.tasks)} tasks were added, but the journal has {len(saved)}")
    for one in saved:
        task = plan.tasks.get(one.number)
        if task is None:
            yield Finding(run, one.key, "no decision added it")
        else:
            yield from _compare(run, one, task)
    order = [one.number for one in saved if one.ended_seq is not None]
    ended = sorted((task for task in plan.tasks.values() if task.state.is_final), key=lambda task: task.rank)
    if order != [task.number for task in ended]:
        yield Finding(run, None, "the tasks that have ended are recorded in another order than that of the decisions")


def _compare(run: int, saved: SavedTask, task: Task) -> Iterator[Finding]:
    if saved.spec != task.spec:
        yield Finding(run, saved.key, f"its spec is {saved.spec}, by replay {task.spec}")
    replayed = Restored(
        saved.number,
        task.state,
        task.attempt,
        task.withdrawn,
        task.failures,
        task.crashes,
        task.verdict,
        task.provided,
        task.locks,
        task.reason,
        task.is_fresh,
        task.reboots,
    )
    for name, kept, found in zip(Restored._fields, saved.restored, replayed, strict=True):
        # waiting -> ready follows from what others did, and is not recorded.
        implied = name == "state" and task.is_fresh and {kept, found} == {State.WAITING, State.READY}
        if kept != found and not implied:
            yield Finding(run, saved.key, f"its {name} is {_said(kept)}, by replay {_said(found)}")


def _said(value: object) -> str:
    return str(getattr(value, "word", value))
