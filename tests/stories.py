"""Words in which tests tell what happens to a plan: tasks are called by their keys, and every turn is validated.

plan = Plan([spec("first", claims={"disk"}), spec("second", claims={"disk"})])
plan.handle(RunOpened(), PoolHasRoom(1))
plan.handle(returned("first"), PoolHasRoom(1))
assert plan.story("second") == [...]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pexen_state.core import plan as core
from pexen_state.core.commands import Kill, Submit, Yield
from pexen_state.core.decisions import Decision
from pexen_state.core.inputs import BoxDied, CancelAsked, Ending, Finished, Input, Lost, PoolHasRoom, Started, TaskGone
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, Verdict

Names = Iterable[Any]

#: The verdict that goes with an ending, where the test does not say another.
VERDICT = {
    Cause.RETURNED: Verdict.PASS,
    Cause.FAILED: Verdict.FAIL,
    Cause.ASSERTED: Verdict.FAIL,
    Cause.RAISED: Verdict.ERROR,
    Cause.EXITED: Verdict.FAIL,
    Cause.SIGNALLED: Verdict.ERROR,
    Cause.SKIPPED: Verdict.SKIP,
    Cause.REBOOT_ASKED: Verdict.NONE,
    Cause.TIMED_OUT: Verdict.TIMEOUT,
    Cause.IDLE: Verdict.TIMEOUT,
    Cause.OUT_OF_TIME: Verdict.TIMEOUT,
    Cause.KERNEL: Verdict.FAIL,
}


def spec(
    key: str,
    *,
    requires: Names = (),
    requires_all: Names = (),
    provides: Names = (),
    uses: Names = (),
    claims: Names = (),
    recovers: Names = (),
    after: Iterable[str] = (),
    **more: Any,
) -> TaskSpec:
    """A task; names may be sets or lists."""
    return TaskSpec(
        key,
        requires=tuple(requires),
        requires_all=tuple(requires_all),
        provides=tuple(provides),
        after=tuple(after),
        uses=tuple(uses),
        claims=tuple(claims),
        recovers=tuple(recovers),
        **more,
    )


# -- what happens to a task, called by its key --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """An input about a task's attempt: the latest one, or the one that is named."""

    key: str
    attempt: int | None
    about: Callable[[int, int], Input]


def ended(key: str, cause: Cause, *, attempt: int | None = None, verdict: Verdict | None = None, **how: Any) -> Said:
    ending = Ending(cause, VERDICT[cause] if verdict is None else verdict, **how)
    return Said(key, attempt, lambda task, latest: Finished(task, latest, ending))


def returned(key: str, **how: Any) -> Said:
    return ended(key, Cause.RETURNED, **how)


def failed(key: str, *, deps_ok: bool = True, locks_ok: bool = True, **how: Any) -> Said:
    """It raised TaskFailError."""
    return ended(key, Cause.FAILED, deps_ok=deps_ok, locks_ok=locks_ok, **how)


def asserted(key: str, **how: Any) -> Said:
    return ended(key, Cause.ASSERTED, **how)


def raised(key: str, **how: Any) -> Said:
    return ended(key, Cause.RAISED, **how)


def exited(key: str, **how: Any) -> Said:
    return ended(key, Cause.EXITED, **how)


def signalled(key: str, **how: Any) -> Said:
    return ended(key, Cause.SIGNALLED, **how)


def skipped(key: str, **how: Any) -> Said:
    return ended(key, Cause.SKIPPED, **how)


def timed_out(key: str, **how: Any) -> Said:
    return ended(key, Cause.TIMED_OUT, **how)


def asks_for_reboot(key: str, **how: Any) -> Said:
    return ended(key, Cause.REBOOT_ASKED, **how)


def lost(key: str, cause: Cause, *, attempt: int | None = None, surely_dead: bool = True) -> Said:
    return Said(key, attempt, lambda task, latest: Lost(task, latest, cause, surely_dead))


def worker_died(key: str, **how: Any) -> Said:
    return lost(key, Cause.WORKER_DIED, **how)


def runner_died(key: str, **how: Any) -> Said:
    return lost(key, Cause.RUNNER_DIED, **how)


def stopped(key: str, **how: Any) -> Said:
    return lost(key, Cause.STOPPED, **how)


def withdrawn(key: str, **how: Any) -> Said:
    return lost(key, Cause.WITHDRAWN, **how)


def was_cancelled(key: str, **how: Any) -> Said:
    return lost(key, Cause.CANCELLED, **how)


def started(key: str, *, attempt: int | None = None) -> Said:
    return Said(key, attempt, Started)


def cancel(key: str) -> Said:
    return Said(key, None, lambda task, _: CancelAsked(task))


def gone(key: str) -> Said:
    return Said(key, None, lambda task, _: TaskGone(task))


# -- the plan -----------------------------------------------------------------------------------------------


class Plan(core.Plan):
    """The plan itself, with its stories, validated after every turn; it remembers what it decided."""

    def __init__(
        self,
        specs: Iterable[TaskSpec] = (),
        *,
        max_fail: int | None = None,
        record: bool = True,
        resources: Mapping[str, int] | None = None,
        order: Sequence[int] | None = None,
    ) -> None:
        super().__init__(specs, max_fail=max_fail, record=record, resources=resources, order=order)
        self.decided: list[Decision] = []

    def handle(self, *inputs: Input | Said) -> core.Turn:
        turn = super().handle(*(self._spoken(one) for one in inputs))
        self.decided.extend(turn.decisions)
        self.validate()
        return turn

    def _spoken(self, one: Input | Said) -> Input:
        if not isinstance(one, Said):
            return one
        task = self.named(one.key)
        return one.about(task.number, task.attempt if one.attempt is None else one.attempt)

    def box_died(self) -> BoxDied:
        """All that is in flight, the latest first: nobody knows better."""
        return BoxDied(tuple((number, self.tasks[number].attempt) for number in sorted(self.in_flight, reverse=True)))

    def named(self, key: str) -> core.Task:
        (task,) = (task for task in self.tasks.values() if task.spec.key == key)
        return task

    def submits(self, *inputs: Input | Said) -> list[str]:
        """Handle the inputs; the keys of what is submitted then."""
        return self._keys(Submit, self.handle(*inputs))

    def gives(self, *inputs: Input | Said) -> list[str]:
        """Handle the inputs; the keys of the results that the caller gets then."""
        return self._keys(Yield, self.handle(*inputs))

    def kills(self, *inputs: Input | Said) -> list[str]:
        return self._keys(Kill, self.handle(*inputs))

    def _keys(self, kind: type[Any], turn: core.Turn) -> list[str]:
        return [self.tasks[one.task].spec.key for one in turn.commands if type(one) is kind]

    def how(self, key: str) -> tuple[str, str]:
        """State and verdict of a task, as words."""
        task = self.named(key)
        return task.state.word, task.verdict.word

    def locked(self) -> set[Any]:
        """Names of all locks that are held."""
        return {name for name, _, _ in self.locks.held()}

    def run_out(self, *, room: int = 1, **endings: Callable[[str], Said]) -> list[str]:
        """Go on until the run is over; every task returns, or ends as it is told by its key.

        Gives the keys in the order in which they were submitted, from now on.
        """
        order: list[str] = []
        while True:
            running = [self.tasks[number].spec.key for number in sorted(self.in_flight)]
            reports = [endings.get(key, returned)(key) for key in running]
            order += self.submits(*reports, PoolHasRoom(room))
            if not self.in_flight:
                return order
