"""Twice as many tasks cost twice as much, not four times: steps are counted, time is not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import pytest

from pexen_state.core.check import check_dependencies
from pexen_state.core.commands import Submit
from pexen_state.core.decisions import Restored
from pexen_state.core.inputs import Ending, Finished, PoolHasRoom, RunOpened, TasksAdded
from pexen_state.core.plan import Plan
from pexen_state.core.spec import Declared, TaskSpec
from pexen_state.core.states import Cause, State, Verdict

PASSED = Ending(Cause.RETURNED, Verdict.PASS)
BROKE = Ending(Cause.RAISED, Verdict.ERROR)

Shape = Callable[[int], list[TaskSpec]]


def one_lock(count: int) -> list[TaskSpec]:
    return [TaskSpec(f"t{n}", claims=("disk",)) for n in range(count)]


def readers_and_writers(count: int) -> list[TaskSpec]:
    return [TaskSpec(f"t{n}", uses=("disk",)) if n % 4 else TaskSpec(f"t{n}", claims=("disk",)) for n in range(count)]


def hierarchy(count: int) -> list[TaskSpec]:
    names = ("/", "/a", "/a/b", "/c", "/c/d")
    return [
        TaskSpec(f"t{n}", uses=(names[n % 5],)) if n % 3 else TaskSpec(f"t{n}", claims=(names[n % 5],))
        for n in range(count)
    ]


def chain(count: int) -> list[TaskSpec]:
    return [TaskSpec(f"t{n}", requires=(n - 1,) if n else (), provides=(n,)) for n in range(count)]


def one_parent(count: int) -> list[TaskSpec]:
    return [TaskSpec(f"t{n}", requires=("x",) if n else (), provides=() if n else ("x",)) for n in range(count)]


def one_child(count: int) -> list[TaskSpec]:
    return [
        *(TaskSpec(f"t{n}", provides=("x", n)) for n in range(count)),
        TaskSpec("all", requires=tuple(range(count)), requires_all=("x",), after=("t*",)),
    ]


def in_order(count: int) -> list[TaskSpec]:
    return [TaskSpec(f"t{n:06}", after=(f"t{n - 1:06}",)) for n in range(count)]


SHAPES = [one_lock, readers_and_writers, hierarchy, chain, one_parent, one_child, in_order]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_that_goes_well(shape: Shape) -> None:
    assert_linear(lambda count: run(shape(count), PASSED))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_in_which_everything_fails(shape: Shape) -> None:
    assert_linear(lambda count: run(shape(count), BROKE))


def test_many_locks_that_are_left_held_with_somebody_waiting_for_each() -> None:
    def pairs(count: int) -> list[TaskSpec]:
        return [TaskSpec(f"t{n}", claims=(n // 2,), declared=Declared.CALLABLE) for n in range(count)]

    assert_linear(lambda count: run(pairs(count), BROKE))


def test_many_circles() -> None:
    def circles(count: int) -> list[TaskSpec]:
        return [TaskSpec(f"t{n}", requires=(n ^ 1,), provides=(n,)) for n in range(count)]

    assert_linear(lambda count: run(circles(count), PASSED))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_check_before_a_run(shape: Shape) -> None:
    assert_linear(lambda count: check_dependencies(shape(count)))


def test_the_check_of_a_long_circle() -> None:
    assert_linear(
        lambda count: check_dependencies([*chain(count), TaskSpec("t", requires=(count,), provides=(-1,))][1:])
    )


def ten_locks(count: int) -> list[TaskSpec]:
    return [TaskSpec(f"t{n}", claims=(n % 10,)) for n in range(count)]


def test_what_waits_for_a_lock_is_not_tested_again_in_vain() -> None:
    def per_task(count: int) -> float:
        return steps(lambda count: run(ten_locks(count), PASSED, room=count), count) / count

    assert per_task(5000) < 1.1 * per_task(500)


def test_a_plan_that_is_restored_when_most_of_it_has_ended() -> None:
    def restored(count: int) -> None:
        ended = (Restored(n, State.SUCCEEDED, 1, 0, 0, 0, Verdict.PASS, True) for n in range(1, count))
        plan = Plan.restored(one_parent(count), ended)
        assert plan.handle(RunOpened(), PoolHasRoom(1)).commands == [Submit(count, 1, 1, (1,), 0)]

    assert_linear(restored)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape is not one_child])  # of which one requires all
@pytest.mark.parametrize("is_over", [False, True], ids=["waiting", "over"])
def test_tasks_that_join_one_by_one_whatever_they_depend_on(shape: Shape, is_over: bool) -> None:
    """Of twice as many tasks that are there, each that joins costs the same."""

    def steps_of_joining(there: int) -> int:
        specs = shape(there + 100)
        plan = Plan(specs[:there])
        turn = plan.handle(RunOpened(), PoolHasRoom(8 if is_over else 0))
        while is_over and not plan.is_over:
            ends = [Finished(one.task, one.attempt, PASSED) for one in turn.commands if type(one) is Submit]
            turn = plan.handle(*ends, PoolHasRoom(8))

        def join(_: int) -> None:
            for spec in specs[there:]:
                plan.handle(TasksAdded((spec,), 0), PoolHasRoom(0))

        return steps(join, 0)

    assert steps_of_joining(2000) < 1.5 * steps_of_joining(500)


def run(specs: Sequence[TaskSpec], ending: Ending, room: int = 8) -> None:
    plan = Plan(specs)
    turn = plan.handle(RunOpened(), PoolHasRoom(room))
    while not plan.is_over:
        submitted = [one for one in turn.commands if type(one) is Submit]
        ends = [Finished(one.task, one.attempt, ending) for one in submitted]
        turn = plan.handle(*ends, PoolHasRoom(room))


def assert_linear(job: Callable[[int], object], count: int = 250) -> None:
    once, twice = steps(job, count), steps(job, 2 * count)
    # Heaps and sorted lists add a little more than twice.
    assert twice < 2.5 * once, f"{once} steps for {count}, {twice} for {2 * count}"


def steps(job: Callable[[int], object], count: int) -> int:
    """How many lines of python the job takes."""
    lines = 0

    def trace(frame: object, event: str, arg: object) -> object:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        job(count)
    finally:
        sys.settrace(before)
    return lines
