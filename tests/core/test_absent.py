"""Tasks that a journal has and nobody has brought in this session: they wait, and so does what comes of that."""

from __future__ import annotations

from pexen_state.core.commands import Submit
from pexen_state.core.inputs import (
    BoxDied,
    CancelAsked,
    Ending,
    Finished,
    PoolHasRoom,
    RunOpened,
    TaskBrought,
    TaskGone,
    TasksAbsent,
    TasksAdded,
)
from pexen_state.core.plan import Plan, Turn
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, State, Verdict

PASSED = Ending(Cause.RETURNED, Verdict.PASS)
ROOM = PoolHasRoom(4)


def submitted(turn: Turn) -> list[int]:
    return [one.task for one in turn.commands if isinstance(one, Submit)]


def plan_of(*specs: TaskSpec) -> Plan:
    return Plan(specs, record=True)


def test_an_absent_task_runs_when_it_is_brought() -> None:
    plan = plan_of(TaskSpec("here"), TaskSpec("away", provides=("x",)), TaskSpec("child", requires=("x",)))

    assert submitted(plan.handle(RunOpened(), TasksAbsent((2,)), ROOM)) == [1]
    assert submitted(plan.handle(TaskBrought(2), ROOM)) == [2]
    assert submitted(plan.handle(Finished(2, 1, PASSED), ROOM)) == [3]


def test_one_that_is_brought_before_it_may_run_waits_as_ever() -> None:
    plan = plan_of(TaskSpec("here", provides=("x",)), TaskSpec("away", requires=("x",)))

    assert submitted(plan.handle(RunOpened(), TasksAbsent((2,)), ROOM)) == [1]
    assert submitted(plan.handle(TaskBrought(2), ROOM)) == []
    assert submitted(plan.handle(Finished(1, 1, PASSED), ROOM)) == [2]


def test_nothing_is_given_up_while_somebody_may_still_be_brought() -> None:
    plan = plan_of(TaskSpec("away", provides=("x",)), TaskSpec("child", requires=("x",)), TaskSpec("lost", ("y",)))

    turn = plan.handle(RunOpened(), TasksAbsent((1,)), ROOM)
    assert (turn.decisions, plan.waits_for_absent) == ([], True)
    plan.handle(TaskGone(1), ROOM)

    assert not plan.waits_for_absent
    assert [task.state for task in plan.tasks.values()] == [State.SKIPPED] * 3
    assert plan.tasks[2].reason == "requires 'x', which was provided by nobody: away (not run)"


def test_an_absent_suspect_keeps_nobody_waiting_for_ever() -> None:
    plan = plan_of(TaskSpec("away"), TaskSpec("here"))
    plan.handle(RunOpened(), ROOM)
    plan.handle(BoxDied(((1, 1), (2, 1))), PoolHasRoom(0))
    assert plan.suspects == (1, 2)

    assert submitted(plan.handle(TasksAbsent((1,)), ROOM)) == [2]
    assert submitted(plan.handle(Finished(2, 2, PASSED), ROOM)) == []
    assert plan.waits_for_absent
    plan.handle(TaskGone(1), ROOM)

    assert plan.is_over


def test_what_is_cancelled_is_awaited_no_more() -> None:
    plan = plan_of(TaskSpec("away"), TaskSpec("here"))
    plan.handle(RunOpened(), TasksAbsent((1,)), ROOM)

    plan.handle(CancelAsked(1), ROOM)

    assert not plan.waits_for_absent
    assert submitted(plan.handle(Finished(2, 1, PASSED), ROOM)) == []
    assert plan.is_over


def test_who_joins_a_run_that_was_cancelled_is_cancelled() -> None:
    plan = plan_of(TaskSpec("a"))
    plan.handle(RunOpened(), PoolHasRoom(0))
    plan.handle(CancelAsked(), ROOM)

    plan.handle(TasksAdded((TaskSpec("b"),), by=0), ROOM)

    assert plan.tasks[2].state is State.CANCELLED
