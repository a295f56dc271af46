"""What an earlier session left: the plan as the journal tells it, and its results, one by one.

The plan is restored in the order in which its tasks ended, page by page, and each result is given on the way; so
`shared` is kept only for as long as a child that has not ended needs it, as when the run was live.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence

from pexen_state.core.decisions import Intervention
from pexen_state.core.plan import Plan
from pexen_state.journal import codec
from pexen_state.journal.ended import NO_MORE, EndedPage
from pexen_state.journal.excinfo import decode_error
from pexen_state.journal.records import SavedTask
from pexen_state.sched.common import ExceptionInfo, TaskRes, task_result
from pexen_state.sched.pool.base import Body
from pexen_state.sched.pool.results import after_changes
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
            shared.turn()
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
            withdrawn, *_, reason, ret, changes, error, output = page.more.get(number, NO_MORE)
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
            if number in page.results:
                attributes["results"] = page.results[number]
            returned = None if ret is None else codec.decode(ret)
            yield task_result(bodies[number], left, returned, None if error is None else _raised(error), attributes)


def _raised(error_json: str) -> ExceptionInfo:
    error = decode_error(error_json)
    return ExceptionInfo(type(error), error, None)
