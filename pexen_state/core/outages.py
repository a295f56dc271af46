"""When the box goes down: by a crash, or because a task asked for it.

After a crash of the box, nobody knows which of the attempts in flight has done it: all of them are suspects. They run
alone, one after the other, before all else. A crash with one alone in flight counts against that one; whoever comes to
an end of its own is cleared, and when one has crashed the box once too often, so are all others.

A task that asks for a reboot gets it when nothing else is in flight, if the session may do that. One reboot serves all
that ask. Without permission it is left to a person, when nothing else is left to run. Whatever a boot was for, it mends
the locks that a task left dirty, if that task says so.
"""

from __future__ import annotations

from pexen_state.core.attempts import Attempts, holding, is_dirty
from pexen_state.core.commands import Reboot
from pexen_state.core.decisions import Cleared, Rebooting, Suspected, Transition
from pexen_state.core.inputs import BoxDied, Ending, Lost, NewBoot, NotRebooted
from pexen_state.core.left_behind import cleared_by_reboot
from pexen_state.core.states import ATTEMPT_STATE, Cause, State, Verdict
from pexen_state.core.tasks import Task

#: Ends of attempts that say nothing about the task.
_NOT_ITS_OWN = frozenset(
    {
        Cause.WITHDRAWN,
        Cause.RUNNER_DIED,
        Cause.STOPPED,
        Cause.SHUT_DOWN,
        Cause.BOX_DIED,
        Cause.BOX_DIED_ALONE,
    }
)
_ALONE = "the box crashed or lost power while it alone ran"  # who is given up for that says so
_CLEARING = ATTEMPT_STATE.keys() - _NOT_ITS_OWN


class Outages(Attempts):
    """A run whose box may go down."""

    def __init__(self, *, max_fail: int | None = None, record: bool = False) -> None:
        super().__init__(max_fail=max_fail, record=record)
        self.may_reboot = False
        self.box = ""  #: which life of the box it is
        self.is_rebooting = False  #: decided in this session

    # -- crashes

    def _on_box_died(self, died: BoxDied) -> None:
        in_flight = [attempt for attempt in died.attempts if self._current(*attempt) is not None]
        alone = len(self.in_flight) == 1
        for number, attempt in in_flight:
            cause, reason = (Cause.BOX_DIED_ALONE, _ALONE) if alone else (Cause.BOX_DIED, None)
            self._on_lost(Lost(number, attempt, cause, reason=reason))
        again = [number for number, _ in in_flight if self.tasks.states[number] is State.READY]
        if alone and any(self.tasks.states[number] is State.FAILED for number, _ in in_flight):
            self._suspect(())  # that was the culprit
        else:
            self._suspect((*again, *(number for number in self.suspects if number not in again)))

    def _suspect(self, tasks: tuple[int, ...]) -> None:
        if tasks != self.suspects:
            self._decide(Suspected(tasks))

    def _clear_suspects(self) -> None:
        """Who came to an end of its own in this turn is under suspicion no more, nor is who may not run now."""
        cleared = {one.task for one in self._decisions if type(one) is Transition and one.cause in _CLEARING}
        at_large = [number for number in self.suspects if number not in cleared]
        self._suspect(tuple(number for number in at_large if self._may_be_tried(self.tasks[number])))

    def _may_be_tried(self, task: Task) -> bool:
        """It is to run again, with the locks that it had. What was sent back begins anew, without, and so does a task
        that wants locks since it was resumed: it waits for them like anybody.
        """
        has_its_locks = task.locks.kept or not task.requests
        return has_its_locks and not (task.state.is_final or task.is_fresh)

    def _next_suspect(self) -> int:
        """Who may be tried now; 0 while one is. Whoever is tried is alone, on the workers of its group."""
        number = self._suspect_to_try()
        return 0 if self.in_flight or self.tasks.specs[number].group != self.group else number

    def _suspect_to_try(self) -> int:
        there = (number for number in self.suspects if number not in self.absent)
        return next((number for number in there if self.tasks.states[number] is State.READY), 0)

    # -- reboots

    @property
    def awaits_reboot(self) -> bool:
        """Nothing is left to run before a reboot, which is left to a person."""
        return bool(self.awaiting) and not (self.may_reboot or self.in_flight or self._ready)

    def _is_held_for_reboot(self) -> bool:
        """Nothing new is to begin. When the box goes down, it does so for somebody who was cancelled meanwhile, too."""
        return self.is_rebooting or (self.may_reboot and bool(self.awaiting))

    def _reboot_if_due(self) -> None:
        if self.is_rebooting or not self._is_held_for_reboot():
            return
        if all(self.tasks.specs[number].survives_reboot for number in self.in_flight):
            self._decide(Rebooting(self.box))
            self._commands.append(Reboot())
            self.is_rebooting = True

    def _on_new_boot(self, _: NewBoot) -> None:
        if cleared := cleared_by_reboot(self):
            self._decide(Cleared(tuple(cleared)))
        for number in sorted(self.awaiting):
            task = self.tasks[number]
            locks = holding(task, dirty=is_dirty(task))
            self._decide(Transition(number, task.attempt, task.state, State.READY, Cause.REBOOTED, locks=locks))

    def _on_not_rebooted(self, told: NotRebooted) -> None:
        self.is_rebooting = False
        for number in sorted(self.awaiting):
            self._end(number, Ending(Cause.NO_REBOOT, Verdict.ERROR, reason=told.reason))
