"""A run from turn to turn: room, priorities, attempts and their budgets, pauses, stops, cancellations, sessions."""

from __future__ import annotations

import pytest

from pexen_state.core.commands import Kill, Submit, Yield
from pexen_state.core.decisions import Added, AllRestored, Paused, Restored, Transition, Unlocked
from pexen_state.core.inputs import (
    PauseAsked,
    PoolHasRoom,
    RunOpened,
    StopAsked,
    TasksAdded,
    UnlockAsked,
)
from pexen_state.core.plan import IllegalTransition
from pexen_state.core.states import FAILURES, Cause, Locks, State, Verdict
from tests.stories import (
    Plan,
    asserted,
    failed,
    gone,
    raised,
    returned,
    runner_died,
    skipped,
    spec,
    started,
    stopped,
    timed_out,
    was_cancelled,
    withdrawn,
    worker_died,
)

OPEN = (RunOpened(), PoolHasRoom(9))
ROOM = PoolHasRoom(9)


# -- room and priority --------------------------------------------------------------------------------------


def test_nothing_is_submitted_before_the_session_is_open() -> None:
    plan = Plan([spec("a")])

    assert plan.submits(ROOM) == []
    assert plan.submits(RunOpened()) == ["a"]


def test_no_more_is_submitted_than_the_pool_has_room_for() -> None:
    plan = Plan([spec("a"), spec("b"), spec("c")])

    assert plan.submits(RunOpened(), PoolHasRoom(2)) == ["a", "b"]
    assert plan.submits(returned("a")) == []
    assert plan.submits(PoolHasRoom(1)) == ["c"]


def test_lower_priorities_go_first_and_equal_ones_in_the_order_of_the_tasks() -> None:
    plan = Plan([spec("a", priority=1), spec("b"), spec("c", priority=-0.5), spec("d")])

    assert plan.submits(*OPEN) == ["c", "b", "d", "a"]


def test_a_late_comer_of_high_priority_is_next() -> None:
    plan = Plan([spec("a"), spec("b"), spec("c")])
    plan.handle(RunOpened(), PoolHasRoom(1))

    assert plan.submits(TasksAdded((spec("urgent", priority=-1),)), returned("a"), PoolHasRoom(1)) == ["urgent"]


def test_a_plan_without_tasks_is_over() -> None:
    plan = Plan()

    assert plan.is_over
    assert plan.handle(*OPEN) == ([], [])


def test_an_added_task_keeps_the_run_going() -> None:
    plan = Plan([spec("a")])
    plan.handle(*OPEN)
    plan.handle(returned("a"))
    assert plan.is_over

    plan.handle(TasksAdded(()), TasksAdded((spec("b"),)), ROOM)

    assert not plan.is_over
    assert plan.run_out() == []
    assert [type(one) for one in plan.decided if type(one) is Added] == [Added]


# -- what a turn says ---------------------------------------------------------------------------------------


def test_a_submission_follows_from_the_results_that_it_waited_for() -> None:
    plan = Plan(
        [
            spec("a", provides={"x"}),
            spec("b", claims={"disk"}, provides={"y"}),
            spec("child of a", requires={"x"}),
            spec("child of b", requires={"y"}),
            spec("wants the disk", claims={"disk"}),
            spec("free"),
        ]
    )
    plan.handle(RunOpened(), PoolHasRoom(2))

    turn = plan.handle(returned("a"), returned("b"), ROOM)

    follows = {plan.tasks[one.task].spec.key: one.follows for one in turn.commands if type(one) is Submit}
    assert follows == {"child of a": 1, "child of b": 2, "wants the disk": 2, "free": 0}


def test_who_had_no_room_follows_from_the_result_that_freed_its_lock() -> None:
    plan = Plan([spec("a", claims={"disk"}), spec("b", claims={"disk"})])
    plan.handle(RunOpened(), PoolHasRoom(1))  # b was never tested for its lock

    turn = plan.handle(returned("a"), PoolHasRoom(1))

    assert [one.follows for one in turn.commands if type(one) is Submit] == [1]


def test_a_turn_holds_the_ends_and_what_follows_from_them() -> None:
    plan = Plan([spec("a", provides={"x"}), spec("b", requires={"x"})])
    plan.handle(*OPEN)

    turn = plan.handle(started("a"), returned("a"))

    assert turn.decisions == [
        Transition(1, 1, State.SUBMITTED, State.RUNNING, Cause.STARTED),
        Transition(1, 1, State.RUNNING, State.SUCCEEDED, Cause.RETURNED, Verdict.PASS, provided=True),
        Transition(2, 1, State.READY, State.SUBMITTED, Cause.DISPATCH),
    ]
    assert turn.commands == [Yield(1, 1), Submit(2, 1, 1, (1,), 1)]


