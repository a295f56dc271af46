"""A run that runs tasks of an earlier one again, seen together with that one: the newest verdict of each task.

Who runs again what failed until nothing fails wants to know one thing: how the suite stands. So the tasks of all runs
in the line are looked at, and of each task the newest run in which it came to a verdict of its own counts. One that
has not ended, or was kept from running, says nothing new about it. Nothing is written: the journal keeps every run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from pexen_state.journal import queries

Found = dict[str, Any]

#: Verdicts that say nothing of a task itself.
_SAYS_NOTHING = (None, "not_run")


class Earlier(NamedTuple):
    """How a task ended in a run before the one that counts."""

    run: int
    verdict: str
    reason: str | None


class Merged(NamedTuple):
    """A line of runs as one."""

    runs: list[Found]  #: rows of the view `runs`, the oldest first; the last one was asked for
    tasks: list[Found]  #: rows of the view `tasks`, in the order in which the oldest run declared them, then the next
    earlier: dict[str, list[Earlier]]  #: by key, the oldest first; only of tasks that ended in more than one run

    @property
    def run(self) -> Found:
        return self.runs[-1]


def merged(connection: sqlite3.Connection, run_id: int, alone: bool = False) -> Merged:
    """The run with those that it runs again tasks of; `alone`: without. Raises NotFound."""
    runs = [queries.run(connection, run_id)]
    while not alone and (parent := runs[0]["parent"]) is not None:
        found = queries.rows(connection, queries.RUN, parent)
        if not found:
            break  # it was pruned
        runs[:0] = found
    by_key: dict[str, list[Found]] = {}
    for run in runs:
        for task in queries.tasks(connection, run["id"]):
            by_key.setdefault(task["task"], []).append(task)
    tasks, earlier = [], {}
    for key, found in by_key.items():
        at = _newest(found)
        tasks.append(found[at])
        if before := [
            Earlier(one["run"], one["verdict"], one["reason"])
            for one in found[:at]
            if one["verdict"] not in _SAYS_NOTHING
        ]:
            earlier[key] = before
    return Merged(runs, tasks, earlier)


def merged_in_words(runs: Sequence[Found]) -> str | None:
    """`runs 1, 3 and 4: the newest verdict of each task`; None if it is one run alone."""
    if len(runs) < 2:
        return None
    *most, last = (str(run["id"]) for run in runs)
    return f"runs {', '.join(most)} and {last}: the newest verdict of each task"


def _newest(found: Sequence[Found]) -> int:
    """Which one counts."""
    for at in reversed(range(len(found))):
        if found[at]["verdict"] not in _SAYS_NOTHING:
            return at
    return len(found) - 1
