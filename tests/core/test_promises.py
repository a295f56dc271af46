"""What survives an ending: one test for each row of the table of promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pexen_state.core.inputs import Ending, PoolHasRoom, RunOpened
from pexen_state.core.promises import promises_after
from pexen_state.core.spec import Declared, TaskSpec
from pexen_state.core.states import Cause, Locks
from tests.stories import (
    VERDICT,
    Plan,
    Said,
    asserted,
    exited,
    failed,
    raised,
    returned,
    signalled,
    skipped,
    spec,
    timed_out,
    was_cancelled,
    worker_died,
)

KEPT, BROKEN = True, False


@pytest.mark.parametrize("declared", Declared)
def test_who_returns_keeps_every_promise_however_it_was_declared(declared: Declared) -> None:
    assert _promises(declared, Cause.RETURNED) == (KEPT, Locks.FREED)


@pytest.mark.parametrize("cause", [Cause.EXITED, Cause.SKIPPED])
def test_an_executable_that_ended_by_itself_breaks_its_provides_and_frees_its_locks(cause: Cause) -> None:
    assert _promises(Declared.EXECUTABLE, cause) == (BROKEN, Locks.FREED)


@pytest.mark.parametrize("cause", [Cause.ASSERTED, Cause.SKIPPED])
def test_a_declared_task_that_asserted_or_skipped_frees_its_locks(cause: Cause) -> None:
    assert _promises(Declared.TASK, cause) == (BROKEN, Locks.FREED)


@pytest.mark.parametrize(
    ("declared", "cause"),
    [
        (Declared.EXECUTABLE, Cause.SIGNALLED),
        (Declared.TASK, Cause.RAISED),
        *((declared, Cause.TIMED_OUT) for declared in Declared),
        *((declared, Cause.IDLE) for declared in Declared),
        *((declared, Cause.WORKER_DIED) for declared in Declared),
    ],
)
def test_what_nobody_controlled_leaves_its_locks_dirty(declared: Declared, cause: Cause) -> None:
    assert _promises(declared, cause) == (BROKEN, Locks.DIRTY)


@pytest.mark.parametrize("cause", [Cause.RAISED, Cause.ASSERTED, Cause.EXITED, Cause.SIGNALLED])
def test_a_plain_callable_that_fails_without_control_holds_its_locks(cause: Cause) -> None:
    assert _promises(Declared.CALLABLE, cause) == (BROKEN, Locks.HELD)


@pytest.mark.parametrize("declared", [Declared.CALLABLE, Declared.TASK])
@pytest.mark.parametrize("deps_ok", [True, False])
@pytest.mark.parametrize("locks_ok", [True, False])
def test_a_controlled_failure_says_itself_what_it_left_in_order(
    declared: Declared, deps_ok: bool, locks_ok: bool
) -> None:
    ending = Ending(Cause.FAILED, VERDICT[Cause.FAILED], deps_ok, locks_ok)

    promises = promises_after(TaskSpec("task", declared=declared), ending)

    assert promises == (deps_ok, Locks.FREED if locks_ok else Locks.HELD)


@pytest.mark.parametrize("cause", [cause for cause in VERDICT if cause is not Cause.RETURNED])
def test_on_fail_overrides_the_table_in_both_directions(cause: Cause) -> None:
    ending = Ending(cause, VERDICT[cause])
    lenient = TaskSpec("task", declared=Declared.TASK, on_fail_locks="free", on_fail_deps="keep")
    strict = TaskSpec("task", declared=Declared.TASK, on_fail_locks="hold", on_fail_deps="break")

    assert promises_after(lenient, ending) == (KEPT, Locks.FREED)
    provided, locks = promises_after(strict, ending)
    assert (provided, locks.kept) == (BROKEN, True)


def test_on_fail_has_no_say_when_nothing_failed() -> None:
    spec = TaskSpec("task", on_fail_locks="hold", on_fail_deps="break")

    assert promises_after(spec, Ending(Cause.RETURNED, VERDICT[Cause.RETURNED])) == (KEPT, Locks.FREED)


@pytest.mark.parametrize(
    ("ending", "more", "child_runs", "still_locked"),
    [
        (returned, {}, True, False),
        (failed, {}, True, False),
        (asserted, {"declared": Declared.TASK}, False, False),
        (raised, {"declared": Declared.TASK}, False, True),
        (raised, {}, False, True),
        (exited, {"declared": Declared.EXECUTABLE}, False, False),
        (signalled, {"declared": Declared.EXECUTABLE}, False, True),
        (timed_out, {}, False, True),
        (skipped, {}, False, False),
        (was_cancelled, {}, False, False),
        (worker_died, {"max_crashes": 0}, False, True),
    ],
)
def test_the_plan_acts_on_the_promises(
    ending: Callable[[str], Said], more: dict[str, Any], child_runs: bool, still_locked: bool
) -> None:
    plan = Plan([spec("first", provides={"name"}, claims={"disk"}, **more), spec("child", requires={"name"})])
    plan.handle(RunOpened(), PoolHasRoom(1))

    submitted = plan.submits(ending("first"), PoolHasRoom(1))

    assert (submitted == ["child"]) == child_runs
    assert ("disk" in plan.locked()) == still_locked


def _promises(declared: Declared, cause: Cause) -> tuple[bool, Locks]:
    verdict = VERDICT.get(cause, VERDICT[Cause.RAISED])
    return promises_after(TaskSpec("task", declared=declared), Ending(cause, verdict))
