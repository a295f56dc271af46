"""What has ended and changed since runs again: who waits for it waits anew, and who had no chance gets one."""

from __future__ import annotations

from pexen_state.core.decisions import Transition
from pexen_state.core.inputs import CancelAsked, PoolHasRoom, RunOpened, TaskChanged, TaskGone, TasksAdded
from pexen_state.core.states import Cause, State
from tests.stories import Plan, asserted, cancel, raised, returned, skipped, spec, stopped, was_cancelled, worker_died


def opened(*specs, room=1, max_fail=None):
    plan = Plan(specs, max_fail=max_fail)
    plan.handle(RunOpened(), PoolHasRoom(room))
    return plan


def changed(plan, *keys):
    """Tell the plan; the tasks that were sent back, in order, each with the cause."""
    turn = plan.handle(*(TaskChanged(plan.named(key).number) for key in keys), PoolHasRoom(0))
    return [
        (plan.tasks[one.task].spec.key, one.cause)
        for one in turn.decisions
        if type(one) is Transition and one.new is State.WAITING
    ]


def test_it_runs_again_from_the_start_with_all_its_budgets():
    plan = opened(spec("one", retries=1, max_crashes=1), spec("rest"))
    plan.handle(asserted("one"), PoolHasRoom(1))
    plan.handle(worker_died("one"), PoolHasRoom(1))
    plan.handle(asserted("one"), PoolHasRoom(0))
    assert plan.failed == 1

    assert changed(plan, "one") == [("one", Cause.CHANGED)]

    task = plan.named("one")
    assert (task.state, task.verdict.word, task.attempt, task.failures, task.crashes) == (State.READY, "none", 3, 0, 0)
    assert (plan.failed, plan.unfinished) == (0, 2)
    assert plan.submits(PoolHasRoom(1)) == ["one"]
    assert plan.submits(asserted("one"), PoolHasRoom(1)) == ["one"]
    assert plan.gives(returned("one")) == ["one"]


def test_who_has_not_begun_waits_again_and_who_has_ended_keeps_its_result():
    plan = opened(
        spec("parent", provides={"x"}),
        spec("done", requires={"x"}, priority=-1),
        spec("next", requires={"x"}),
        spec("all", requires_all={"x"}),
        spec("after", after=["parent"], priority=2),
    )
    plan.handle(returned("parent"), PoolHasRoom(1))
    plan.handle(returned("done"), PoolHasRoom(0))

    assert changed(plan, "parent") == [("parent", Cause.CHANGED)]

    assert [plan.how(key)[0] for key in ("done", "next", "all", "after")] == ["succeeded", *["waiting"] * 3]
    assert plan.run_out() == ["parent", "next", "all", "after"]


def test_while_another_provider_is_there_nobody_waits_but_who_wants_every_one():
    plan = opened(
        spec("first", provides={"x"}, priority=-1),
        spec("second", provides={"x"}, priority=-1),
        spec("any", requires={"x"}),
        spec("all", requires_all={"x"}),
        room=2,
    )
    plan.handle(returned("first"), returned("second"), PoolHasRoom(0))

    changed(plan, "first")

    assert (plan.how("any")[0], plan.how("all")[0]) == ("ready", "waiting")
    assert plan.parents(plan.named("any").number) == (plan.named("second").number,)


def test_a_child_that_joined_when_the_name_was_there_waits_like_the_others():
    plan = opened(spec("parent", provides={"x"}), spec("rest"))
    plan.handle(returned("parent"), TasksAdded((spec("joined", requires={"x"}), spec("late", after=["par*"]))))

    changed(plan, "parent")

    assert (plan.how("joined")[0], plan.how("late")[0]) == ("waiting", "waiting")


