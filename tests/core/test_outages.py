"""The box goes down: who crashed it is found by trying the suspects alone; who asked for a reboot gets one for all."""

from __future__ import annotations

import pytest

from pexen_state.core.commands import Reboot
from pexen_state.core.decisions import Rebooting, Restored, Suspected
from pexen_state.core.inputs import BoxDied, NewBoot, NotRebooted, PoolHasRoom, RunOpened, StopAsked
from pexen_state.core.states import Locks
from tests.stories import (
    Plan,
    asks_for_reboot,
    cancel,
    exited,
    gone,
    raised,
    returned,
    runner_died,
    spec,
    started,
    stopped,
    withdrawn,
    worker_died,
)

WITH_PERMISSION = RunOpened("boot one", may_reboot=True)


def opened(*specs, room=2, may_reboot=False, max_fail=None):
    plan = Plan(specs, max_fail=max_fail)
    plan.handle(RunOpened("boot one", may_reboot), PoolHasRoom(room))
    return plan


def keys(plan, numbers):
    return [plan.tasks[number].spec.key for number in numbers]


def suspects(plan):
    return keys(plan, plan.suspects)


# == crashes =============================================================================================


def test_suspects_run_alone_and_before_all_else_the_most_suspicious_first():
    plan = opened(spec("one"), spec("two"), spec("first of all", priority=-1), spec("four"), room=3)
    assert keys(plan, plan.in_flight) == ["one", "two", "first of all"]

    submitted = plan.submits(plan.box_died(), PoolHasRoom(3))

    assert submitted == ["first of all"]
    assert suspects(plan) == ["first of all", "two", "one"]
    assert plan.story("one")[-2:] == ["submitted -> lost: box_died", "lost -> ready: retry"]
    assert plan.submits(returned("first of all"), PoolHasRoom(3)) == ["two"]
    assert plan.submits(returned("two"), PoolHasRoom(3)) == ["one"]
    assert plan.submits(returned("one"), PoolHasRoom(3)) == ["four"]
    assert plan.suspects == ()


def test_a_crash_beside_others_counts_against_nobody():
    plan = opened(spec("one", max_crashes=0), spec("two", max_crashes=0))

    plan.handle(plan.box_died(), PoolHasRoom(2))

    assert [plan.named(key).crashes for key in ("one", "two")] == [0, 0]
    assert plan.run_out(room=2) == ["one"]
    assert {plan.how(key) for key in ("one", "two")} == {("succeeded", "pass")}


def test_who_crashes_the_box_alone_once_too_often_is_the_culprit_and_the_others_are_cleared():
    plan = opened(spec("innocent"), spec("culprit"), spec("another"), room=3)
    plan.handle(plan.box_died(), PoolHasRoom(3))
    plan.handle(returned("another"), PoolHasRoom(3))
    assert suspects(plan) == ["culprit", "innocent"]

    plan.handle(plan.box_died(), PoolHasRoom(3))
    assert plan.how("culprit") == ("submitted", "none")  # one retry
    turn = plan.handle(plan.box_died(), PoolHasRoom(3))

    assert plan.how("culprit") == ("failed", "crash")
    assert plan.story("culprit")[-2:] == ["submitted -> lost: box_died_alone", "lost -> failed: box_died_alone"]
    assert Suspected(()) in turn.decisions
    assert plan.how("innocent") == ("submitted", "none")


@pytest.mark.parametrize(("budget", "crashes"), [(0, 1), (1, 2), (3, 4)])
def test_the_budget_of_crashes_is_the_task_s(budget, crashes):
    plan = opened(spec("culprit", max_crashes=budget), spec("waits", after=["culprit"]))

    for _ in range(crashes):
        assert not plan.named("culprit").state.is_final
        plan.handle(plan.box_died(), PoolHasRoom(2))

    assert plan.how("culprit") == ("failed", "crash")
    assert plan.how("waits")[0] == "submitted"


def test_without_a_limit_it_is_tried_again_and_again():
    plan = opened(spec("culprit", max_crashes=None))

    for _ in range(50):
        plan.handle(plan.box_died(), PoolHasRoom(2))

    assert plan.how("culprit")[0] == "submitted"
    assert plan.named("culprit").crashes == 50


def test_a_worker_that_it_took_with_it_and_a_crash_of_the_box_are_counted_together():
    plan = opened(spec("culprit", max_crashes=1))
    plan.handle(worker_died("culprit"), PoolHasRoom(2))

    plan.handle(plan.box_died(), PoolHasRoom(2))

    assert plan.how("culprit") == ("failed", "crash")


