"""What a journal knows around a run: what its tasks need of each other, and how earlier runs of its suite went.

Only the pictures need it, so it is read for them alone.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, NamedTuple

from pexen_state.core.spec import TaskSpec
from pexen_state.journal import queries
from pexen_state.journal.asking import past
from pexen_state.journal.ids import ids_of, task_base
from pexen_state.journal.reader import reader
from pexen_state.journal.specs import spec_from_json
from pexen_state.report.formats.whole import Whole

#: Of the runs of the suite, this one included.
RUNS = 20
#: So many tasks of earlier runs are read: of large suites fewer runs are looked at.
MOST = 100_000
#: Unsteady tasks that are told.
UNSTEADY = 50

_SPECS = "SELECT id, key, spec FROM task WHERE id BETWEEN ? AND ? ORDER BY id"
_NEWEST = "SELECT id, tasks, passed, warned, failed, skipped, not_run, seconds, started_at, verdict, state"
_RUNS = f"{_NEWEST} FROM runs WHERE name = ? AND id <= ? ORDER BY id DESC LIMIT ?"
_EARLIER = """
SELECT t.task, t.verdict, t.flaky, t.seconds FROM tasks AS t WHERE t.run = ? AND t.verdict IS NOT NULL
"""


class Was(NamedTuple):
    """How a task was in one run."""

    run: int
    verdict: str
    flaky: bool
    seconds: float | None


@dataclass(slots=True)
class Around:
    specs: dict[int, TaskSpec]  #: by the task's place
    runs: list[dict[str, Any]]  #: of the suite, this one included, oldest first: rows of the view `runs`
    earlier: dict[str, list[Was]]  #: by key, in those runs, oldest first
    unsteady: list[past.Unsteady]  #: tasks that pass and fail by turns, the worst first


def around(whole: Whole, with_past: bool = True) -> Around:
    """Later runs of the suite are not looked at."""
    with reader(whole.journal) as connection:
        specs = _specs(connection, whole)
        runs, earlier = _past(connection, whole.run) if with_past else ([], {})
        unsteady = past.unsteady(connection, whole.run["name"], RUNS)[:UNSTEADY] if len(runs) > 1 else []
    return Around(specs, runs, earlier, unsteady)


def _specs(connection: sqlite3.Connection, whole: Whole) -> dict[int, TaskSpec]:
    specs: dict[int, TaskSpec] = {}
    for run in whole.runs:
        places = {task.about["number"]: task.place for task in whole.tasks if task.run == run["id"]}
        base = task_base(run["id"])
        for number, key, text in connection.execute(_SPECS, ids_of(run["id"])):
            if number - base in places:
                specs[places[number - base]] = spec_from_json(key, text)
    return specs


def _past(connection: sqlite3.Connection, run: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, list[Was]]]:
    runs: list[dict[str, Any]] = []
    earlier: dict[str, list[Was]] = {}
    left = MOST
    for row in queries.rows(connection, _RUNS, run["name"], run["id"], RUNS):
        if runs and row["tasks"] > left:
            break
        left -= row["tasks"]
        runs.append(row)
    runs.reverse()
    for row in runs:
        for key, verdict, flaky, seconds in connection.execute(_EARLIER, (row["id"],)):
            earlier.setdefault(key, []).append(Was(row["id"], verdict, bool(flaky), seconds))
    return runs, earlier
