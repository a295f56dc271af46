"""Where every task of a run stands, for whoever only looks: the plan, restored from the journal by sqlite3 alone.

Nobody runs this plan. It is there to be asked (`core.explain`, its locks, its gates), and it is as old as the last turn
that was written.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from pexen_state.core.decisions import Cancelled, Freeing, Intervention, Restored
from pexen_state.core.plan import Plan
from pexen_state.journal import restore
from pexen_state.journal.ended import EndedPage
from pexen_state.journal.queries import NotFound
from pexen_state.journal.records import SavedTask

T = TypeVar("T", SavedTask, EndedPage)

_RECORDED = "SELECT recorded FROM run WHERE id = ?"
_AMOUNTS = """
SELECT name, value FROM fact WHERE name IN ('cpus', 'memory') AND session =
  (SELECT max(f.session) FROM fact f JOIN session s ON s.id = f.session WHERE s.run = ?)
"""
_IS_THERE = "SELECT 1 FROM run WHERE id = ?"


def standing(connection: sqlite3.Connection, run_id: int) -> Plan:
    """The plan of a run, finished or not, whether or not somebody runs it now. Raises NotFound.

    Two questions are asked of the file, and a turn may be written between them: they are asked in one transaction.
    """

    def fetch(query: str, params: restore.Row) -> list[restore.Row]:
        return connection.execute(query, params).fetchall()

    ours = not connection.in_transaction
    if ours:
        connection.execute("BEGIN")
    try:
        if not fetch(_IS_THERE, (run_id,)):
            raise NotFound(f"the journal has no run {run_id}. `pexen runs` lists them.")
        saved = restore.saved_tasks(fetch, run_id)
        done = restore.interventions(fetch, run_id)
        there = _resources(fetch, run_id) if any(task.spec.needs for task in saved) else None
    finally:
        if ours:
            connection.execute("COMMIT")
    return restored(saved, done, there)


def _resources(fetch: restore.Fetch, run_id: int) -> dict[str, int]:
    """How much there was of each, in the last session."""
    box = {name: value for name, value in fetch(_AMOUNTS, (run_id,)) if isinstance(value, int)}
    ((recorded,),) = fetch(_RECORDED, (run_id,))
    return box | (json.loads(recorded).get("options", {}).get("resources") or {})


def restored(
    saved: Sequence[SavedTask],
    interventions: Sequence[tuple[int, Intervention]],
    resources: Mapping[str, int] | None = None,
) -> Plan:
    """The plan of a run, from what the journal kept of it."""
    specs = [task.spec for task in sorted(saved, key=lambda task: task.number)]
    return Plan.restored(specs, in_order(saved, interventions), resources=resources)


def in_order(
    saved: Sequence[SavedTask], interventions: Sequence[tuple[int, Intervention]]
) -> Iterator[Restored | Intervention]:
    """The tasks as they were saved, and what else was decided, each at its place."""
    ended = (task for task in saved if task.ended_seq is not None)
    for one in woven(ended, [task for task in saved if task.ended_seq is None], interventions):
        yield one.restored if isinstance(one, SavedTask) else one


def woven(
    ended: Iterable[T], under_way: Sequence[SavedTask], interventions: Sequence[tuple[int, Intervention]]
) -> Iterator[T | SavedTask | Intervention]:
    """Tasks in the order in which they ended, with each lock that was freed at its place among them, and then the
    others. Pages of tasks have to end at these places.

    All else that was done to the run comes last: what was cancelled is about tasks that are in flight still, and a run
    that was given up is so from then on.
    """
    freed = deque(one for one in interventions if isinstance(one[1], Freeing))
    left = iter(ended)
    if freed:
        for task in left:
            while freed and freed[0][0] < (task.ended_seq or 0):
                yield freed.popleft()[1]
            yield task
    yield from left
    yield from (decision for _, decision in freed)
    yield from (task for task in under_way if not task.is_as_declared)
    for seq, decision in interventions:
        if isinstance(decision, Cancelled):
            yield decision._replace(tasks=_still_meant(decision, seq, under_way))
        elif not isinstance(decision, Freeing):
            yield decision


def _still_meant(cancelled: Cancelled, seq: int, under_way: Sequence[SavedTask]) -> tuple[int, ...]:
    """Of what was cancelled in flight, what has not been submitted anew since: it ended, changed, and was sent back."""
    meant = set(cancelled.tasks)
    return tuple(task.number for task in under_way if task.number in meant and (task.submitted_seq or seq) < seq)
