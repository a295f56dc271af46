"""Locks: many uses or one claim, hierarchies, queues, and what a failure leaves behind."""

from __future__ import annotations

import pytest

from pexen_state.core.inputs import PoolHasRoom, RunOpened, TasksAdded, UnlockAsked
from pexen_state.core.locks import is_above, normal_name
from pexen_state.core.spec import Declared
from tests.stories import Plan, cancel, failed, raised, returned, runner_died, spec, timed_out, withdrawn

OPEN = (RunOpened(), PoolHasRoom(9))
ROOM = PoolHasRoom(9)


def test_a_freed_lock_wakes_the_waiter_even_if_deps_are_broken() -> None:
    plan = Plan([spec("first", claims={"disk"}), spec("second", claims={"disk"})])
    plan.handle(RunOpened(), PoolHasRoom(1))

    plan.handle(failed("first", deps_ok=False, locks_ok=True), PoolHasRoom(1))

    assert plan.story("second") == ["waiting -> ready: start", "ready -> submitted: dispatch"]


def test_users_share_and_a_claim_is_alone() -> None:
    plan = Plan([spec("a", uses={"disk"}), spec("b", uses={"disk"}), spec("c", claims={"disk"}), spec("d")])

    assert plan.submits(*OPEN) == ["a", "b", "d"]
    assert plan.submits(returned("a"), ROOM) == []
    assert plan.submits(returned("b"), ROOM) == ["c"]


def test_locks_are_taken_all_at_once_or_not_at_all() -> None:
    plan = Plan([spec("a", claims={"x"}), spec("ab", claims={"x", "y"}), spec("b", claims={"y"})])

    assert plan.submits(*OPEN) == ["a", "b"]
    assert plan.submits(returned("b"), ROOM) == []
    assert plan.submits(returned("a"), ROOM) == ["ab"]


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        ("/a", "/a", True),
        ("/a", "/a/b", True),
        ("/a/b", "/a", True),
        ("/", "/a/b", True),
        ("/a/b/c", "/", True),
        ("/a/b", "/a/c", False),
        ("/a", "/ab", False),
        ("/a//b/", "/a/b", True),
        ("a", "a/b", False),
        ("a", "/a", False),
        (("/", 1), "/", False),
    ],
)
def test_a_name_that_begins_with_a_slash_conflicts_with_what_is_above_and_below(
    one: object, other: object, conflict: bool
) -> None:
    plan = Plan([spec("one", claims=[one]), spec("other", claims=[other]), spec("reader", uses=[other])])

    assert plan.submits(*OPEN) == (["one"] if conflict else ["one", "other"])


def test_readers_share_over_the_hierarchy() -> None:
    plan = Plan([spec("root", uses={"/"}), spec("leaf", uses={"/a/b"}), spec("writer", claims={"/a/b/c"})])

    assert plan.submits(*OPEN) == ["root", "leaf"]
    assert plan.submits(returned("leaf"), ROOM) == []
    assert plan.submits(returned("root"), ROOM) == ["writer"]


def test_a_task_never_conflicts_with_itself() -> None:
    plan = Plan([spec("a", claims=["/a", "/a/b"], uses=["/a/b/c"]), spec("b", claims={"/a/b"})])

    assert plan.submits(*OPEN) == ["a"]
    assert plan.submits(returned("a"), ROOM) == ["b"]


def test_a_queued_writer_is_not_passed_by_readers_that_come_later() -> None:
    plan = Plan([spec("reader", uses={"disk"}), spec("writer", claims={"disk"})])
    plan.handle(*OPEN)

    assert plan.submits(TasksAdded((spec("late", uses={"disk"}),)), ROOM) == []
    assert plan.submits(returned("reader"), ROOM) == ["writer"]
    assert plan.submits(returned("writer"), ROOM) == ["late"]


def test_a_queued_writer_is_not_passed_over_the_hierarchy() -> None:
    plan = Plan([spec("reader", uses={"/a/b"}), spec("writer", claims={"/a"})])
    plan.handle(*OPEN)

    late = (spec("below", uses={"/a/c"}), spec("above", uses={"/"}), spec("beside", uses={"/b"}))
    assert plan.submits(TasksAdded(late), ROOM) == ["beside"]


def test_who_is_more_urgent_passes_a_queued_writer() -> None:
    plan = Plan([spec("reader", uses={"disk"}), spec("writer", claims={"disk"})])
    plan.handle(*OPEN)

    assert plan.submits(TasksAdded((spec("urgent", uses={"disk"}, priority=-1),)), ROOM) == ["urgent"]


def test_the_queue_is_by_priority_and_then_by_arrival() -> None:
    plan = Plan(
        [
            spec("first", claims={"disk"}, priority=-2),
            spec("second", claims={"disk"}),
            spec("third", claims={"disk"}),
            spec("urgent", claims={"disk"}, priority=-1),
        ]
    )

    plan.handle(*OPEN)

    assert plan.run_out(room=9) == ["urgent", "second", "third"]


def test_a_writer_that_is_cancelled_lets_the_readers_behind_it_go_on() -> None:
    plan = Plan(
        [spec("a", uses={"disk"}), spec("writer", claims={"disk"}), spec("b", uses={"disk"}), spec("c", uses={"disk"})]
    )
    plan.handle(*OPEN)

    assert plan.submits(cancel("writer"), ROOM) == ["b", "c"]


def test_a_free_lock_is_not_kept_for_a_task_that_the_pool_has_no_room_for() -> None:
    plan = Plan([spec("a", claims={"disk"}), spec("b", claims={"disk"}), spec("c")])
    plan.handle(RunOpened(), PoolHasRoom(1))

    plan.handle(returned("a"), PoolHasRoom(0))

    assert plan.locked() == set()


