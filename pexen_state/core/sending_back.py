"""Sending back: tasks that had ended and run again, because they changed since, and who gets another chance by that.

Read-only: the plan decides. Who was kept from running by such a task, for what it did not provide or for a lock that it
left held, may now run; a child that has ended keeps its result.
"""

from __future__ import annotations

from collections.abc import Iterator

from pexen_state.core.conditional import skipped_for_its_condition
from pexen_state.core.lock_queues import Requests
from pexen_state.core.locks import is_above
from pexen_state.core.standing import Standing
from pexen_state.core.states import State
from pexen_state.core.tasks import Task

#: Why a task that is no longer there was skipped; it is not sent back when it turns up again.
GONE = "it is no longer among the tasks"


def may_be_sent_back(state: State, reason: str | None) -> bool:
    """Whether a task that ended so runs again when it has changed. What a person cancelled stays so."""
    return state.is_final and state is not State.CANCELLED and not (state is State.SKIPPED and reason == GONE)


def kept_from_running(run: Standing, task: Task) -> Iterator[Task]:
    """Tasks that were skipped for what this one, which has ended, did not provide, or for a lock that it left held."""
    numbers: dict[int, None] = {}
    for gate in run.deps[task.number].provides:
        if not gate.order_only:
            numbers.update(dict.fromkeys(gate.any_waiters))
            numbers.update(dict.fromkeys(gate.all_waiters))
    for number in numbers:
        if _never_ran(run.tasks[number]):
            yield run.tasks[number]
    if task.locks.kept:
        for other in run.tasks.values():
            if other.number not in numbers and _never_ran(other) and exclude_each_other(task.requests, other.requests):
                yield other


def _never_ran(task: Task) -> bool:
    """And may run now, as far as it is up to the task itself."""
    is_skipped = task.state is State.SKIPPED and task.is_fresh
    return is_skipped and not task.provided and task.reason != GONE and not skipped_for_its_condition(task)


def exclude_each_other(some: Requests, others: Requests) -> bool:
    """Whether two tasks want locks that exclude each other."""
    for lock, write, _ in some:
        for other, other_write, _ in others:
            if (write or other_write) and (
                lock is other or is_above(lock.name, other.name) or is_above(other.name, lock.name)
            ):
                return True
    return False
