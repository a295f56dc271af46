"""`why`: what keeps a task from running, as data and as a sentence."""

from __future__ import annotations

from pexen_state.core.explain import Ended, Holder, InFlight, Locked, Need, Provider, Ready, Waits, sentence, why
from pexen_state.core.inputs import PoolHasRoom, RunOpened
from pexen_state.core.states import State, Verdict
from tests.stories import Plan, raised, returned, runner_died, skipped, spec, started, timed_out

OPEN = (RunOpened(), PoolHasRoom(9))
ROOM = PoolHasRoom(9)


def said(plan: Plan, key: str) -> str:
    return sentence(why(plan, plan.named(key).number))


def test_a_queue_at_a_lock_is_explained_with_who_has_it_and_how_many_come_first() -> None:
    lock = {"/proc/sys/net"}
    plan = Plan(
        [
            spec("net/sysctl/forward", claims=lock),
            spec("net/sysctl/redirect", claims=lock),
            spec("net/sysctl/arp", uses=lock),
            spec("net/nfs/lock", claims=lock),
        ]
    )
    plan.handle(*OPEN)

    assert why(plan, 4) == Locked(
        "net/nfs/lock",
        "/proc/sys/net",
        claim=True,
        holders=(Holder("net/sysctl/forward", "/proc/sys/net", claim=True, has_ended=False),),
        before=2,
    )
    assert said(plan, "net/nfs/lock") == (
        "net/nfs/lock waits for the lock /proc/sys/net, claimed by net/sysctl/forward. 2 tasks are before it."
    )
    assert said(plan, "net/sysctl/arp").endswith(" 1 task is before it.")
    assert said(plan, "net/sysctl/redirect").endswith("claimed by net/sysctl/forward.")


def test_a_lock_above_or_below_is_named() -> None:
    plan = Plan([spec("a", uses={"/dev/sda"}), spec("b", uses={"/dev/sdb"}), spec("all", claims={"/dev"})])
    plan.handle(*OPEN)

    assert said(plan, "all") == "all waits for the lock /dev, used by a as /dev/sda and used by b as /dev/sdb."


def test_a_lock_that_was_left_held_is_explained_with_the_way_out() -> None:
    plan = Plan([spec("a", claims={"/proc"}), spec("b", uses={"/proc/sys"}), spec("long")])
    plan.handle(*OPEN)
    plan.handle(timed_out("a"), ROOM)

    assert said(plan, "b") == (
        "b waits for the lock /proc/sys, claimed by a as /proc. a left it dirty: 'pexen unlock /proc' frees it."
    )


def test_a_queued_writer_is_in_the_way() -> None:
    plan = Plan([spec("a", uses={"x"}), spec("b", claims={"x"}), spec("c", uses={"x"})])
    plan.handle(*OPEN)

    assert said(plan, "c") == "c waits for the lock x, which queued writers are to have first. 1 task is before it."


def test_a_lock_is_explained_though_the_task_was_not_tested_for_it_yet() -> None:
    plan = Plan([spec("a", claims={"x"}), spec("b", claims={"x"})])
    plan.handle(RunOpened(), PoolHasRoom(1))

    assert said(plan, "b") == "b waits for the lock x, claimed by a."


def test_a_required_name_is_explained_by_its_providers() -> None:
    plan = Plan(
        [
            spec("one", provides={"db"}),
            spec("two", provides={"db"}, requires={"cache"}),
            spec("cache", provides={"cache"}),
            spec("any", requires={"db"}),
            spec("every", requires_all={"db"}),
            spec("third", requires={"cache"}),
        ]
    )
    plan.handle(*OPEN)

    assert why(plan, 4) == Waits(
        "any",
        (
            Need(
                "db",
                order_only=False,
                every=False,
                lost=False,
                providers=(
                    Provider("one", State.SUBMITTED, Verdict.NONE),
                    Provider("two", State.WAITING, Verdict.NONE),
                ),
            ),
        ),
    )
    assert said(plan, "any") == "any requires 'db' and waits for any of one (submitted) and two (waiting)."
    assert said(plan, "every") == "every requires 'db' and waits for each of one (submitted) and two (waiting)."
    assert said(plan, "third") == "third requires 'cache' and waits for cache (submitted)."


def test_what_was_lost_is_said_before_it_is_given_up() -> None:
    plan = Plan([spec("a", provides={"x"}), spec("b", requires={"x"}), spec("c", requires={"nothing"}), spec("long")])
    plan.handle(*OPEN)
    plan.handle(raised("a"), ROOM)

    assert said(plan, "b") == "b requires 'x', but nobody can provide it any more: a ended without."
    assert said(plan, "c") == "c requires 'nothing', but no task provides it."


def test_plain_order_is_explained() -> None:
    plan = Plan([*(spec(f"t{n}") for n in range(5)), spec("report", after=["t*"])])
    plan.handle(RunOpened(), PoolHasRoom(1))

    assert said(plan, "report") == (
        "report comes after t*: t0 (submitted), t1 (ready), t2 (ready) and 2 more must end first."
    )


def test_who_is_ready_waits_for_a_worker() -> None:
    plan = Plan([spec("a"), spec("b"), spec("c", retries=1, priority=-1)])
    plan.handle(RunOpened(), PoolHasRoom(1))

    assert why(plan, 2) == Ready("b", before=1, tried=0)
    assert said(plan, "b") == "b is ready and waits for a free worker. 1 task is before it."
    plan.handle(raised("c"), PoolHasRoom(0))
    assert said(plan, "c") == "c has made 1 attempt, will be tried again and is ready and waits for a free worker."


def test_who_is_in_flight_is_said_to_be() -> None:
    plan = Plan([spec("a")])
    plan.handle(*OPEN)

    assert said(plan, "a") == "a was handed to the pool; no worker has begun it yet."
    plan.handle(runner_died("a"), ROOM)
    plan.handle(started("a"))
    assert why(plan, 1) == InFlight("a", State.RUNNING, 2)
    assert said(plan, "a") == "a is running, attempt 2."


def test_what_has_ended_is_said_with_its_reason_and_what_it_left() -> None:
    plan = Plan(
        [
            spec("a", provides={"x"}),
            spec("b", requires={"x"}),
            spec("c", claims={"disk"}),
            spec("d"),
            spec("e"),
        ]
    )
    plan.handle(*OPEN)
    plan.handle(skipped("a"), raised("c"), returned("d"), timed_out("e"), ROOM)

    assert why(plan, 3) == Ended("c", State.FAILED, Verdict.ERROR, None, ("disk",))
    assert [said(plan, key) for key in "abcde"] == [
        "a was skipped, verdict skip.",
        "b was skipped, verdict skip: requires 'x', which was provided by nobody: a (skip).",
        "c failed, verdict error. It still holds the lock disk.",
        "d succeeded, verdict pass.",
        "e timed out, verdict timeout.",
    ]
