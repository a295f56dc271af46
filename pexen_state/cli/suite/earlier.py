"""What the journal knows of earlier runs, for whoever goes on with one, or begins another after it. Reads only."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Sequence
from typing import NamedTuple

from pexen_state.cli.errors import NothingToDo
from pexen_state.cli.journals import Found
from pexen_state.cli.running.recorded import is_ours
from pexen_state.cli.suite import left
from pexen_state.cli.suite.left import HowLeft
from pexen_state.cli.suite.selection import BAD, Failing, Left
from pexen_state.core.inputs import PassedBefore
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Verdict
from pexen_state.journal import queries, restore
from pexen_state.journal.ids import ids_of
from pexen_state.journal.lives import Today
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.reader import reader
from pexen_state.journal.records import RunRecord, RunState, SavedTask
from pexen_state.journal.resuming import late
from pexen_state.journal.uptodate import is_empty
from pexen_state.sched.interrupted import Interrupted, interruption_of
from pexen_state.sched.meta import Task
from pexen_state.sched.passed import passed_before
from pexen_state.sched.pool.slots import begun_marks
from pexen_state.sched.repeat import without_round

# What became of the unfinished runs of its suite when a run began: those that it superseded ended as it began.
_SUPERSEDED = """
SELECT o.id FROM run r JOIN run o ON o.name = r.name AND o.state = 3 AND o.ended_us = r.began_us AND o.id < r.id
WHERE r.id = ? ORDER BY o.id
"""
_UNTOUCHED = """
SELECT o.id FROM run r JOIN run o ON o.name = r.name AND o.state = 0 AND o.id < r.id WHERE r.id = ? ORDER BY o.id
"""

# The newest verdict of each task that has one is that of the newest run here; not_run is none.
_NEWEST = "SELECT id FROM run WHERE name = ? ORDER BY id DESC LIMIT ?"
_JUDGED = (
    "SELECT key, verdict FROM task WHERE id BETWEEN ? AND ?"
    f" AND verdict NOT IN ({int(Verdict.NONE)}, {int(Verdict.NOT_RUN)})"
)

_RUNS_LOOKED_AT = 20  # for what failed last


class Unfinished(NamedTuple):
    record: RunRecord
    how: HowLeft


def is_there(found: Found | None) -> bool:
    """Whether there is a journal to look at, or somebody says that there is one."""
    return found is not None and (found.is_named or os.path.lexists(found.path))


def unfinished(path: str, which: str | None = None) -> Unfinished:
    """The run to go on with: that one, or the newest. Raises NothingToDo, or what says that there is no such run."""
    with reader(path) as connection:
        found = _runs(connection, "state = 0")
        if which is None:
            if not found:
                raise NothingToDo("nothing to resume: every run of this journal is over. `pexen run` begins another.")
            return Unfinished(found[0], how_left(connection, found[0], path))
        named = [record for record in found if record.name == which]
        if named and not queries.is_run(which):
            record = named[0]
        else:
            (record,) = _runs(connection, "id = ?", queries.run_id(connection, which))
        if record.state is not RunState.UNFINISHED:
            raise NothingToDo(f"nothing to resume: run {record.id} is {record.state.word}. `pexen run` begins another.")
        return Unfinished(record, how_left(connection, record, path))


def is_any_unfinished(path: str, which: str | None = None) -> bool:
    """Whether `unfinished` would find one."""
    try:
        unfinished(path, which)
    except NothingToDo:
        return False
    return True


def all_unfinished(path: str) -> list[Unfinished]:
    """The oldest first."""
    with reader(path) as connection:
        return [
            Unfinished(record, how_left(connection, record, path))
            for record in reversed(_runs(connection, "state = 0"))
        ]


def unfinished_of(path: str, suite: str) -> Unfinished | None:
    """The newest unfinished run of the suite, if there is one."""
    if is_empty(path):
        return None
    with reader(path) as connection:
        found = _runs(connection, "state = 0 AND name = ?", suite)
        return Unfinished(found[0], how_left(connection, found[0], path)) if found else None


def run_named(path: str, which: str | None) -> RunRecord:
    """A RUN; the newest if nobody says which. Raises NotFound."""
    with reader(path) as connection:
        run = queries.run_id(connection, which) if which is not None else queries.run_id(connection)
        (record,) = _runs(connection, "id = ?", run)
        return record


def saved_tasks(path: str, run: int) -> list[SavedTask]:
    with reader(path) as connection:
        return restore.saved_tasks(_fetching(connection), run)


def added_by_tasks(path: str, run: int) -> frozenset[int]:
    """Numbers of the tasks that are made again out of what other tasks had recorded, whatever the suite has."""
    with reader(path) as connection:
        return frozenset(late(_fetching(connection), run).calls)


def interruption(path: str, run: int) -> Interrupted:
    """How the run was interrupted, as whoever resumes it now would see it."""
    with reader(path) as connection:
        return interruption_of(_fetching(connection), run, begun_marks(JournalPaths.of(path).slots), Today.of(path))


def left_by(path: str, run: int) -> Left:
    """What became of a run's tasks."""
    with reader(path) as connection:
        saved = restore.saved_tasks(_fetching(connection), run)
        adders = _adders(connection, run)
    return Left(run, {task.key: task.restored.verdict for task in saved}, adders)


