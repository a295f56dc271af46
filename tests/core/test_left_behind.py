"""Locks that were left behind: a task that recovers them may have them, and a new boot clears some."""

from __future__ import annotations

import pytest

from pexen_state.core.decisions import Cleared, Recovered
from pexen_state.core.explain import sentence, why
from pexen_state.core.inputs import NewBoot, PoolHasRoom, RunOpened, UnlockAsked
from pexen_state.core.states import Cause, Locks, Verdict
from tests.stories import (
    Plan,
    cancel,
    ended,
    failed,
    gone,
    raised,
    returned,
    runner_died,
    skipped,
    spec,
    timed_out,
    withdrawn,
)

ROOM = PoolHasRoom(3)


def opened(*specs, room=3):
    plan = Plan(specs)
    plan.handle(RunOpened("boot one"), PoolHasRoom(room))
    return plan


def left_dirty(*specs, lock="disk", **more):
    """`breaks` has left the lock dirty."""
    plan = opened(spec("breaks", claims=[lock], **more), spec("other"), *specs)
    plan.handle(timed_out("breaks"), PoolHasRoom(0))
    return plan


# == who recovers a lock =================================================================================


def test_who_recovers_a_lock_has_it_although_it_is_dirty_and_frees_it_when_it_passes():
    plan = left_dirty(spec("wants", claims=["disk"]), spec("repair", recovers=["disk"]))

    assert plan.submits(ROOM) == ["repair"]
    assert plan.named("breaks").locks is Locks.DIRTY
    turn = plan.handle(returned("repair"), ROOM)

    assert Recovered("disk", plan.named("repair").number) in turn.decisions
    assert plan.named("breaks").locks is Locks.FREED
    assert plan.how("wants")[0] == "submitted"


@pytest.mark.parametrize("left", [timed_out, raised, lambda key: failed(key, locks_ok=False)])
def test_however_the_lock_was_left_behind(left):
    plan = opened(spec("breaks", claims=["disk"]), spec("repair", recovers=["disk"]))
    plan.handle(left("breaks"), ROOM)

    assert plan.how("repair")[0] == "submitted"
    plan.handle(returned("repair"), ROOM)
    assert plan.locked() == set()


@pytest.mark.parametrize(
    "end",
    [
        lambda key: failed(key),
        skipped,
        lambda key: ended(key, Cause.RETURNED, verdict=Verdict.FAIL),
        lambda key: ended(key, Cause.RETURNED, verdict=Verdict.SKIP),
    ],
    ids=["failed", "skipped", "returned, but with results that failed", "nothing of it applied"],
)
def test_if_it_does_not_pass_the_lock_stays_as_it_was_left(end):
    plan = left_dirty(spec("repair", recovers=["disk"]), spec("wants", claims=["disk"]))
    plan.handle(ROOM)

    plan.handle(end("repair"), returned("other"), ROOM)

    assert plan.locked() == {"disk"}
    assert plan.named("repair").locks is Locks.FREED
    assert plan.how("wants") == ("skipped", "not_run")


def test_if_it_breaks_down_too_both_have_left_it_dirty():
    plan = left_dirty(spec("repair", recovers=["disk"]), spec("again", recovers=["disk"], after=["repair"]))
    plan.handle(ROOM)
    plan.handle(timed_out("repair"), ROOM)
    assert {plan.named(key).locks for key in ("breaks", "repair")} == {Locks.DIRTY}

    assert plan.how("again")[0] == "submitted"
    plan.handle(returned("again"), ROOM)

    assert {plan.named(key).locks for key in ("breaks", "repair")} == {Locks.FREED}
    assert plan.locked() == set()


def test_while_no_lock_is_dirty_it_is_a_claim_like_any_other():
    plan = opened(spec("one", uses=["disk"]), spec("repair", recovers=["disk"]), spec("two", uses=["disk"]))

    assert plan.how("repair")[0] == "ready"
    assert plan.how("two")[0] == "ready"  # it does not pass who queues
    assert plan.submits(returned("one"), ROOM) == ["repair"]
    turn = plan.handle(returned("repair"), ROOM)
    assert not any(isinstance(one, Recovered) for one in turn.decisions)
    assert plan.how("two")[0] == "submitted"