def test_who_waits_below_a_lock_is_not_held_up_by_who_waits_for_the_lock_itself() -> None:
    plan = Plan(
        [
            spec("whole", claims={"/a"}),
            spec("reader", uses={"/a"}, priority=1),
            spec("other", claims={"/a/c"}, priority=2),
        ]
    )
    plan.handle(*OPEN)

    # When /a frees, it is taken below by somebody more urgent: that is in the way of one of the two only.
    late = (spec("urgent", claims={"/a/b"}),)
    assert plan.submits(returned("whole"), TasksAdded(late), ROOM) == ["urgent", "other"]


# -- what a task leaves behind ------------------------------------------------------------------------------


def test_a_held_lock_keeps_others_out_until_the_run_can_go_no_further() -> None:
    plan = Plan([spec("a", claims={"disk"}), spec("b", uses={"disk"}), spec("c")])
    plan.handle(RunOpened(), PoolHasRoom(1))

    assert plan.submits(raised("a"), PoolHasRoom(1)) == ["c"]
    assert plan.how("b") == ("ready", "none")
    plan.handle(returned("c"), PoolHasRoom(1))

    assert plan.how("b") == ("skipped", "not_run")
    assert plan.named("b").reason == "lock 'disk' is still held by a"
    assert [(name, task.spec.key) for name, task in plan.still_held()] == [("disk", "a")]


def test_unlock_lets_the_waiters_go_on() -> None:
    plan = Plan([spec("a", claims={"/a/b"}), spec("b", claims={"/a"}), spec("c", uses={"/a/b/c"}), spec("long")])
    plan.handle(*OPEN)
    plan.handle(timed_out("a"), ROOM)

    assert plan.submits(UnlockAsked("/a"), ROOM) == []  # not the name that is held
    assert plan.submits(UnlockAsked("/a/b/"), ROOM) == ["b"]
    assert plan.submits(returned("b"), ROOM) == ["c"]
    assert plan.named("a").locks.word == "freed"


def test_unlock_frees_one_of_two_locks() -> None:
    plan = Plan([spec("a", claims={"x", "y"}), spec("b", claims={"x"}), spec("c", claims={"y"}), spec("long")])
    plan.handle(*OPEN)
    plan.handle(raised("a"), ROOM)

    assert plan.submits(UnlockAsked("x"), ROOM) == ["b"]
    assert plan.locked() == {"x", "y"}
    assert plan.named("a").locks.word == "held"


def test_unlock_does_not_touch_what_is_in_use() -> None:
    plan = Plan([spec("a", claims={"disk"}), spec("b", claims={"disk"})])
    plan.handle(*OPEN)

    assert plan.submits(UnlockAsked("disk"), UnlockAsked("nothing"), ROOM) == []


def test_who_waits_for_a_lock_held_for_good_holds_nobody_else_up() -> None:
    plan = Plan(
        [
            spec("keeper", uses={"disk"}),
            spec("reader", uses={"disk"}),
            spec("writer", claims={"disk"}),
            spec("late", uses={"disk"}),
        ]
    )
    plan.handle(*OPEN)

    assert plan.submits(raised("keeper"), ROOM) == ["late"]


def test_a_retried_task_keeps_its_lock_between_its_attempts() -> None:
    plan = Plan([spec("a", claims={"disk"}, retries=1, priority=5), spec("b", claims={"disk"})])
    plan.handle(RunOpened(), PoolHasRoom(1))
    plan.handle(returned("b"), PoolHasRoom(1))

    assert plan.submits(timed_out("a"), TasksAdded((spec("c", claims={"disk"}),)), PoolHasRoom(1)) == ["a"]


def test_a_second_attempt_that_is_withdrawn_keeps_the_lock_of_the_first() -> None:
    plan = Plan([spec("a", claims={"disk"}, retries=1, priority=5), spec("b", claims={"disk"}, priority=9)])
    plan.handle(RunOpened(), PoolHasRoom(1))
    plan.handle(raised("a"), PoolHasRoom(1))

    plan.handle(withdrawn("a"), PoolHasRoom(0))

    assert plan.locked() == {"disk"}
    assert plan.submits(TasksAdded((spec("c", claims={"disk"}),)), PoolHasRoom(1)) == ["a"]


def test_a_first_attempt_that_is_withdrawn_gives_the_lock_back() -> None:
    plan = Plan([spec("a", claims={"disk"}, priority=1), spec("long")])
    plan.handle(*OPEN)

    assert plan.submits(withdrawn("a"), TasksAdded((spec("c", claims={"disk"}),)), PoolHasRoom(1)) == ["c"]


def test_a_lost_attempt_keeps_its_lock_for_the_next_one() -> None:
    plan = Plan([spec("a", claims={"disk"}, declared=Declared.TASK), spec("b", claims={"disk"}, priority=-1)])
    plan.handle(*OPEN)
    plan.handle(returned("b"), ROOM)

    assert plan.submits(runner_died("a"), ROOM) == ["a"]


def test_names_are_normal() -> None:
    assert normal_name("/a//b/") == "/a/b"
    assert normal_name("//") == "/"
    assert normal_name("a//b") == "a//b"
    assert normal_name(7) == 7
    assert is_above("/", "/a")
    assert is_above("/a", "/a/b/c")
    assert not is_above("/a", "/a")
    assert not is_above("/a", "/ab")
    assert not is_above("a", "a/b")
