"""What is different between two runs, task by task.

The SQL fetches each run's tasks, in the order of their numbers; the comparing is done here, on plain values. Nothing
is shown, and nothing is decided about exit codes but what is worse.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from pexen_state.core.states import BAD_WORDS, Cause
from pexen_state.journal import queries
from pexen_state.journal.ids import ids_of

GOOD = frozenset({"pass", "info", "warn"})

#: A task is slower if it took at least so many times as long, and so many seconds more.
SLOWER_TIMES = 2.0
SLOWER_SECONDS = 1.0

RESULTS = "SELECT task, verdict, state, flaky, seconds, attempts, reason FROM tasks WHERE run = ? ORDER BY number"

# Skipped because they passed before, and were what they were then. Of the tables: a run may have many transitions.
PASSED_BEFORE = f"""
SELECT k.key FROM task k JOIN transition e ON e.seq = k.ended
WHERE k.id BETWEEN ? AND ? AND e.cause = {int(Cause.PASSED_BEFORE)}
"""


class Result(NamedTuple):
    """A task in one run."""

    task: str
    verdict: str | None  #: None: it has not ended yet
    state: str
    flaky: bool
    seconds: float | None
    attempts: int
    reason: str | None


class Kind(Enum):
    """What can be different, in the order in which it is told; the value is the word for people and for JSON.

    A task has at most one of those that are about its verdict, and may be `FLAKY` or `SLOWER` besides.
    """

    NEWLY_FAILED = "newly failed"  #: also a new task that failed
    NOT_RUN = "not run any more"
    GONE = "gone"  #: not among the second run's tasks
    FIXED = "fixed"
    NEW = "new"
    CHANGED = "other changes"  #: of the verdict
    FLAKY = "newly flaky"  #: passed after a failed attempt, and did not in the first run
    SLOWER = "slower"

    @property
    def is_worse(self) -> bool:
        return self in (Kind.NEWLY_FAILED, Kind.NOT_RUN, Kind.GONE)

    @property
    def word(self) -> str:
        """For JSON."""
        return self.name.lower()


class Change(NamedTuple):
    task: str
    before: Result | None
    after: Result | None


class Difference(NamedTuple):
    """`before` and `after` are rows of the view `runs`."""

    before: dict[str, Any]
    after: dict[str, Any]
    is_partial: bool  #: the second run only ran again some tasks of an earlier one
    changes: Mapping[Kind, list[Change]]
    same: int  #: tasks with the same verdict in both
    still_bad: int  #: those of them that failed
    without: tuple[int, int]  #: tasks of each run that have no verdict yet

    @property
    def is_worse(self) -> bool:
        return any(self.changes[kind] for kind in Kind if kind.is_worse)


def difference(connection: sqlite3.Connection, before: int, after: int) -> Difference:
    """From the first to the second of two runs. Raises NotFound."""
    runs = queries.run(connection, before), queries.run(connection, after)
    first, second = results(connection, before), results(connection, after)
    is_partial = runs[1].get("parent") is not None
    changes, same, still_bad = compare(first, second, is_partial)
    without = tuple(sum(one.verdict is None for one in those.values()) for those in (first, second))
    return Difference(*runs, is_partial, changes, same, still_bad, (without[0], without[1]))


def results(connection: sqlite3.Connection, run: int) -> dict[str, Result]:
    """By key. What was skipped because it had passed counts as passed: nothing is different about it."""
    found = {
        row[0]: Result(row[0], row[1], row[2], bool(row[3]), row[4], row[5] or 0, row[6])
        for row in connection.execute(RESULTS, (run,))
    }
    for (task,) in connection.execute(PASSED_BEFORE, ids_of(run)):
        found[task] = found[task]._replace(verdict="pass")
    return found


def compare(
    before: Mapping[str, Result], after: Mapping[str, Result], is_partial: bool
) -> tuple[dict[Kind, list[Change]], int, int]:
    """The changes by kind, how many tasks kept their verdict, and how many of these failed."""
    changes: dict[Kind, list[Change]] = {kind: [] for kind in Kind}
    same = still_bad = 0
    for task in _in_order(before, after):
        was, now = before.get(task), after.get(task)
        change = Change(task, was, now)
        kind = _kind(was, now)
        if kind is Kind.GONE and is_partial:
            continue  # it was not to be run
        if kind is not None:
            changes[kind].append(change)
        elif was is not None and now is not None and now.verdict is not None and was.verdict == now.verdict:
            same += 1
            still_bad += now.verdict in BAD_WORDS
        if was is not None and now is not None:
            if now.flaky and not was.flaky:
                changes[Kind.FLAKY].append(change)
            if _is_slower(was, now):
                changes[Kind.SLOWER].append(change)
    return changes, same, still_bad


def _in_order(before: Mapping[str, Result], after: Mapping[str, Result]) -> Iterable[str]:
    yield from after
    for task in before:
        if task not in after:
            yield task


def _kind(was: Result | None, now: Result | None) -> Kind | None:
    if now is None:
        return Kind.GONE
    if now.verdict is None:
        return None  # it may still become anything
    if now.verdict in BAD_WORDS and (was is None or was.verdict not in BAD_WORDS):
        return Kind.NEWLY_FAILED
    if was is None:
        return Kind.NEW
    if was.verdict == now.verdict or was.verdict is None:
        return None
    if now.verdict == "not_run":
        return Kind.NOT_RUN
    if was.verdict in BAD_WORDS and now.verdict in GOOD:
        return Kind.FIXED
    return Kind.CHANGED


def _is_slower(was: Result, now: Result) -> bool:
    if was.verdict not in GOOD or now.verdict not in GOOD or was.seconds is None or now.seconds is None:
        return False  # how long it takes to fail says nothing
    return now.seconds >= was.seconds * SLOWER_TIMES and now.seconds - was.seconds >= SLOWER_SECONDS
