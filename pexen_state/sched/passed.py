"""Which tasks of a run need not run, because they passed in another run of the journal and are what they were then.

Read-only: the plan decides. A task is known by its key; that it is what it was is told by its fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence

from pexen_state.core.inputs import PassedBefore
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import State, Verdict
from pexen_state.journal.records import SavedTask
from pexen_state.journal.restore import Fetch, saved_tasks
from pexen_state.sched.identity import Fingerprints
from pexen_state.sched.pool.base import Body

_GOOD = frozenset({Verdict.INFO, Verdict.PASS, Verdict.WARN})


def passed_before(fetch: Fetch, run: int, specs: Sequence[TaskSpec], bodies: Sequence[Body | None]) -> PassedBefore:
    """Of the tasks with these specs, by number from 1. `bodies` has nobody in its first place.

    What runs `always` is left out: it is there for what the others do now.
    """
    earlier = {
        task.key: (reason, task.fingerprint)
        for task in saved_tasks(fetch, run)
        if (reason := _reason(task, run)) is not None
    }
    fingerprint = Fingerprints()
    reasons: dict[int, str] = {}
    for number, spec in enumerate(specs, 1):
        found, body = earlier.get(spec.key), bodies[number]
        if found is None or body is None or spec.always:
            continue
        reason, was = found
        if was is None:
            reasons[number] = f"{reason}; what its code was then is not known"
        elif fingerprint(body) == was:
            reasons[number] = reason
    return PassedBefore(reasons)


def _reason(task: SavedTask, run: int) -> str | None:
    """Why it need not run again: it passed in that run, or had done so before that; None if it has to."""
    stands = task.restored
    if stands.verdict in _GOOD:
        return f"passed in run {run}"
    if stands.state is State.SKIPPED and stands.provided:
        return task.reason
    return None