def test_words_about_an_older_attempt_come_too_late() -> None:
    plan = Plan([spec("a", retries=1)])
    plan.handle(*OPEN)
    plan.handle(raised("a"), ROOM)

    for late in (started, returned, raised, worker_died, withdrawn, was_cancelled):
        assert plan.handle(late("a", attempt=1)) == ([], [])
    assert plan.gives(returned("a")) == ["a"]
    for late in (started, returned, worker_died):
        assert plan.handle(late("a")) == ([], [])


# -- attempts and budgets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_failure_is_retried_as_often_as_the_budget_says(retries: int) -> None:
    plan = Plan([spec("a", retries=retries)])
    plan.handle(*OPEN)

    given = [plan.gives(asserted("a"), ROOM) for _ in range(retries + 1)]

    assert given == [[]] * retries + [["a"]]
    assert plan.how("a") == ("failed", "fail")
    assert plan.named("a").attempt == retries + 1


def test_a_controlled_failure_and_a_skip_are_not_retried() -> None:
    plan = Plan([spec("a", retries=3), spec("b", retries=3)])
    plan.handle(*OPEN)

    assert plan.gives(failed("a"), skipped("b"), ROOM) == ["a", "b"]


def test_retry_on_lists_what_is_retried() -> None:
    plan = Plan([spec("a", retries=1, retry_on=frozenset({Cause.FAILED})), spec("b", retries=1, retry_on=FAILURES)])
    plan.handle(*OPEN)

    assert plan.submits(failed("a"), skipped("b"), ROOM) == ["a", "b"]
    assert plan.gives(raised("a"), skipped("b"), ROOM) == ["a", "b"]


def test_a_retried_task_is_given_once_with_its_last_attempt() -> None:
    plan = Plan([spec("a", retries=1)])
    plan.handle(*OPEN)
    plan.handle(timed_out("a"), ROOM)

    turn = plan.handle(returned("a"))

    assert turn.commands == [Yield(1, 2)]
    assert plan.story("a") == [
        "waiting -> ready: start",
        "ready -> submitted: dispatch",
        "submitted -> ready: timed_out",
        "ready -> submitted: dispatch",
        "submitted -> succeeded: returned",
    ]


@pytest.mark.parametrize("max_crashes", [0, 1, 2])
def test_a_task_that_kills_its_worker_too_often_is_over(max_crashes: int) -> None:
    plan = Plan([spec("a", max_crashes=max_crashes, claims={"disk"})])
    plan.handle(*OPEN)

    given = [plan.gives(worker_died("a"), ROOM) for _ in range(max_crashes + 1)]

    assert given == [[]] * max_crashes + [["a"]]
    assert plan.how("a") == ("failed", "crash")
    assert plan.named("a").locks is Locks.DIRTY


def test_max_crashes_none_has_no_end() -> None:
    plan = Plan([spec("a", max_crashes=None)])
    plan.handle(*OPEN)

    for _ in range(20):
        assert plan.submits(worker_died("a"), ROOM) == ["a"]


def test_what_the_task_cannot_help_costs_no_budget() -> None:
    plan = Plan([spec("a", max_crashes=0)])
    plan.handle(*OPEN)

    for innocent in (runner_died, withdrawn, runner_died, withdrawn):
        assert plan.submits(innocent("a"), ROOM) == ["a"]
    task = plan.named("a")
    assert (task.failures, task.crashes, task.attempt, task.nth) == (0, 0, 5, 3)


def test_nobody_counts_withdrawn_attempts() -> None:
    plan = Plan([spec("a")])
    plan.handle(*OPEN)

    turn = plan.handle(withdrawn("a"), ROOM)

    assert turn.commands == [Submit(1, attempt=2, nth=1, parents=(), follows=0)]


# -- pause, stop, cancel ------------------------------------------------------------------------------------


def test_a_paused_run_starts_nothing_and_lets_what_runs_end() -> None:
    plan = Plan([spec("a", provides={"x"}), spec("b", requires={"x"})])
    plan.handle(*OPEN)

    assert plan.handle(PauseAsked("pause"), PauseAsked("again")).decisions == [Paused("pause")]
    assert plan.submits(returned("a"), ROOM) == []
    assert plan.how("b") == ("ready", "none")
    assert not plan.is_over


def test_a_run_that_was_paused_before_it_was_open_stays_paused() -> None:
    plan = Plan([spec("a")])

    assert plan.handle(PauseAsked("pause")).decisions == [Paused("pause")]
    assert plan.submits(*OPEN) == []