def test_a_suspect_keeps_its_locks_and_those_of_others_are_no_hindrance():
    plan = opened(spec("one", uses=["/disk"]), spec("two", uses=["/disk/part"]), spec("claims", claims=["/disk"]))

    plan.handle(plan.box_died(), PoolHasRoom(2))

    assert plan.locked() == {"/disk", "/disk/part"}
    assert plan.run_out(room=2) == ["one", "claims"]


def test_the_culprit_s_locks_are_dirty():
    plan = opened(spec("culprit", claims=["disk"], max_crashes=0), spec("waits", claims=["disk"]))

    plan.handle(plan.box_died(), PoolHasRoom(2))

    assert plan.named("culprit").locks is Locks.DIRTY
    assert plan.how("waits") == ("skipped", "not_run")


@pytest.mark.parametrize("end", [returned, raised, exited, worker_died], ids=lambda end: end.__name__)
def test_an_end_of_its_own_clears_a_suspect(end):
    plan = opened(spec("one"), spec("two", retries=1))
    plan.handle(plan.box_died(), PoolHasRoom(2))

    plan.handle(end("two"), PoolHasRoom(2))

    assert suspects(plan) == ["one"]
    assert plan.how("one")[0] == "submitted"


@pytest.mark.parametrize("end", [withdrawn, runner_died, stopped], ids=lambda end: end.__name__)
def test_what_is_no_end_of_its_own_does_not_clear_it(end):
    plan = opened(spec("one"), spec("two"))
    plan.handle(plan.box_died(), PoolHasRoom(2))

    plan.handle(end("two"), PoolHasRoom(2))

    assert suspects(plan) == ["two", "one"]
    assert plan.how("two")[0] == "submitted"
    assert plan.how("one")[0] == "ready"


def test_a_suspect_that_is_cancelled_or_gone_holds_nobody_up():
    plan = opened(spec("one"), spec("two"), spec("three"), room=3)
    plan.handle(plan.box_died(), PoolHasRoom(3))

    plan.handle(cancel("two"), PoolHasRoom(2))
    assert suspects(plan) == ["three", "one"]
    plan.handle(gone("one"), returned("three"), PoolHasRoom(3))

    assert plan.suspects == ()
    assert plan.is_over


def test_a_crash_of_which_another_session_died_in_the_suspect_phase_leaves_the_order():
    plan = opened(spec("one"), spec("two"), spec("three"), room=3)
    plan.handle(plan.box_died(), PoolHasRoom(3))

    plan.handle(plan.box_died(), PoolHasRoom(3))  # three, alone

    assert suspects(plan) == ["three", "two", "one"]
    assert plan.named("three").crashes == 1


def test_a_crash_with_nothing_in_flight_suspects_nobody():
    plan = opened()

    assert plan.handle(BoxDied(())).decisions == []


def test_a_run_that_was_given_up_does_not_try_suspects_that_have_not_failed():
    plan = opened(spec("bad"), spec("one"), spec("two"), room=3, max_fail=1)
    plan.handle(started("one"), started("two"), raised("bad"), PoolHasRoom(1))

    plan.handle(plan.box_died(), PoolHasRoom(3))

    assert plan.is_over
    assert plan.suspects == ()
    assert {plan.how(key) for key in ("one", "two")} == {("skipped", "not_run")}


# == reboots =============================================================================================


def test_nothing_new_begins_and_the_box_is_rebooted_when_the_others_have_ended():
    plan = opened(spec("asks", claims=["disk"]), spec("long"), spec("never yet"), may_reboot=True)

    turn = plan.handle(asks_for_reboot("asks"), PoolHasRoom(1))
    assert (turn.commands, plan.how("asks")) == ([], ("rebooting", "none"))
    turn = plan.handle(returned("long"), PoolHasRoom(2))

    assert turn.decisions[-1] == Rebooting("boot one")
    assert turn.commands[-1] == Reboot()
    assert plan.how("never yet")[0] == "ready"
    assert plan.locked() == {"disk"}
    assert plan.handle(PoolHasRoom(2)).commands == []


def test_requests_are_merged_into_one_reboot():
    plan = opened(spec("one"), spec("two"), may_reboot=True)

    first = plan.handle(asks_for_reboot("one"), PoolHasRoom(1))
    second = plan.handle(asks_for_reboot("two"), PoolHasRoom(2))

    assert [one for turn in (first, second) for one in turn.commands] == [Reboot()]


def test_who_survives_a_reboot_is_not_waited_for():
    plan = opened(spec("asks"), spec("daemon", survives_reboot=True), may_reboot=True)

    assert plan.handle(asks_for_reboot("asks"), PoolHasRoom(1)).commands == [Reboot()]
    assert plan.kills(StopAsked("the box shuts down")) == ["daemon"]


