"""Decisions about what will never run, and what runs after all: the part of the plan that looks at the run as a whole.

What happens to one attempt is the business of `core.plan`, which is built on this; when the run can go no further is
known there, too. Sentences come from `core.standstill` and `core.giving_up`, which only look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pexen_state.core import giving_up
from pexen_state.core.catalogue import Applies
from pexen_state.core.conditional import has_not_begun, skipped_for_its_condition
from pexen_state.core.decisions import ConditionsDecided, Decision, GivenUp, Transition
from pexen_state.core.sending_back import kept_from_running, may_be_sent_back
from pexen_state.core.standing import READY, WAITING, Standing
from pexen_state.core.standstill import stuck_at_locks, stuck_in_circles, stuck_though_recoverable, why_in_vain
from pexen_state.core.states import APPLIES_NOT, Cause, Locks, State, Verdict
from pexen_state.core.tasks import Task


def left(task: Task) -> Locks:
    """What becomes of its locks when it is not tried again: dirty they stay as its last attempt left them."""
    return Locks.DIRTY if task.locks is Locks.DIRTY else Locks.FREED


class Deciding(Standing):
    """A standing that decides. `max_fail`: the run is given up when so many of its tasks have ended badly."""

    def __init__(self, *, max_fail: int | None = None, record: bool = False) -> None:
        super().__init__(record=record)
        self.max_fail = max_fail
        self.absent: set[int] = set()  #: not there in this session so far: may not begin; no part of the run's state
        self.applies: Applies | None = None  #: decides in this session which tasks apply here
        self._lost: list[int] = []  # wait in vain, unless somebody adds a provider
        self._decisions: list[Decision] = []

    def _decide(self, decision: Decision) -> None:
        self.apply(decision)
        self._decisions.append(decision)

    def _never_runs(self, task: Task, cause: Cause, reason: str | None) -> None:
        state = State.CANCELLED if cause is Cause.CANCELLED else State.SKIPPED
        passed = cause is Cause.PASSED_BEFORE
        verdict = Verdict.SKIP if passed or cause in APPLIES_NOT else Verdict.NOT_RUN
        locks = left(task)
        self._decide(Transition(task.number, task.attempt, task.state, state, cause, verdict, passed, locks, reason))

    def _skip_what_passed(self, reasons: Mapping[int, str]) -> None:
        """What passed in another run, by number. Who has begun, or was decided of before, is left as it is."""
        for number, reason in reasons.items():
            task = self.tasks[number]
            if has_not_begun(task) and (task.state is WAITING or task.state is READY):
                self._never_runs(task, Cause.PASSED_BEFORE, reason)

    # -- conditions ----------------------------------------------------------------------------------------

    def _decide_conditions(self, first: int, again: bool = False) -> None:
        """Skip those tasks, from the first that is to be looked at, whose `when` is false; `again`: it may have been
        decided before, and those that were skipped for it may run after all.

        What was decided once is not decided anew when a run goes on: what came after rests on it.
        """
        specs, applies = self.tasks.specs, self.applies
        # There may be a million, and few have a condition.
        numbers = [number for number, spec in enumerate(specs[first:], first) if spec.when is not None]
        if not numbers or applies is None:
            return
        if again:
            for number in numbers:
                task = self.tasks[number]
                if skipped_for_its_condition(task) and applies(task.spec)[0]:
                    self._send_back(task)
        for number in numbers:
            task = self.tasks[number]
            if has_not_begun(task) and (task.state is WAITING or task.state is READY):
                does, reason = applies(task.spec)
                if not does:
                    self._never_runs(task, Cause.CONDITION, reason)
        self._decide(ConditionsDecided(len(self.tasks)))

    # -- lost names, locks held for good, circles ---------------------------------------------------------

    def _skip_what_does_not_apply(self) -> None:
        for number in self._in_vain:  # grows while it is walked: a skipped task skips those behind it
            task = self.tasks[number]
            if task.state is WAITING:
                if self.deps.was_skipped_away(number):
                    self._never_runs(task, Cause.DOES_NOT_APPLY, why_in_vain(self, number))
                else:
                    self._lost.append(number)
        self._in_vain.clear()

    def _give_up_what_cannot_run(self) -> bool:
        """The run can go no further: decide what will never run. Return whether that changed anything.

        Tasks whose requirements were lost come first: ending them may wake cleanups. Only then those that
        a lock held for good keeps out, if nobody is left who could recover it; then those that wait for each other; and
        last those that keep the one who could recover a lock from running.
        """
        before = len(self._decisions)
        for number in self._lost:  # grows while it is walked
            task = self.tasks[number]
            if task.state is WAITING and number in self.deps.lost:
                cause = Cause.DOES_NOT_APPLY if self.deps.was_skipped_away(number) else Cause.UNMET
                self._never_runs(task, cause, why_in_vain(self, number))
                self._skip_what_does_not_apply()
        self._lost.clear()
        if len(self._decisions) == before:
            for never in [*stuck_at_locks(self)] or [*stuck_in_circles(self)] or [*stuck_though_recoverable(self)]:
                task = self.tasks[never.task]
                if task.state is WAITING or task.state is READY:
                    self._never_runs(task, never.cause, never.reason)
                    self._skip_what_does_not_apply()
        return len(self._decisions) > before

    # -- what runs after all -------------------------------------------------------------------------------

    def _send_back(self, task: Task) -> None:
        """It changed since it ended: it runs again. So do those that waited for it in vain, and who began on it."""
        if self.is_cancelled or self.given_up is not None or not may_be_sent_back(task.state, task.reason):
            return
        again = [(task, Cause.CHANGED)]
        for one, cause in again:  # grows while it is walked
            if one.state.is_final:
                others = list(kept_from_running(self, one))
                self._decide(Transition(one.number, one.attempt, one.state, State.WAITING, cause))
                again += [(other, Cause.REOPENED) for other in others]
                for number in self._built_on:
                    begun = self.tasks[number]
                    self._decide(Transition(number, begun.attempt, READY, WAITING, Cause.REOPENED))

    # -- too many have failed --------------------------------------------------------------------------------

    def _may_go_on(self, task: Task) -> bool:
        """Whether it may be tried again: not if a person ended it, nor if too many have failed."""
        return task.number not in self._cancelled and (task.spec.always or not self._is_enough())

    def _is_enough(self) -> bool:
        """Whether so many tasks have failed that nothing is tried again."""
        return self.given_up is not None or (self.max_fail is not None and self.failed >= self.max_fail)

    def _give_up(self) -> None:
        not_begun = list(giving_up.not_begun(self))
        if not_begun:  # else it has come to its end, and there is nothing to give up
            self._decide(GivenUp(giving_up.reason(self)))
            self._skip_all(not_begun)

    def _skip_all(self, not_begun: Iterable[Task]) -> None:
        for task in not_begun:
            if not task.state.in_flight:  # else it is withdrawn, and skipped when it comes back
                self._skip_if_given_up(task)
        self._skip_what_does_not_apply()

    def _skip_if_given_up(self, task: Task) -> bool:
        if self.given_up is None or giving_up.may_still_run(task, self.is_given_up_at_once):
            return False
        self._never_runs(task, Cause.GIVEN_UP, self.given_up)
        return True
