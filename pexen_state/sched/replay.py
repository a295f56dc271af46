"""What an earlier session left: the plan as the journal tells it, and its results, one by one.

The plan is restored in the order in which its tasks ended, and each result is given on the way; so `shared`
is kept only for as long as a child that has not ended needs it, as when the run was live.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pexen_state.core.decisions import Cancelled, Restored, Unlocked
from pexen_state.core.inputs import Input, Lost
from pexen_state.core.plan import Plan
from pexen_state.core.states import Cause, State
from pexen_state.journal import codec
from pexen_state.journal.excinfo import decode_error
from pexen_state.journal.records import SavedResult
from pexen_state.sched.common import ExceptionInfo, TaskRes
from pexen_state.sched.pool.base import Body
from pexen_state.sched.shared import Shared, SharedStore


def replay(
    plan: Plan,
    saved: Iterable[Restored | Unlocked | Cancelled],
    results: Iterator[SavedResult],
    shared: SharedStore,
    bodies: Mapping[int, Body],
) -> Iterator[TaskRes]:
    """Restore the plan, and give the result of each task that ended by an attempt.

    `saved` tells first of the tasks that have ended, in the order in which they ended; `results` come in the
    same order.
    """
    result = next(results, None)
    for one in saved:
        plan.apply(one)
        if not isinstance(one, Restored) or not one.state.is_final:
            continue
        if result is None or result.number != one.task:
            shared.ended(one.task, None)
            continue
        left = _changed_by(result.shared, shared.input_of(plan.parents(one.task)))
        shared.ended(one.task, left)
        yield _task_result(result, bodies.get(one.task), left)
        result = next(results, None)


def _changed_by(change: str | None, shared: Shared) -> Shared:
    if change is not None:
        decoded: dict[str, Any] = codec.decode(change)
        shared.update(decoded["set"])
        for key in decoded["del"]:
            shared.pop(key, None)
    return shared


def _task_result(result: SavedResult, body: Body | None, left: Shared) -> TaskRes:
    excinfo = None
    if result.error is not None:
        error = decode_error(result.error)
        excinfo = ExceptionInfo(type(error), error, None)
    return TaskRes(
        body,
        left,
        codec.decode(result.ret) if result.ret is not None else None,
        excinfo,
        key=result.key,
        attempt=result.nth,
        state=result.state.word,
        verdict=result.verdict.word,
        reason=result.reason,
        seconds=result.seconds,
        output=result.output,
        replayed=True,
    )


def lost_attempts(plan: Plan, begun: frozenset[tuple[int, int]] | None) -> list[Input]:
    """What became of the attempts that were in flight when the last session went away.

    `begun` are the (task, attempt) that workers began, None where nobody can say (a new boot). An attempt
    that was handed over and surely never begun is withdrawn.
    """
    inputs: list[Input] = []
    for number in sorted(plan.in_flight):
        task = plan.tasks[number]
        never_begun = begun is not None and task.state is State.SUBMITTED and (number, task.attempt) not in begun
        inputs.append(Lost(number, task.attempt, Cause.WITHDRAWN if never_begun else Cause.RUNNER_DIED))
    return inputs