def test_after_the_boot_the_same_task_goes_on_with_its_locks_and_budgets():
    plan = opened(spec("asks", claims=["disk"], max_crashes=0), spec("other", claims=["disk"]), may_reboot=True)
    plan.handle(asks_for_reboot("asks"), PoolHasRoom(2))

    plan = again(plan)

    assert plan.story("asks")[-2:] == ["rebooting -> ready: rebooted", "ready -> submitted: dispatch"]
    assert plan.how("other")[0] == "ready"
    assert (plan.named("asks").reboots, plan.named("asks").crashes) == (1, 0)
    assert plan.locked() == {"disk"}


def test_without_permission_all_others_run_first_and_then_it_is_left_to_a_person():
    plan = opened(spec("asks", provides=["x"]), spec("child", requires=["x"]), spec("other"), room=1)

    assert plan.submits(asks_for_reboot("asks"), PoolHasRoom(1)) == ["other"]
    assert not plan.awaits_reboot
    turn = plan.handle(returned("other"), PoolHasRoom(1))

    assert plan.awaits_reboot
    assert plan.how("child")[0] == "waiting"  # nobody gives it up
    assert Reboot() not in turn.commands


def test_a_box_that_does_not_go_down_fails_the_task_and_the_others_go_on():
    plan = opened(spec("asks", claims=["disk"]), spec("other"), room=1, may_reboot=True)
    plan.handle(asks_for_reboot("asks"), PoolHasRoom(1))

    given = plan.gives(NotRebooted("the box was still up after 300 s"), PoolHasRoom(1))

    assert given == ["asks"]
    task = plan.named("asks")
    assert (plan.how("asks"), task.reason) == (("failed", "error"), "the box was still up after 300 s")
    assert task.locks is Locks.DIRTY
    assert plan.how("other")[0] == "submitted"
    assert not plan.is_rebooting


def test_a_failure_begins_anew_and_so_does_the_count_of_reboots():
    plan = opened(spec("asks", retries=1), may_reboot=True)
    plan.handle(asks_for_reboot("asks"), PoolHasRoom(1))
    plan = again(plan)
    assert plan.named("asks").reboots == 1

    plan.handle(raised("asks"), PoolHasRoom(1))

    assert plan.named("asks").reboots == 0


def test_a_crash_does_not_make_it_forget_its_reboots():
    plan = opened(spec("asks"), may_reboot=True)
    plan.handle(asks_for_reboot("asks"), PoolHasRoom(1))
    plan = again(plan)

    plan.handle(plan.box_died(), PoolHasRoom(1))

    assert plan.named("asks").reboots == 1


def test_who_waits_for_a_reboot_can_be_cancelled():
    plan = opened(spec("asks", claims=["disk"]), may_reboot=False)
    plan.handle(asks_for_reboot("asks"), PoolHasRoom(1))

    assert plan.gives(cancel("asks"), PoolHasRoom(1)) == ["asks"]
    assert plan.how("asks") == ("cancelled", "error")
    assert not plan.awaiting


def test_who_was_cancelled_while_it_asked_gets_no_reboot():
    plan = opened(spec("asks"), may_reboot=True)
    plan.handle(cancel("asks"), PoolHasRoom(0))

    turn = plan.handle(asks_for_reboot("asks"), PoolHasRoom(1))

    assert plan.how("asks") == ("cancelled", "error")
    assert Reboot() not in turn.commands


def test_a_suspect_that_asks_for_a_reboot_gets_it_before_the_next_one_is_tried():
    plan = opened(spec("one"), spec("asks"), may_reboot=True)
    plan.handle(plan.box_died(), PoolHasRoom(2))

    turn = plan.handle(asks_for_reboot("asks"), PoolHasRoom(2))

    assert turn.commands == [Reboot()]
    assert suspects(plan) == ["one"]
    plan = again(plan)
    assert keys(plan, plan.in_flight) == ["one"]


def again(plan):
    """The next session, after a boot: the same plan by its decisions."""
    resumed = Plan([task.spec for task in plan.tasks.values()])
    for decision in plan.decided:
        resumed.apply(decision)
    assert resumed == plan
    resumed.handle(NewBoot(), WITH_PERMISSION, PoolHasRoom(2))
    return resumed


def test_a_suspect_that_wants_a_lock_since_it_was_resumed_waits_for_it_like_anybody():
    plan = opened(spec("one"), spec("two", claims=["disk"]))
    plan.handle(plan.box_died())
    resumed = Plan([spec("one", claims=["disk"]), spec("two", claims=["disk"])])
    for task in plan.tasks.values():
        locks = task.locks
        resumed.apply(Restored(task.number, task.state, task.attempt, 0, 0, 0, locks=locks))
    resumed.apply(Suspected((1, 2)))

    assert resumed.submits(RunOpened("boot two"), PoolHasRoom(2)) == ["two"]

    assert suspects(resumed) == ["two"]
    assert resumed.submits(returned("two"), PoolHasRoom(2)) == ["one"]
