"""Tasks are columns inside, and look like things outside."""

from __future__ import annotations

import pytest

from pexen_state.core.inputs import PoolHasRoom, RunOpened, TasksAdded
from pexen_state.core.states import State
from tests.stories import Plan, returned, spec


def test_a_look_at_a_task_says_what_holds_when_it_is_asked() -> None:
    plan = Plan([spec("a")])
    task = plan.tasks[1]
    assert task.state is State.READY

    plan.handle(RunOpened(), PoolHasRoom(1))
    assert (task.state, task.attempt, task.nth, task.is_fresh) == (State.SUBMITTED, 1, 1, False)
    plan.handle(returned("a"))
    assert (task.state, task.rank) == (State.SUCCEEDED, 1)


def test_who_looks_cannot_change_anything() -> None:
    task = Plan([spec("a")]).tasks[1]

    with pytest.raises(AttributeError):
        task.state = State.SUCCEEDED  # type: ignore[misc]


def test_tasks_are_found_by_their_numbers_from_1() -> None:
    plan = Plan([spec("a"), spec("b")])
    plan.handle(TasksAdded((spec("c"),)))

    assert [(number, task.spec.key) for number, task in plan.tasks.items()] == [(1, "a"), (2, "b"), (3, "c")]
    assert len(plan.tasks) == 3
    for nobody in (0, -1, 4):
        assert plan.tasks.get(nobody) is None
        assert nobody not in plan.tasks
        with pytest.raises(KeyError):
            plan.tasks[nobody]
