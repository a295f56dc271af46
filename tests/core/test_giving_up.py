"""A run is given up when too many of its tasks have failed: what runs may end, cleanups run, the rest is skipped."""

from __future__ import annotations

import pytest

from pexen_state.core.decisions import GivenUp, Transition
from pexen_state.core.inputs import PauseAsked, PoolHasRoom, RunOpened, TaskChanged, TasksAdded
from pexen_state.core.states import Cause, Locks
from tests.stories import (
    Plan,
    cancel,
    exited,
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

ONE = "the run was given up after 1 task had failed"
TWO = "the run was given up after 2 tasks had failed"


def opened(*specs, max_fail=1, room=1):
    plan = Plan(specs, max_fail=max_fail)
    plan.handle(RunOpened(), PoolHasRoom(room))
    return plan


def test_what_waits_or_is_ready_is_skipped_in_the_same_turn_and_says_why():
    plan = opened(spec("first", provides={"x"}), spec("ready"), spec("waits", requires={"x"}))

    turn = plan.handle(raised("first"), PoolHasRoom(1))

    assert plan.given_up == ONE
    assert [type(one) for one in turn.decisions] == [Transition, GivenUp, Transition, Transition]
    for key in ("ready", "waits"):
        task = plan.named(key)
        assert (plan.how(key), task.reason, task.nth) == (("skipped", "not_run"), ONE, 0)
        assert plan.story(key)[-1].endswith("skipped: given_up")
    assert plan.is_over


def test_the_limit_is_a_number_and_only_what_ended_badly_counts():
    plan = opened(*(spec(f"t{n}", priority=n) for n in range(8)), max_fail=2)

    plan.handle(skipped("t0"), PoolHasRoom(1))
    plan.handle(returned("t1"), PoolHasRoom(1))
    plan.handle(exited("t2"), PoolHasRoom(1))
    assert plan.given_up is None
    plan.handle(timed_out("t3"), PoolHasRoom(1))

    assert plan.given_up == TWO
    assert [plan.how(f"t{n}")[0] for n in range(8)] == (
        ["skipped", "succeeded", "failed", "timed_out"] + ["skipped"] * 4
    )


def test_what_a_person_cancelled_is_no_failure():
    plan = opened(spec("first"), spec("second"))

    plan.handle(cancel("first"), was_cancelled("first"), PoolHasRoom(1))

    assert plan.given_up is None
    assert plan.how("second")[0] == "submitted"


def test_what_is_in_flight_may_end_and_is_given_but_not_tried_again():
    plan = opened(spec("bad"), spec("good"), spec("retried", retries=3), spec("never"), room=3)
    plan.handle(raised("bad"), PoolHasRoom(1))

    assert plan.gives(returned("good"), raised("retried")) == ["good", "retried"]

    assert plan.how("retried") == ("failed", "error")
    assert plan.how("never") == ("skipped", "not_run")
    assert plan.is_over


def test_a_worker_that_dies_then_is_a_crash_whatever_the_budget():
    plan = opened(spec("bad"), spec("dies", max_crashes=None), spec("never"), room=2)
    plan.handle(raised("bad"), PoolHasRoom(1))

    assert plan.gives(worker_died("dies")) == ["dies"]

    assert plan.how("dies") == ("failed", "crash")


@pytest.mark.parametrize("end", [raised, timed_out, worker_died])
def test_what_has_failed_and_is_to_be_tried_again_is_tried_once_more_under_its_locks(end):
    plan = opened(
        spec("retried", retries=9, max_crashes=9, claims={"disk"}),
        spec("bad"),
        spec("x"),
        spec("sweep", claims={"disk"}, after=["bad"], always=True),
        room=2,
    )
    plan.handle(end("retried"), PoolHasRoom(0))

    assert plan.submits(raised("bad"), PoolHasRoom(2)) == ["retried"]
    assert plan.gives(timed_out("retried"), PoolHasRoom(2)) == ["retried"]

    assert plan.how("x") == ("skipped", "not_run")
    assert (plan.how("retried"), plan.named("retried").nth) == (("timed_out", "timeout"), 2)
    assert plan.named("retried").locks is Locks.DIRTY
    assert plan.how("sweep") == ("skipped", "not_run")


@pytest.mark.parametrize("lost", [withdrawn, stopped, runner_died])
def test_a_last_retry_that_gets_lost_is_begun_again(lost):
    plan = opened(spec("retried", retries=1, claims={"disk"}), spec("bad"), spec("x"), room=2)
    plan.handle(timed_out("retried"), PoolHasRoom(1))

    assert plan.submits(raised("bad"), lost("retried"), PoolHasRoom(1)) == ["retried"]
    plan.handle(returned("retried"))

    assert plan.how("retried") == ("succeeded", "pass")
    assert plan.locked() == set()


def test_what_was_handed_over_and_has_not_begun_is_left_out_if_nothing_else_is_left():
    plan = opened(spec("bad"), spec("runs"), spec("handed"), spec("sweep", always=True), room=4)

    plan.handle(started("runs"), raised("bad"), PoolHasRoom(0))
    assert plan.given_up == ONE
    plan.handle(withdrawn("handed"), PoolHasRoom(1))

    assert (plan.how("handed"), plan.named("handed").reason) == (("skipped", "not_run"), ONE)
    assert plan.gives(returned("runs"), returned("sweep")) == ["runs", "sweep"]
    assert plan.is_over


def test_a_run_in_which_all_that_is_left_has_begun_or_is_a_cleanup_is_not_given_up():
    plan = opened(spec("tried", retries=1), spec("bad"), spec("runs"), spec("sweep", always=True, priority=1), room=3)

    plan.handle(started("runs"), timed_out("tried"), raised("bad"), PoolHasRoom(2))
    plan.handle(PoolHasRoom(0))

    assert plan.given_up is None
    assert plan.gives(raised("tried"), returned("runs"), returned("sweep")) == ["tried", "runs", "sweep"]


@pytest.mark.parametrize(
    ("lost", "story"),
    [
        (runner_died, ["submitted -> lost: runner_died", "lost -> skipped: given_up"]),
        (stopped, ["submitted -> lost: stopped", "lost -> skipped: given_up"]),
        (withdrawn, ["submitted -> ready: withdrawn", "ready -> skipped: given_up"]),
    ],
)
def test_what_gets_lost_then_is_skipped_and_has_no_result(lost, story):
    plan = opened(spec("bad"), spec("lost"), spec("never"), room=2)
    plan.handle(raised("bad"), PoolHasRoom(1))

    assert plan.gives(lost("lost"), PoolHasRoom(2)) == []

    assert plan.story("lost")[-2:] == story
    assert plan.is_over


def test_what_could_not_be_killed_leaves_its_locks_dirty():
    plan = opened(spec("bad"), spec("lost", claims={"disk"}), spec("never"), room=2)
    plan.handle(raised("bad"), PoolHasRoom(1))

    plan.handle(stopped("lost", surely_dead=False))

    assert plan.named("lost").locks is Locks.DIRTY
    assert plan.locked() == {"disk"}


def test_what_was_stopped_and_could_not_be_killed_and_is_then_left_out_leaves_its_locks_dirty():
    plan = opened(spec("lost", claims={"disk"}), spec("bad"), room=2)
    plan.handle(stopped("lost", surely_dead=False), PoolHasRoom(0))

    plan.handle(raised("bad"))

    assert plan.how("lost") == ("skipped", "not_run")
    assert plan.named("lost").locks is Locks.DIRTY


def test_cleanups_run_all_the_same_and_are_tried_again():
    plan = opened(
        spec("setup", provides={"x"}),
        spec("test", requires={"x"}),
        spec("cleanup", requires={"x"}, after=["*"], always=True, retries=1),
    )

    assert plan.submits(raised("setup"), PoolHasRoom(1)) == ["cleanup"]
    assert plan.submits(raised("cleanup"), PoolHasRoom(1)) == ["cleanup"]
    assert plan.submits(stopped("cleanup"), PoolHasRoom(1)) == ["cleanup"]
    plan.handle(returned("cleanup"))

    assert plan.how("cleanup") == ("succeeded", "pass")
    assert plan.how("test") == ("skipped", "not_run")


def test_a_run_whose_last_task_fails_is_not_given_up():
    plan = opened(spec("only"), spec("cleanup", after=["only"], always=True))

    plan.handle(raised("only"), PoolHasRoom(1))

    assert plan.given_up is None
    assert plan.how("cleanup")[0] == "submitted"


def test_tasks_that_join_then_are_skipped_but_for_cleanups():
    plan = opened(spec("bad"), spec("never"), spec("last", after=["*"], always=True))
    plan.handle(raised("bad"))

    plan.handle(TasksAdded((spec("late"), spec("sweep", always=True))), PoolHasRoom(1))

    assert plan.how("late") == ("skipped", "not_run")
    assert plan.how("sweep")[0] == "submitted"


def test_it_stays_given_up_over_a_pause_a_kill_and_a_resume_without_a_limit():
    specs = [spec("bad"), spec("runs"), spec("never"), spec("cleanup", after=["*"], always=True)]
    plan = Plan(specs, max_fail=1)
    plan.handle(RunOpened(), PoolHasRoom(2))
    plan.handle(started("runs"), raised("bad"), PauseAsked("pause"), PoolHasRoom(2))
    again = Plan(specs)
    for decision in plan.decided:
        again.apply(decision)
    assert again == plan

    submitted = again.submits(runner_died("runs"), RunOpened(), PoolHasRoom(2))

    assert submitted == ["cleanup"]
    assert again.given_up == ONE
    assert again.how("runs") == ("skipped", "not_run")


def test_failures_of_earlier_sessions_count():
    specs = [spec("bad"), spec("next"), spec("cleanup", always=True)]
    plan = Plan(specs)
    plan.handle(RunOpened(), PoolHasRoom(1))
    plan.handle(raised("bad"))
    again = Plan(specs, max_fail=1)
    for decision in plan.decided:
        again.apply(decision)

    assert again.submits(RunOpened(), PoolHasRoom(1)) == ["cleanup"]

    assert again.how("next") == ("skipped", "not_run")
    assert Cause.GIVEN_UP.word == "given_up"


@pytest.mark.parametrize(("again", "more"), [((), 2), ((1,), 2), ((1, 2), 2)])
def test_a_limit_from_now_on_is_on_what_fails_from_now_on(again: tuple[int, ...], more: int):
    """What is to run again has not failed, for all that one knows."""
    specs = [spec(f"t{number}") for number in range(6)]
    plan = Plan(specs)
    plan.handle(RunOpened(), PoolHasRoom(2))
    plan.handle(raised("t0"), raised("t1"))
    resumed = Plan(specs, max_fail=more)
    for decision in plan.decided:
        resumed.apply(decision)

    resumed.limit_from_now(more, again)
    resumed.handle(*map(TaskChanged, again), RunOpened(), PoolHasRoom(1))
    failed = 0
    while resumed.given_up is None:
        (running,) = (resumed.tasks[number].spec.key for number in resumed.in_flight)
        resumed.handle(raised(running), PoolHasRoom(1))
        failed += 1

    assert failed == more


def test_a_limit_from_now_on_may_be_none():
    plan = opened(spec("one"), spec("two"))

    plan.limit_from_now(None)
    plan.handle(raised("one"), PoolHasRoom(1))

    assert plan.how("two")[0] == "submitted"