def test_a_stop_kills_what_runs_and_the_next_session_runs_it_again() -> None:
    plan = Plan([spec("a", max_crashes=0), spec("b")])
    plan.handle(RunOpened(), PoolHasRoom(1))

    assert plan.handle(StopAsked("SIGTERM")).commands == [Kill(1, 1, Cause.STOPPED)]
    plan.handle(stopped("a"), ROOM)

    assert plan.how("a") == plan.how("b") == ("ready", "none")
    assert plan.gives() == []


def test_nothing_is_given_up_while_the_run_drains() -> None:
    plan = Plan([spec("a", provides={"x"}), spec("b", requires={"x"})])
    plan.handle(*OPEN)

    plan.handle(StopAsked("SIGTERM"), raised("a"), ROOM)

    assert plan.how("b") == ("waiting", "none")


def test_what_is_gone_is_skipped_unless_it_runs_or_has_ended() -> None:
    plan = Plan([spec("a"), spec("b", provides={"x"}), spec("c", requires={"x"}), spec("d")])
    plan.handle(RunOpened(), PoolHasRoom(1))

    assert plan.gives(gone("a"), gone("b"), gone("d")) == []
    assert plan.how("a") == ("submitted", "none")
    assert plan.how("b") == plan.how("d") == ("skipped", "not_run")
    plan.handle(returned("a"), gone("a"), ROOM)
    assert plan.how("a") == ("succeeded", "pass")
    assert plan.named("c").reason == "requires 'x', which was provided by nobody: b (not run)"


# -- restored -----------------------------------------------------------------------------------------------


def test_a_restored_plan_goes_on_where_the_other_was_cut_off() -> None:
    specs = [
        spec("a", provides={"x"}),
        spec("b", requires={"x"}, claims={"disk"}),
        spec("c", requires={"x"}, claims={"disk"}),
        spec("d", claims={"net"}),
        spec("e", claims={"net"}),
    ]

    plan = Plan.restored(
        specs,
        [
            Restored(1, State.SUCCEEDED, 1, 0, 0, 0, Verdict.PASS, True),
            Restored(4, State.FAILED, 1, 0, 0, 0, Verdict.ERROR, False, Locks.HELD),
            Restored(2, State.RUNNING, 2, 0, 1, 0, locks=Locks.HELD),
        ],
    )

    assert isinstance(plan, Plan)
    assert plan.locked() == {"disk", "net"}
    assert plan.submits(runner_died("b"), RunOpened(), PoolHasRoom(1)) == ["b"]
    assert plan.submits(UnlockAsked("net"), returned("b"), PoolHasRoom(2)) == ["c", "e"]


def test_a_lock_that_was_unlocked_in_between_is_restored_at_its_place() -> None:
    specs = [spec("a", claims={"disk"}), spec("b", claims={"disk"})]
    was_held = Restored(1, State.FAILED, 1, 0, 0, 0, Verdict.ERROR, False, Locks.HELD)

    plan = Plan.restored(specs, [was_held, Unlocked("disk"), Restored(2, State.RUNNING, 1, 0, 0, 0, locks=Locks.HELD)])

    plan.validate()
    assert [task for _, task, _ in plan.locks.held()] == [2]


def test_a_task_is_restored_once() -> None:
    one = Restored(1, State.SUCCEEDED, 1, 0, 0, 0, Verdict.PASS, True)

    with pytest.raises(IllegalTransition, match="a was restored twice"):
        Plan.restored([spec("a")], [one, one])


def test_tasks_that_ended_alike_are_restored_at_once_and_each_of_them_once() -> None:
    specs = [spec("a", provides={"x"}), spec("b", requires={"x"}), spec("c", requires={"x"}), spec("d")]
    ended = AllRestored([1, 3], State.SUCCEEDED, 1, Verdict.PASS, True)

    plan = Plan.restored(specs, [ended])

    assert isinstance(plan, Plan)
    assert plan.submits(RunOpened(), PoolHasRoom(9)) == ["b", "d"]
    for twice in (ended, ended._replace(tasks=[4, 4]), Restored(3, State.SUCCEEDED, 1, 0, 0, 0)):
        with pytest.raises(IllegalTransition, match="restored twice"):
            Plan.restored(specs, [ended, twice])
    with pytest.raises(IllegalTransition, match="no tasks"):
        Plan.restored(specs, [ended._replace(tasks=[4, 5])])


def test_plans_of_different_runs_are_different() -> None:
    assert Plan([spec("a")]) == Plan([spec("a")])
    assert Plan([spec("a")]) != Plan([spec("b")])
    assert Plan() != "a plan"


def test_added_tasks_follow_those_that_are_known() -> None:
    with pytest.raises(IllegalTransition, match=r"tasks 3, \.\.\. were added, but 1 are known"):
        Plan([spec("a")]).apply(Added(3, (spec("b"),)))