def passed(path: str, run: int, tasks: Sequence[Task], specs: Sequence[TaskSpec]) -> PassedBefore:
    """Which of these tasks passed in that run, and are what they were then."""
    with reader(path) as connection:
        return passed_before(_fetching(connection), run, specs, [None, *tasks])


def newest_of(path: str, suite: str) -> RunRecord | None:
    """The newest run of the suite, whatever became of it."""
    if is_empty(path):
        return None
    with reader(path) as connection:
        found = _runs(connection, "name = ?", suite)
        return found[0] if found else None


def failing(path: str, suite: str, among: Collection[str]) -> Failing:
    """Which of these tasks failed when they last ran, by the newest runs of the suite."""
    adders: dict[str, str] = {}
    with reader(path) as connection:
        runs = [run for (run,) in connection.execute(_NEWEST, (suite, _RUNS_LOOKED_AT))]
        for run in runs:
            adders = {**_adders(connection, run), **adders}
        judged: dict[str, tuple[int, Verdict]] = {}
        for run in runs:
            for key, verdict in connection.execute(_JUDGED, ids_of(run)):
                judged.setdefault(key, (run, Verdict(verdict)))

    # What the newest run had, and the suite has no more, is told.
    def is_there(key: str) -> bool:
        return key in among or without_round(key) in among

    failed = {adders.get(key, key): run for key, (run, verdict) in judged.items() if verdict in BAD}
    bad = {key: run for key, run in failed.items() if is_there(key) or run == runs[0]}
    return Failing(frozenset(bad), tuple(sorted(set(bad.values()))), tuple(sorted(runs)))


def beside(path: str, run: int) -> tuple[list[int], list[int]]:
    """Other runs of the suite of a run that has begun: those that it superseded, and those that stay unfinished."""
    with reader(path) as connection:
        superseded = [other for (other,) in connection.execute(_SUPERSEDED, (run,))]
        return superseded, [other for (other,) in connection.execute(_UNTOUCHED, (run,))]


def _adders(connection: sqlite3.Connection, run: int) -> dict[str, str]:
    """By key of a task that others have added: who is to run again, so that it is added again."""
    joined = late(_fetching(connection), run)
    if not joined.adders:
        return {}
    keys = {task.number: task.key for task in restore.saved_tasks(_fetching(connection), run)}
    return {keys[number]: keys[joined.first_adder(number)] for number in joined.adders if number in keys}


def how_left(connection: sqlite3.Connection, record: RunRecord, path: str) -> HowLeft:
    begun_by = None if is_ours(record.options) else "it was begun by a program, not by `pexen run`"
    found = left.how_left(_fetching(connection), record.id, path)
    return found._replace(left_alone=begun_by or found.left_alone)


def _runs(connection: sqlite3.Connection, where: str, *params: object) -> list[RunRecord]:
    return restore.runs(_fetching(connection), where, params)


def _fetching(connection: sqlite3.Connection) -> restore.Fetch:
    def fetch(query: str, parameters: restore.Row) -> list[restore.Row]:
        return connection.execute(query, parameters).fetchall()

    return fetch
