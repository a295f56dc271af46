"""What must always be true of a run. Tests call it after every turn; nothing here changes anything."""

from __future__ import annotations

from pexen_state.core.locks import covered, is_above
from pexen_state.core.spec import Name
from pexen_state.core.standing import Standing
from pexen_state.core.states import State
from pexen_state.core.tasks import Task


def validate(run: Standing) -> None:
    """Raises AssertionError that names the task, or the lock."""
    tasks = run.tasks.values()
    assert run.in_flight == {task.number for task in tasks if task.state.in_flight}, "tasks in flight miscounted"
    assert run.unfinished == sum(not task.state.is_final for task in tasks), "unfinished tasks miscounted"
    _resources_suffice(run)
    groups = {run.tasks.specs[number].group for number in run.in_flight}
    assert groups <= {run.group}, f"tasks of the groups {groups} are in flight, and {run.group} was entered"
    for task in tasks:
        _one_task(run, task)
    _locks_exclude(run)


def _resources_suffice(run: Standing) -> None:
    resources = run.resources
    needing = {number: run.tasks.specs[number].needs for number in run.in_flight if run.tasks.specs[number].needs}
    assert resources.held == needing, f"resources are held by {resources.held}, and needed by {needing}"
    for name in resources.totals:
        assert resources.free(name) >= 0, f"more of {name!r} is held than there is"


def _one_task(run: Standing, task: Task) -> None:
    key = task.spec.key
    unmet = run.deps.unmet[task.number]
    if task.state is State.WAITING:
        assert unmet, f"{key} waits for nothing"
        assert task.is_fresh, f"{key} waits, but has begun"
    elif task.state is State.READY and task.is_fresh:
        assert not unmet, f"{key} is ready but still waits"
    holds = run.locks.holds(task.number)
    if task.state.in_flight:
        assert holds == bool(task.requests), f"{key} is in flight without its locks"
        is_decided = task.spec.when is None or task.number <= run.conditioned
        assert is_decided, f"{key} is in flight, and it is not decided whether it applies here"
    if task.state.is_final:
        assert holds == task.locks.kept, f"{key} has ended, its locks are {task.locks.word}, but held is {holds}"
        assert task.verdict, f"{key} has ended without a verdict"
    if task.state is State.READY:
        assert holds == task.locks.kept, f"{key} is ready, its locks are {task.locks.word}"
    assert not (task.is_fresh and task.state.in_flight), f"{key} is in flight, but has not begun"
    assert task.withdrawn <= task.attempt, f"{key} has more withdrawn attempts than attempts"


def _beside(run: Standing, one: int, its: Name, other: int, others: Name) -> bool:
    """Whether one of them recovers what the other, which has ended, left behind."""
    for mends, lock, left, name in ((one, its, other, others), (other, others, one, its)):
        if run.tasks[left].state.is_final and covered(name, [lock]) and covered(lock, run.tasks[mends].spec.recovers):
            return True
    return False


def _locks_exclude(run: Standing) -> None:
    held = list(run.locks.held())
    for name, task, write in held:
        for other, neighbour, other_write in held:
            if task != neighbour and (write or other_write):
                apart = name != other and not is_above(name, other) and not is_above(other, name)
                apart = apart or _beside(run, task, name, neighbour, other)
                assert apart, f"{name!r} of task {task} and {other!r} of task {neighbour} exclude each other"