def test_who_began_on_it_and_is_to_be_tried_again_begins_anew_after_it():
    plan = opened(spec("parent", provides={"x"}), spec("child", requires={"x"}, claims={"disk"}))
    plan.handle(returned("parent"), PoolHasRoom(1))
    plan.handle(stopped("child"), PoolHasRoom(0))
    assert plan.locked() == {"disk"}

    assert changed(plan, "parent") == [("parent", Cause.CHANGED), ("child", Cause.REOPENED)]

    assert plan.locked() == set()
    assert plan.run_out() == ["parent", "child"]


def test_who_waited_for_it_in_vain_gets_a_chance_and_so_do_those_behind():
    plan = opened(
        spec("setup", provides={"x"}),
        spec("child", requires={"x"}, provides={"y"}),
        spec("grandchild", requires_all={"y"}),
        spec("other", requires={"z"}),
        spec("bad", provides={"z"}),
    )
    plan.handle(raised("setup"), PoolHasRoom(1))
    plan.handle(raised("bad"), PoolHasRoom(1))
    assert plan.is_over

    assert changed(plan, "setup") == [
        ("setup", Cause.CHANGED),
        ("child", Cause.REOPENED),
        ("grandchild", Cause.REOPENED),
    ]

    assert plan.run_out() == ["setup", "child", "grandchild"]
    assert plan.how("other") == ("skipped", "not_run")


def test_it_fails_again_and_so_they_are_skipped_again():
    plan = opened(spec("setup", provides={"x"}), spec("child", requires={"x"}))
    plan.handle(raised("setup"), PoolHasRoom(1))

    changed(plan, "setup")
    plan.run_out(setup=raised)

    assert plan.how("child") == ("skipped", "not_run")
    assert plan.story("child")[-2:] == ["skipped -> waiting: reopened", "waiting -> skipped: unmet"]


def test_who_does_not_apply_because_it_did_not_gets_a_chance_too():
    plan = opened(spec("setup", provides={"x"}), spec("child", requires={"x"}), spec("rest", priority=1))
    plan.handle(skipped("setup"), PoolHasRoom(0))
    assert plan.how("child") == ("skipped", "skip")

    assert changed(plan, "setup") == [("setup", Cause.CHANGED), ("child", Cause.REOPENED)]

    assert plan.run_out() == ["setup", "child", "rest"]


def test_its_locks_are_freed_and_who_was_kept_out_by_them_gets_a_chance():
    plan = opened(
        spec("breaks", claims={"/dev/vda", "flat"}),
        spec("below", uses={"/dev/vda/1"}),
        spec("beside", claims={"/dev/vdb"}),
        spec("flat", uses={"flat"}),
    )
    plan.handle(raised("breaks"), PoolHasRoom(1))
    plan.run_out()
    assert plan.locked() == {"/dev/vda", "flat"}

    assert [key for key, _ in changed(plan, "breaks")] == ["breaks", "below", "flat"]

    assert plan.locked() == set()
    assert plan.run_out() == ["breaks", "below", "flat"]


def test_what_a_person_ended_or_is_not_there_any_more_is_not_sent_back():
    plan = opened(spec("runs"), spec("cancelled"), spec("gone"), spec("rest"))
    plan.handle(cancel("cancelled"), TaskGone(plan.named("gone").number))
    plan.handle(cancel("runs"), was_cancelled("runs"), PoolHasRoom(0))

    assert changed(plan, "runs", "cancelled", "gone", "rest") == []


def test_nothing_is_sent_back_in_a_run_that_is_cancelled_or_given_up():
    for plan in (opened(spec("one"), spec("two")), opened(spec("one"), spec("two"), spec("three"), max_fail=1)):
        plan.handle(raised("one"), *[] if plan.max_fail else [CancelAsked()], PoolHasRoom(0))
        assert changed(plan, "one") == []


def test_a_sent_back_task_that_a_person_cancels_has_no_result():
    plan = opened(spec("one"), spec("two"))
    plan.handle(returned("one"), PoolHasRoom(0))
    changed(plan, "one")

    assert plan.gives(cancel("one")) == []

    assert plan.how("one") == ("cancelled", "not_run")
