"""A person ends a run, or some of its tasks: what runs is killed, what did not run never will."""

from __future__ import annotations

import pytest

from pexen_state.core.commands import Kill
from pexen_state.core.inputs import CancelAsked, Lost, PoolHasRoom, RunOpened
from pexen_state.core.states import Cause, Locks
from tests.stories import (
    Plan,
    asserted,
    cancel,
    gone,
    raised,
    returned,
    runner_died,
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


def test_a_cancelled_run_is_over_when_what_runs_is_dead() -> None:
    plan = Plan(
        [
            spec("a", provides={"x"}, claims={"disk"}),
            spec("b", requires={"x"}),
            spec("c", claims={"disk"}),
            spec("stop", requires={"x"}, always=True),
        ]
    )
    plan.handle(*OPEN)

    assert plan.handle(CancelAsked(), ROOM).commands == [Kill(1, 1, Cause.CANCELLED)]
    assert {plan.how(key) for key in ("b", "c", "stop")} == {("cancelled", "not_run")}
    assert not plan.is_over
    assert plan.gives(was_cancelled("a"), ROOM) == ["a"]
    assert plan.how("a") == ("cancelled", "error")
    assert plan.is_over
    assert plan.locked() == set()


def test_a_cancelled_task_does_not_disturb_the_others() -> None:
    plan = Plan([spec("a", claims={"disk"}), spec("b", claims={"disk"})])
    plan.handle(*OPEN)

    assert plan.kills(cancel("a"), ROOM) == ["a"]
    assert plan.submits(was_cancelled("a"), ROOM) == ["b"]


def test_a_cancelled_task_that_cannot_be_killed_leaves_its_locks_dirty() -> None:
    plan = Plan([spec("a", claims={"disk"})])
    plan.handle(*OPEN)
    plan.handle(cancel("a"))

    plan.handle(was_cancelled("a", surely_dead=False))

    assert plan.named("a").locks is Locks.DIRTY


@pytest.mark.parametrize("end", [worker_died, stopped, runner_died])
def test_a_cancelled_task_is_cancelled_however_it_went_away(end: object) -> None:
    plan = Plan([spec("a", retries=9, max_crashes=None, claims={"disk"})])
    plan.handle(*OPEN)
    plan.handle(cancel("a"))

    assert plan.gives(end("a", surely_dead=False), ROOM) == ["a"]  # type: ignore[operator]
    assert plan.how("a") == ("cancelled", "error")
    assert plan.named("a").locks is Locks.DIRTY


def test_a_cancelled_task_that_ends_by_itself_first_keeps_its_verdict_and_is_not_retried() -> None:
    plan = Plan([spec("a", retries=9), spec("b")])
    plan.handle(*OPEN)
    plan.handle(cancel("a"), cancel("b"))

    assert plan.gives(asserted("a"), returned("b"), ROOM) == ["a", "b"]
    assert (plan.how("a"), plan.how("b")) == (("failed", "fail"), ("succeeded", "pass"))


def test_a_cancelled_task_that_never_began_has_no_result() -> None:
    plan = Plan([spec("a")])
    plan.handle(*OPEN)
    plan.handle(cancel("a"))

    assert plan.gives(withdrawn("a"), ROOM) == []
    assert plan.how("a") == ("cancelled", "not_run")


def test_a_task_that_is_cancelled_between_two_attempts_has_run_and_has_a_result() -> None:
    plan = Plan([spec("a", retries=1, claims={"disk"})])
    plan.handle(*OPEN)
    plan.handle(raised("a"), PoolHasRoom(0))

    assert plan.gives(cancel("a")) == ["a"]
    assert plan.how("a") == ("cancelled", "error")
    assert plan.locked() == set()


@pytest.mark.parametrize("end", [timed_out, worker_died])
@pytest.mark.parametrize("how", ["between", "never_began", "killed", "gone"])
def test_what_an_attempt_left_dirty_stays_so_when_its_retry_is_ended(end: object, how: str) -> None:
    plan = Plan([spec("a", retries=1, claims={"disk"}), spec("b", claims={"disk"})])
    plan.handle(*OPEN)
    plan.handle(end("a"), PoolHasRoom(int(how in ("never_began", "killed"))))  # type: ignore[operator]

    if how == "gone":
        plan.handle(gone("a"))
    else:
        plan.handle(cancel("a"))
    if how == "never_began":
        plan.handle(withdrawn("a"))
    elif how == "killed":
        plan.handle(started("a"), was_cancelled("a"))
    plan.handle(ROOM)

    assert plan.named("a").locks is Locks.DIRTY
    assert plan.how("a") == (("skipped", "not_run") if how == "gone" else ("cancelled", "error"))
    assert plan.how("b") == ("skipped", "not_run")


def test_every_task_that_a_person_ended_says_so() -> None:
    plan = Plan([spec("runs"), spec("waits", after=["runs"]), spec("tried", retries=1), spec("stuck"), spec("other")])
    plan.handle(RunOpened(), PoolHasRoom(4))
    plan.handle(raised("tried"))

    plan.handle(cancel("runs"), cancel("waits"), cancel("tried"), cancel("stuck"))
    plan.handle(was_cancelled("runs"), Lost(4, 1, Cause.CANCELLED, False, "pid 7 is still there"))
    plan.handle(CancelAsked())
    plan.handle(was_cancelled("other"))

    assert {key: plan.named(key).reason for key in ("runs", "waits", "tried", "stuck", "other")} == {
        "runs": "a person cancelled it",
        "waits": "a person cancelled it",
        "tried": "a person cancelled it",
        "stuck": "a person cancelled it; pid 7 is still there",
        "other": "a person cancelled the run",
    }