def test_it_waits_for_those_that_still_share_the_lock():
    plan = opened(
        spec("breaks", uses=["disk"]),
        spec("reads", uses=["disk"]),
        spec("repair", recovers=["disk"]),
    )
    plan.handle(timed_out("breaks"), ROOM)
    assert plan.how("repair")[0] == "ready"

    assert plan.submits(returned("reads"), ROOM) == ["repair"]


def test_a_task_that_is_to_be_tried_again_has_not_left_its_locks_behind():
    plan = opened(spec("breaks", claims=["disk"], retries=1), spec("repair", recovers=["disk"]))

    assert plan.submits(timed_out("breaks"), ROOM) == ["breaks"]
    assert plan.how("repair")[0] == "ready"


@pytest.mark.parametrize(
    ("recovers", "dirty", "may"),
    [("/a", "/a/b/c", True), ("/a/", "/a", True), ("/", "/a", True), ("/a/b", "/a", False)],
)
def test_a_name_is_recovered_with_all_below_it_and_not_with_what_is_above(recovers, dirty, may):
    plan = left_dirty(spec("repair", recovers=[recovers]), lock=dirty)

    assert plan.submits(ROOM) == (["repair"] if may else [])
    if may:
        plan.handle(returned("repair"), ROOM)
        assert plan.locked() == set()


def test_only_what_it_recovers_is_free_and_its_other_locks_hinder_it():
    plan = opened(spec("breaks", claims=["disk", "net"]), spec("repair", recovers=["disk"]), spec("other"))
    plan.handle(timed_out("breaks"), ROOM)
    plan.handle(returned("repair"), ROOM)
    assert plan.locked() == {"net"}
    assert plan.named("breaks").locks is Locks.DIRTY

    plan = opened(spec("breaks", claims=["disk", "net"]), spec("repair", recovers=["disk"], claims=["net"]))
    plan.handle(timed_out("breaks"), ROOM)
    assert plan.how("repair") == ("skipped", "not_run")


@pytest.mark.parametrize("end", [withdrawn, runner_died], ids=lambda end: end.__name__)
def test_an_attempt_that_came_to_no_end_changes_nothing(end):
    plan = left_dirty(spec("repair", recovers=["disk"]))
    plan.handle(ROOM)

    plan.handle(end("repair"), PoolHasRoom(0))

    assert plan.named("breaks").locks is Locks.DIRTY
    assert plan.submits(ROOM) == ["repair"]
    plan.handle(returned("repair"), ROOM)
    assert plan.locked() == set()


def test_a_person_may_unlock_it_meanwhile():
    plan = left_dirty(spec("repair", recovers=["disk"]), spec("wants", claims=["disk"]))
    plan.handle(ROOM)

    plan.handle(UnlockAsked("disk"), ROOM)

    assert plan.named("breaks").locks is Locks.FREED
    assert plan.how("wants")[0] == "ready"  # it is being repaired
    assert plan.submits(returned("repair"), ROOM) == ["wants"]


def test_a_run_is_not_at_a_standstill_while_somebody_may_recover_the_lock():
    plan = opened(
        spec("breaks", claims=["disk", "net"]),
        spec("wants disk", claims=["disk"]),
        spec("wants net", claims=["net"], provides=["x"]),
        spec("repair", recovers=["disk"], requires=["x"], always=True),
    )
    plan.handle(timed_out("breaks"), ROOM)

    assert plan.how("wants net") == ("skipped", "not_run")  # nobody recovers that one
    assert plan.how("repair")[0] == "submitted"
    assert plan.run_out(room=3) == ["wants disk"]
    assert plan.how("wants disk") == ("succeeded", "pass")


def test_who_keeps_the_one_who_could_recover_from_running_is_given_up_and_nobody_else():
    plan = opened(
        spec("breaks", claims=["disk"]),
        spec("innocent", claims=["disk"]),
        spec("provider", claims=["disk"], provides=["x"]),
        spec("repair", recovers=["disk"], requires=["x"], always=True),
    )

    plan.handle(timed_out("breaks"), ROOM)

    assert plan.how("provider") == ("skipped", "not_run")
    assert plan.how("repair")[0] == "submitted"
    assert plan.run_out(room=3) == ["innocent"]


