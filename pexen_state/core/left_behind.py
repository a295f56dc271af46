"""Locks that tasks which have ended left behind, and who may mend that: a task that recovers them, or a new boot.

Read-only: the plan decides. A task recovers a name with all that is below it, as a claim has all of that alone. What is
left behind above the name hinders it as it hinders everybody: a part cannot mend the whole. A task that failed and is
to be tried again has not left its locks behind: they wait with it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pexen_state.core.locks import covered
from pexen_state.core.spec import Name
from pexen_state.core.standing import Standing
from pexen_state.core.states import Locks, State, Verdict
from pexen_state.core.tasks import Task

_PASSED = frozenset({Verdict.INFO, Verdict.PASS, Verdict.WARN})


def has_passed(task: Task) -> bool:
    return task.state is State.SUCCEEDED and task.verdict in _PASSED


def mended_by(run: Standing, task: Task) -> list[Name]:
    """The locks left behind that a task recovers, which has passed."""
    recovers = task.spec.recovers
    kept = dict.fromkeys(name for name, _, _ in run.locks.kept())
    return [name for name in kept if covered(name, recovers)]


def recoverers(run: Standing, lock: Name) -> Iterator[Task]:
    """The unfinished tasks that recover a lock."""
    for number in run.recoverers:
        task = run.tasks[number]
        if not task.state.is_final and covered(lock, task.spec.recovers):
            yield task


def cleared_by_reboot(run: Standing) -> list[int]:
    """Tasks whose dirty locks are clean after a new boot: left behind, or kept for their next attempt."""
    tasks = run.tasks
    return [
        number
        for number, left in enumerate(tasks.locks)
        if left is not Locks.FREED and tasks.specs[number].cleared_by_reboot
        if tasks.states[number].is_final or (left is Locks.DIRTY and not tasks.states[number].in_flight)
    ]
