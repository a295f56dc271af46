"""Giving a run up: so many of its tasks have ended badly that the rest is not worth its time, or its time is over.

Read-only, and without a mind of its own: how many are too many is said by whoever runs it, and the plan decides. What
has begun then may end, if need be by a last retry, what runs `always` is still to run, and everything else never runs.
When its time is over, what runs is ended, and nothing is tried again.
"""

from __future__ import annotations

from collections.abc import Iterator

from pexen_state.core.standing import RUNNING, Standing
from pexen_state.core.tasks import Task


def reason(run: Standing) -> str:
    """The sentence that is kept with the run, and with every task that did not run for it."""
    return f"the run was given up after {run.failed} {'task' if run.failed == 1 else 'tasks'} had failed"


def may_still_run(task: Task, at_once: bool) -> bool:
    """Whether it is submitted even so: a cleanup, or a task that has failed and is to be tried again.

    An attempt that was merely lost or withdrawn counts for nothing: that task has not failed.
    """
    return task.spec.always or (not at_once and (task.failures > 0 or task.crashes > 0))


def not_begun(run: Standing, at_once: bool = False) -> Iterator[Task]:
    """Tasks that never run once the run is given up; those that were handed over, unless they begin first."""
    for task in run.tasks.values():
        if not task.state.is_final and task.state is not RUNNING and not may_still_run(task, at_once):
            yield task
