"""What an earlier session left: the plan as the journal tells it, and its results, one by one.

The plan is restored in the order in which its tasks ended, page by page, and each result is given on the way; so
`shared` is kept only for as long as a child that has not ended needs it, as when the run was live.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from pexen_state.core.inputs import Input, Lost
from pexen_state.core.plan import Plan
from pexen_state.core.states import Cause, State
from pexen_state.journal import codec
from pexen_state.journal.ended import NO_MORE, EndedPage
from pexen_state.journal.excinfo import decode_error
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.records import AttemptEnd, SavedTask
from pexen_state.journal.restore import Intervention
from pexen_state.sched.common import ExceptionInfo, TaskRes, task_result
from pexen_state.sched.pool.base import Body
from pexen_state.sched.pool.results import after_changes
from pexen_state.sched.pool.slots import BegunMarks
from pexen_state.sched.shared import Shared, SharedStore


def replay(
    plan: Plan,
    told: Iterable[EndedPage | SavedTask | Intervention],
    shared: SharedStore,
    bodies: Sequence[Body | None],
    sent_back: Container[int] = (),
) -> Iterator[TaskRes]:
    """Restore the plan, and give the result of each task that ended by an attempt.

    Those that have ended are told of first, in the order in which they did: the plan is a page ahead of the results.
    Of tasks that are `sent_back` no result is given: they will have another.
    """
    for one in told:
        if isinstance(one, EndedPage):
            for decision in one.restored():
                plan.apply(decision)
            yield from _results(one, plan, shared, bodies, sent_back)
        else:
            plan.apply(one.restored if isinstance(one, SavedTask) else one)


def _results(
    page: EndedPage, plan: Plan, shared: SharedStore, bodies: Sequence[Body | None], sent_back: Container[int]
) -> Iterator[TaskRes]:
    specs = plan.tasks.specs
    nothing_flows = shared.is_unused and not any(more.shared for more in page.more.values())
    for ending, attempt, rows in page.stretches:
        if nothing_flows:
            shared.over([number for _, number, *_ in rows])
        state, verdict = ending.state.word, ending.verdict.word
        for _, number, _, _, took_us in rows:
            if not ending.has_result:
                if not nothing_flows:
                    shared.ended(number, None)
                continue
            withdrawn, _, _, reason, ret, changes, error, output = page.more.get(number, NO_MORE)
            left: Shared = {}
            if not nothing_flows:
                left = after_changes(shared.input_of(plan.parents(number)), changes)
                shared.ended(number, left)
            if number in sent_back:
                continue
            attributes = {
                "key": specs[number].key,
                "attempt": attempt - withdrawn,
                "state": state,
                "verdict": verdict,
                "reason": reason,
                "seconds": None if took_us is None else took_us / 1e6,
                "output": output,
                "replayed": True,
            }
            returned = None if ret is None else codec.decode(ret)
            yield task_result(bodies[number], left, returned, None if error is None else _raised(error), attributes)


def _raised(error_json: str) -> ExceptionInfo:
    error = decode_error(error_json)
    return ExceptionInfo(type(error), error, None)


class CutOff(NamedTuple):
    """What the last session left in flight."""

    keys: tuple[str, ...] = ()  #: of tasks that had begun, or may have; those that surely had not are not here
    is_sure: bool = True  #: all of them had begun


def cut_off(saved: Iterable[SavedTask], marks: BegunMarks | None, run: int) -> CutOff:
    """Which tasks ran when the last session went away, in the order in which they were declared.

    `marks` as for `lost_attempts`.
    """
    begun = _begun(marks, run)
    found: list[tuple[int, str]] = []
    is_sure = True
    for task in saved:
        if task.ended_seq is not None or not task.state.in_flight:
            continue
        state = task.state
        if not _never_began(state, (task.number, task.attempt), begun):
            found.append((task.number, task.key))
            is_sure = is_sure and (state is State.RUNNING or begun is not None)
    return CutOff(tuple(key for _, key in sorted(found)), is_sure)


def lost_attempts(plan: Plan, marks: BegunMarks | None, run: int) -> list[Input]:
    """What became of the attempts that were in flight when the last session went away.

    `marks` say which (task, attempt) workers began; None where nobody can say (a new boot). An attempt that was
    handed over and surely never begun is withdrawn.
    """
    begun = _begun(marks, run)
    inputs: list[Input] = []
    for number in sorted(plan.in_flight):
        task = plan.tasks[number]
        never_began = _never_began(task.state, (number, task.attempt), begun)
        inputs.append(Lost(number, task.attempt, Cause.WITHDRAWN if never_began else Cause.RUNNER_DIED))
    return inputs


def _begun(marks: BegunMarks | None, run: int) -> frozenset[tuple[int, int]] | None:
    """None: nobody can say."""
    return marks.begun if marks is not None and marks.run == str(run) else None


def _never_began(state: State, attempt: tuple[int, int], begun: frozenset[tuple[int, int]] | None) -> bool:
    """Whether an attempt in flight was handed over, and surely not more."""
    return begun is not None and state is State.SUBMITTED and attempt not in begun


def left_by(plan: Plan, lost: Iterable[Input], paths: JournalPaths, run: int) -> dict[int, AttemptEnd]:
    """What attempts that were cut off have left, by task: what they printed until then is still to be found there."""
    left: dict[int, AttemptEnd] = {}
    for one in lost:
        if isinstance(one, Lost) and one.cause is not Cause.WITHDRAWN:
            task = plan.tasks[one.task]
            output = paths.output(run, task.spec.key, one.task, task.nth)
            with suppress(OSError):
                if os.lstat(output).st_size:
                    left[one.task] = AttemptEnd(output=output)
    return left
