"""A run as it stands, gathered for sentences about its tasks and locks: its plan, and the times that the journal knows.

The plan is the one that `journal.standing` restored. Who waits for locks is no part of the journal, so those that are
ready queue here as they would in a run. Nothing is decided.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pexen_state.core.plan import Plan
from pexen_state.core.states import State
from pexen_state.journal import queries
from pexen_state.journal.asking.durations import typical_seconds
from pexen_state.journal.ids import ids_of
from pexen_state.journal.standing import standing
from pexen_state.report.runs import with_doing
from pexen_state.report.suspects import Suspects, awaiting_of, suspects_of
from pexen_state.report.text import safe

Found = dict[str, Any]

_HELD_SINCE = """
SELECT k.key, e.at_us / 1e6 FROM task k JOIN transition e ON e.seq = k.ended
WHERE k.id BETWEEN ? AND ? AND k.locks <> 0
"""


@dataclass(frozen=True)
class Situation:
    """A run as it stands, and what is known of times. `command` is what a person types for pexen and its journal."""

    run: Found
    plan: Plan
    since: Mapping[str, float]  #: seconds that a task has been running, or has left locks behind
    typical: Mapping[str, float]
    command: str
    superseded_by: int | None
    suspects: Suspects | None = None
    awaiting: Mapping[str, Found] = field(default_factory=dict)  #: by key: tasks that wait for a reboot

    @property
    def is_running(self) -> bool:
        return bool(self.run["doing"] == "running")

    @property
    def id(self) -> int:
        return int(self.run["id"])


def situation(connection: sqlite3.Connection, path: str, run_id: int, now: float, command: str) -> Situation:
    """Everything that is asked of the journal, at once. `now`: seconds since 1970."""
    (run,) = with_doing(connection, path, [queries.run(connection, run_id)])
    plan = standing(connection, run_id)
    _queue_up(plan)
    since = {one["task"]: max(now - one["began_us"] / 1e6, 0.0) for one in queries.in_flight(connection, run_id)}
    left = connection.execute(_HELD_SINCE, ids_of(run_id)).fetchall()
    since |= {key: max(now - at, 0.0) for key, at in left}
    superseded_by = queries.newest_named(connection, run["name"]) if run["state"] == "superseded" else None
    suspects = suspects_of(connection, run_id) if run["state"] == "unfinished" else None
    awaiting = {one["task"]: one for one in awaiting_of(connection, run_id)}
    typical = typical_seconds(connection, run["name"])
    return Situation(run, plan, since, typical, command, superseded_by, suspects, awaiting)


def _queue_up(plan: Plan) -> None:
    """Let everybody who is ready try its locks, best first, as a run does."""
    ready = [task for task in plan.tasks.values() if task.state is State.READY and task.requests]
    for task in sorted(ready, key=lambda task: (task.spec.priority, task.number)):
        if not plan.locks.holds(task.number):
            plan.locks.may_take(task.number, task.requests, task.spec.priority)


def shown(key: str) -> str:
    """As the columns have it, where times were found."""
    return key if key.isascii() else key.encode("utf-8", "backslashreplace").decode()


def unlock_command(about: Situation, lock: str) -> str:
    return f"{about.command} unlock -r {about.id} {shlex.quote(safe(lock))}"