def test_if_nobody_is_left_to_recover_it_those_that_wait_are_given_up():
    plan = left_dirty(spec("repair", recovers=["disk"], requires=["never"]), spec("wants", claims=["disk"]))
    plan.handle(returned("other"), ROOM)

    assert plan.how("repair") == ("skipped", "not_run")
    assert plan.how("wants") == ("skipped", "not_run")


def test_two_that_recover_what_the_other_one_needs_do_not_wait_for_ever():
    plan = opened(
        spec("breaks", claims=["a", "b"]),
        spec("mends a", recovers=["a"], claims=["b"]),
        spec("mends b", recovers=["b"], claims=["a"]),
    )

    plan.handle(timed_out("breaks"), ROOM)

    assert plan.is_over


@pytest.mark.parametrize("end", [cancel, gone], ids=lambda end: end.__name__)
def test_who_was_to_recover_it_may_go_away(end):
    plan = left_dirty(spec("repair", recovers=["disk"]), spec("wants", claims=["disk"]))
    plan.handle(returned("other"))

    plan.handle(end("repair"), ROOM)

    assert plan.how("wants") == ("skipped", "not_run")


# == what a new boot clears ==============================================================================


def test_what_a_task_left_dirty_is_clean_after_a_new_boot_if_it_says_so():
    plan = opened(
        spec("module", claims=["kernel"], cleared_by_reboot=True),
        spec("disk", claims=["disk"]),
        spec("wants kernel", claims=["kernel"]),
        spec("wants disk", claims=["disk"]),
        spec("long"),
        room=5,
    )
    plan.handle(timed_out("module"), timed_out("disk"), ROOM)

    turn = plan.handle(plan.box_died(), NewBoot(), ROOM)

    assert Cleared((1,)) in turn.decisions
    assert plan.locked() == {"disk"}
    assert plan.run_out(room=3) == ["wants kernel"]


def test_it_need_not_be_a_crash_and_what_the_last_crash_left_dirty_is_among_it():
    plan = opened(
        spec("culprit", claims=["kernel"], cleared_by_reboot=True, max_crashes=0), spec("x", claims=["kernel"])
    )

    plan.handle(plan.box_died(), NewBoot(), ROOM)

    assert plan.how("culprit") == ("failed", "crash")
    assert plan.how("x")[0] == "submitted"


def test_locks_that_it_keeps_for_its_next_attempt_are_held_and_no_longer_dirty():
    plan = opened(spec("module", claims=["kernel"], cleared_by_reboot=True, retries=2), spec("x", claims=["kernel"]))
    plan.handle(timed_out("module"), PoolHasRoom(0))
    assert plan.named("module").locks is Locks.DIRTY

    plan.handle(NewBoot(), PoolHasRoom(0))

    assert plan.named("module").locks is Locks.HELD
    plan.handle(cancel("module"), ROOM)
    assert plan.how("x")[0] == "submitted"


def test_what_others_left_dirty_of_the_same_lock_stays():
    plan = left_dirty(spec("repair", recovers=["disk"]), cleared_by_reboot=True)
    plan.handle(ROOM)
    plan.handle(timed_out("repair"), ROOM)

    plan.handle(NewBoot())

    assert plan.named("breaks").locks is Locks.FREED
    assert plan.locked() == {"disk"}


def test_nothing_is_said_where_nothing_was_dirty():
    plan = opened(spec("module", claims=["kernel"], cleared_by_reboot=True))
    plan.handle(returned("module"))

    assert plan.handle(NewBoot()).decisions == []


# == explained ===========================================================================================


def test_who_left_it_dirty_who_waits_and_who_may_recover_it_is_told():
    plan = opened(
        spec("breaks", claims=["/disk"]),
        spec("wants", claims=["/disk/one"]),
        spec("repair", recovers=["/disk"], after=["other"]),
        spec("other"),
    )
    plan.handle(timed_out("breaks"), ROOM)

    def said(key):
        return sentence(why(plan, plan.named(key).number))

    assert said("wants") == (
        "wants waits for the lock /disk/one, claimed by breaks as /disk. breaks left it dirty: 'pexen unlock /disk' "
        "frees it. repair (waiting) recovers it when it passes."
    )
    assert said("breaks") == (
        "breaks timed out, verdict timeout. It still holds the lock /disk, left dirty. wants waits for that. "
        "repair (waiting) recovers it when it passes."
    )
