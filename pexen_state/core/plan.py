"""The plan of a run: what may run, in what order, under which locks, and what follows from each ending.

`handle` decides; `apply`, which it inherits from the run's standing, evolves. (What will never run is decided in
`core.deciding`.) The plan reads no clock, opens no file and starts no thread. It knows the mood of the session:
whether it still starts tasks.

A turn of the shell is: `handle` the inputs, write the decisions to disk, then carry out the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, NamedTuple

from pexen_state.core import giving_up
from pexen_state.core.commands import Command, Enter, Submit
from pexen_state.core.conditional import skipped_for_its_condition
from pexen_state.core.decisions import (
    Added,
    Cancelled,
    Decision,
    Entered,
    Extended,
    GivenUp,
    Paused,
    Saved,
    Transition,
    Unlocked,
)
from pexen_state.core.inputs import (
    BoxDied,
    CancelAsked,
    ConditionsKnown,
    DeadlineMoved,
    Finished,
    Input,
    Lost,
    NewBoot,
    NotRebooted,
    PassedBefore,
    PauseAsked,
    PoolHasRoom,
    RunOpened,
    RunTimedOut,
    Started,
    StopAsked,
    TaskBrought,
    TaskChanged,
    TaskGone,
    TasksAbsent,
    TasksAdded,
    UnlockAsked,
)
from pexen_state.core.outages import Outages
from pexen_state.core.ready import Order, ReadyInOrder
from pexen_state.core.resources import Needs, Resources
from pexen_state.core.sending_back import GONE, exclude_each_other
from pexen_state.core.spec import TaskSpec
from pexen_state.core.standing import FREED, READY, SUBMITTED, IllegalTransition, counts_as_failed
from pexen_state.core.states import Cause, Locks, Verdict
from pexen_state.core.tasks import Task
from pexen_state.core.validate import validate

__all__ = ["IllegalTransition", "Mood", "Plan", "Task", "Turn"]

# Made for every task: positional, and without the python function that a NamedTuple has for a constructor.
_new = tuple.__new__
_DISPATCH, _NO_VERDICT, _HELD = Cause.DISPATCH, Verdict.NONE, Locks.HELD


class Mood(Enum):
    """What the session is about; no part of the run's state."""

    CLOSED = auto()  #: not opened yet
    RUNNING = auto()
    DRAINING = auto()  #: starts nothing new


class Turn(NamedTuple):
    """What came out of handling inputs: first commit the decisions, then carry out the commands."""

    decisions: Sequence[Decision]
    commands: Sequence[Command]


class Plan(Outages):
    """All tasks of a run. `max_fail`: the run is given up when so many of its tasks have ended badly. `resources`: how
    much the box has of each; a task that needs more of one than there is would never run, so nobody brings one.
    `order`: numbers of all tasks, as those of one priority are to come, if not as they were declared; it is no part of
    the run's state.

    `record=True` keeps every task's story, for tests.
    """

    def __init__(
        self,
        specs: Iterable[TaskSpec] = (),
        *,
        max_fail: int | None = None,
        record: bool = False,
        resources: Mapping[str, int] | None = None,
        order: Sequence[int] | None = None,
    ) -> None:
        super().__init__(max_fail=max_fail, record=record)
        if order is not None:
            self._ready = ReadyInOrder(order)
        self.resources = Resources(resources)
        self._deferred: list[int] = []  # they would take what is kept for the one whose turn is next
        self.mood = Mood.CLOSED
        self.paused_by: str | None = None  #: who paused this session
        self._room = 0
        self._handlers: dict[type, Callable[[Any], None]] = {
            RunOpened: self._on_opened,
            PoolHasRoom: self._on_room,
            Started: self._on_started,
            Finished: self._on_finished,
            Lost: self._on_lost,
            BoxDied: self._on_box_died,
            NewBoot: self._on_new_boot,
            NotRebooted: self._on_not_rebooted,
            TasksAdded: self._on_added,
            ConditionsKnown: self._on_conditions,
            TasksAbsent: self._on_absent,
            TaskBrought: self._on_brought,
            TaskGone: self._on_gone,
            TaskChanged: self._on_changed,
            PassedBefore: self._on_passed_before,
            PauseAsked: self._on_pause,
            StopAsked: self._on_stop,
            CancelAsked: self._on_cancel,
            RunTimedOut: self._on_run_timed_out,
            DeadlineMoved: self._on_deadline_moved,
            UnlockAsked: self._on_unlock,
        }
        self._add(Added(1, tuple(specs)))

    def limit_from_now(self, max_fail: int | None, but_for: Container[int] = ()) -> None:
        """Give the run up after so many more failures. Tasks that are to run again (`but_for`) have not failed."""
        if max_fail is None:
            self.max_fail = None
        else:
            again = sum(counts_as_failed(task) for task in self.tasks.values() if task.number in but_for)
            self.max_fail = self.failed - again + max_fail

    @classmethod
    def restored(
        cls,
        specs: Iterable[TaskSpec],
        saved: Iterable[Saved],
        *,
        max_fail: int | None = None,
        record: bool = False,
        resources: Mapping[str, int] | None = None,
    ) -> Plan:
        """The plan as the journal's projection tells it.

        `saved` may leave out tasks that nothing happened to. Those that have ended must come in the order
        in which they ended, because a name is satisfied by the first provider that kept its promise.
        """
        plan = cls(specs, max_fail=max_fail, record=record, resources=resources)
        for one in saved:
            plan.apply(one)
        return plan

    def handle(self, *inputs: Input) -> Turn:
        """Take what happened, decide what follows from it, and apply it.

        The decisions must be on disk before any of the commands is carried out. If they cannot be written,
        this plan is ahead of the journal and must not be used any more.
        """
        self._decisions, self._commands, self._given = [], [], 0
        self._follows.clear()
        for happened in inputs:
            self._handlers[type(happened)](happened)
            if self._in_vain:
                self._skip_what_does_not_apply()
        if self.given_up is None and self._is_enough():
            self._give_up()
        if self.suspects:
            self._clear_suspects()
        self._dispatch()
        if self.mood is Mood.RUNNING:
            self._reboot_if_due()
        while self._is_at_a_standstill() and self._give_up_what_cannot_run():
            self._dispatch()
        self._change_group_if_due()
        return Turn(self._decisions, self._commands)

    def _on_opened(self, opened: RunOpened) -> None:
        self.box, self.may_reboot = opened
        if self.mood is Mood.CLOSED:  # not if somebody said stop meanwhile
            self.mood = Mood.RUNNING
            if self._ended:
                self._ready.sweep(self.tasks.states)

    def _on_room(self, room: PoolHasRoom) -> None:
        self._room = room.count

    def _on_added(self, added: TasksAdded) -> None:
        if added.specs:
            first = len(self.tasks) + 1
            self._decide(Added(first, *added))
            for number in range(first, first + len(added.specs)):
                if self.is_cancelled:
                    self._cancel(self.tasks[number])
                else:
                    self._skip_if_given_up(self.tasks[number])
            self._decide_conditions(first)

    def _on_absent(self, absent: TasksAbsent) -> None:
        self.absent.update(absent.tasks)

    def _on_brought(self, brought: TaskBrought) -> None:
        self.absent.discard(brought.task)
        if self.tasks.states[brought.task] is READY:
            self._ready.push(self.tasks.specs[brought.task].priority, brought.task)

    def _on_conditions(self, known: ConditionsKnown) -> None:
        self.applies = known.applies
        self._decide_conditions(1 if known.again else self.conditioned + 1, known.again)

    def _on_gone(self, gone: TaskGone) -> None:
        self.absent.discard(gone.task)
        task = self.tasks[gone.task]
        if not task.state.is_final and not task.state.in_flight:
            self._never_runs(task, Cause.GONE, GONE)

    def _on_changed(self, changed: TaskChanged) -> None:
        task = self.tasks[changed.task]
        if not skipped_for_its_condition(task):  # that is decided anew by itself, or not at all
            self._send_back(task)

    def _on_passed_before(self, told: PassedBefore) -> None:
        self._skip_what_passed(told.reasons)

    def _on_pause(self, asked: PauseAsked) -> None:
        if self.mood is not Mood.DRAINING:
            self._decide(Paused(asked.by))
            self.paused_by = asked.by
        self.mood = Mood.DRAINING

    def _on_stop(self, _: StopAsked) -> None:
        # No decision: a clean stop leaves the run as it is, and the session's end says why it ended.
        self.mood = Mood.DRAINING
        self._kill(sorted(self.in_flight), Cause.SHUT_DOWN if self.is_rebooting else Cause.STOPPED)

    def _on_cancel(self, asked: CancelAsked) -> None:
        if asked.task is None:
            self.mood = Mood.DRAINING
            targets = list(self.tasks.values())
        else:
            targets = [self.tasks[asked.task]]
        if all(task.state.is_final for task in targets):
            return
        in_flight = tuple(task.number for task in targets if task.state.in_flight)
        self._decide(Cancelled(in_flight, asked.task is None))
        self._kill(in_flight, Cause.CANCELLED)
        for task in targets:
            if not task.state.is_final and not task.state.in_flight:
                self._cancel(task)

    def _on_run_timed_out(self, over: RunTimedOut) -> None:
        if self.is_cancelled or self.is_given_up_at_once or not self.unfinished:
            return
        not_begun = list(giving_up.not_begun(self, at_once=True))
        self._decide(GivenUp(over.reason, at_once=True))
        self._kill((task for task in sorted(self.in_flight) if not self.tasks.specs[task].always), Cause.TIMED_OUT)
        self._skip_all(not_begun)

    def _on_deadline_moved(self, moved: DeadlineMoved) -> None:
        if self._current(moved.task, moved.attempt) is not None:
            self._decide(Extended(*moved))

    def _on_unlock(self, asked: UnlockAsked) -> None:
        if self.locks.is_kept(asked.lock):
            self._decide(Unlocked(asked.lock))

    # -- dispatch ----------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Submit what is ready, best first, while the pool has room."""
        if self.mood is not Mood.RUNNING or self._is_held_for_reboot():
            return
        tasks, follows = self.tasks, self._follows
        specs, resources, locks = tasks.specs, self.resources, self.locks
        self._end_turn()
        best = self._next_suspect if self.suspects else self._ready.pop
        states, attempts, requests, withdrawn = tasks.states, tasks.attempts, tasks.requests, tasks.withdrawn
        apply, decided, submit, parents = self.apply, self._decisions.append, self._commands.append, self.parents
        absent = self.absent
        self._take_offers()
        while self._room > 0 and (number := best()):
            if states[number] is not READY:
                continue  # a stale entry
            if absent and number in absent:
                continue  # until it is brought
            after = follows.get(number, 0)
            if resources.next_turn and self._is_kept_for_another(number):
                continue
            holding = FREED
            needs_locks = requests[number]
            if needs_locks:
                holding = tasks.locks[number]  # kept for this attempt, or
                if holding is FREED:
                    if not locks.may_take(number, needs_locks, specs[number].priority):
                        self._take_offers()
                        if resources.next_turn == number:
                            self._end_turn(at_once=True)
                        continue
                    after = self._given  # any of these results may have freed what it takes
                    holding = _HELD
            if needs := specs[number].needs:
                if not self._may_take_resources(number, needs):
                    continue
                after = self._given
            attempt = attempts[number] + 1
            dispatch = (number, attempt, READY, SUBMITTED, _DISPATCH, _NO_VERDICT, False, holding, None)
            transition = _new(Transition, dispatch)
            apply(transition)
            decided(transition)
            nth = attempt - withdrawn.get(number, 0)
            submit(_new(Submit, (number, attempt, nth, parents(number), after)))
            self._room -= 1
            if needs:
                resources.passed((specs[number].priority, number), needs)
                self._end_turn()
            if locks.offers or resources.stirred:
                self._take_offers()

    def _change_group_if_due(self) -> None:
        """Nothing is in flight, and nothing of this group can begin: enter that of the best that could elsewhere."""
        if self.in_flight or self.mood is not Mood.RUNNING or self._room <= 0 or self._is_held_for_reboot():
            return
        number = self._suspect_to_try() if self.suspects else self._ready.elsewhere()
        group = self.tasks.specs[number].group
        if number and group != self.group:
            self._decide(Entered(group))
            self._commands.append(Enter(group))
            self._room = 0  # other workers are asked

    def _may_take_resources(self, number: int, needs: Needs) -> bool:
        """Whether there is enough of what the task needs. If not, it is offered again. A suspect runs alone."""
        if self.suspects or self.resources.fits(needs):
            return True
        self.resources.wait((self.tasks.specs[number].priority, number), needs)
        return False

    def _is_kept_for_another(self, number: int) -> bool:
        """Whether the task would take what another one, which was overtaken too often, needs. Then it is deferred. Not
        if it has kept locks from an attempt before: the other one may wait for these.
        """
        turn = self.resources.next_turn
        if number == turn or self.suspects or self.tasks.locks[number] is not FREED:
            return False
        mine, theirs = self.tasks.specs[number].needs, dict(self.tasks.specs[turn].needs)
        requests = self.tasks.requests
        if any(name in theirs for name, _ in mine) or exclude_each_other(requests[number], requests[turn]):
            self._deferred.append(number)
            return True
        return False

    def _end_turn(self, at_once: bool = False) -> None:
        """Who was deferred is ready again, when the one whose turn it was runs, or cannot."""
        turn = self.resources.next_turn
        if turn and (at_once or self.tasks.states[turn] is not READY):
            self.resources.forget_turn()
        if self._deferred and not self.resources.next_turn:
            for number in self._deferred:
                self._ready.push(self.tasks.specs[number].priority, number)
            self._deferred.clear()

    def _take_offers(self) -> None:
        if self.locks.offers:
            for number in self.locks.take_offers():
                self._ready.push(self.tasks.specs[number].priority, number)
        if self.resources.stirred:
            for number in self.resources.offers():
                self._ready.push(self.tasks.specs[number].priority, number)

    def _is_at_a_standstill(self) -> bool:
        return self._can_go_no_further() and not self.waits_for_absent

    @property
    def waits_for_absent(self) -> bool:
        """Nothing can begin but, perhaps, for tasks that are not there in this session."""
        return any(not self.tasks.states[number].is_final for number in self.absent) and self._can_go_no_further()

    def _can_go_no_further(self) -> bool:
        return (
            self.mood is Mood.RUNNING
            and self._room > 0
            and not self.in_flight
            and self.unfinished > 0
            and (not self._ready or not self.absent.isdisjoint(self.suspects))
            and not (self.awaiting or self.is_rebooting)
        )

    def order_of(self, number: int) -> Order:
        """By which it comes among those that are ready: the least first."""
        return self.tasks.specs[number].priority, self._ready.place(number)

    def parents(self, number: int) -> tuple[int, ...]:
        """Whose `shared` it gets, in the order in which they ended."""
        spec = self.tasks.specs[number]
        if not spec.requires and not spec.requires_all:
            return ()
        parents = self.deps.parents(number)
        if rank := self.tasks.ranks[number]:  # who joined since then was not waited for
            parents = [parent for parent in parents if 0 < self.tasks.ranks[parent] < rank]
        if len(parents) > 1:
            parents = sorted(set(parents), key=self.tasks.ranks.__getitem__)
        return tuple(parents)

    # -- looking -----------------------------------------------------------------------------------------

    def validate(self) -> None:
        """Check every invariant; raises AssertionError that names the task. For tests, after each turn."""
        validate(self)
