"""The plan of a run: what may run, in what order, under which locks, and what follows from each ending.

`handle` decides; `apply`, which it inherits from the run's standing, evolves. (What will never run is decided in
`core.deciding`.) The plan reads no clock, opens no file and starts no thread. It knows the mood of the session:
whether it still starts tasks.

A turn of the shell is: `handle` the inputs, write the decisions to disk, then carry out the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from enum import Enum, auto
from typing import Any, NamedTuple

from pexen_state.core.commands import Command, Kill, Submit, Yield
from pexen_state.core.deciding import Deciding, left
from pexen_state.core.decisions import Added, Cancelled, Decision, Paused, Saved, Transition, Unlocked
from pexen_state.core.inputs import (
    CancelAsked,
    Ending,
    Finished,
    Input,
    Lost,
    PauseAsked,
    PoolHasRoom,
    RunOpened,
    Started,
    StopAsked,
    TaskChanged,
    TaskGone,
    TasksAdded,
    UnlockAsked,
)
from pexen_state.core.promises import promises_after
from pexen_state.core.sending_back import GONE
from pexen_state.core.spec import TaskSpec
from pexen_state.core.standing import FREED, READY, SUBMITTED, IllegalTransition, counts_as_failed
from pexen_state.core.states import ATTEMPT_STATE, FAILURES, Cause, Locks, State, Verdict
from pexen_state.core.tasks import Task
from pexen_state.core.validate import validate

__all__ = ["IllegalTransition", "Mood", "Plan", "Task", "Turn"]


def _holding(task: Task, *, dirty: bool) -> Locks:
    """Of a task that has its locks for an attempt, or keeps them for the next one."""
    if not task.requests:
        return Locks.FREED
    return Locks.DIRTY if dirty else Locks.HELD


def _is_dirty(task: Task) -> bool:
    """Whether an attempt before left its locks dirty; the one in flight has not come to an end."""
    return task.locks is Locks.DIRTY


#: What an ending makes of a task that is not tried again.
_END_STATE = {**ATTEMPT_STATE, Cause.WORKER_DIED: State.FAILED}

# Made for every task: positional, and without the python function that a NamedTuple has for a constructor.
_new = tuple.__new__
_DISPATCH, _RETURNED, _NO_VERDICT, _HELD = Cause.DISPATCH, Cause.RETURNED, Verdict.NONE, Locks.HELD


class Mood(Enum):
    """What the session is about; no part of the run's state."""

    CLOSED = auto()  #: not opened yet
    RUNNING = auto()
    DRAINING = auto()  #: starts nothing new


class Turn(NamedTuple):
    """What came out of handling inputs: first commit the decisions, then carry out the commands."""

    decisions: Sequence[Decision]
    commands: Sequence[Command]


class Plan(Deciding):
    """All tasks of a run. `max_fail`: the run is given up when so many of its tasks have ended badly.

    `record=True` keeps every task's story, for tests.
    """

    def __init__(self, specs: Iterable[TaskSpec] = (), *, max_fail: int | None = None, record: bool = False) -> None:
        super().__init__(max_fail=max_fail, record=record)
        self.mood = Mood.CLOSED
        self.paused_by: str | None = None  #: who paused this session
        self._room = 0
        self._commands: list[Command] = []
        self._given = 0  # results of this turn
        self._follows: dict[int, int] = {}  # task -> how many of them it follows from
        self._handlers: dict[type, Callable[[Any], None]] = {
            RunOpened: self._on_opened,
            PoolHasRoom: self._on_room,
            Started: self._on_started,
            Finished: self._on_finished,
            Lost: self._on_lost,
            TasksAdded: self._on_added,
            TaskGone: self._on_gone,
            TaskChanged: self._on_changed,
            PauseAsked: self._on_pause,
            StopAsked: self._on_stop,
            CancelAsked: self._on_cancel,
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
    ) -> Plan:
        """The plan as the journal's projection tells it.

        `saved` may leave out tasks that nothing happened to. Those that have ended must come in the order
        in which they ended, because a name is satisfied by the first provider that kept its promise.
        """
        plan = cls(specs, max_fail=max_fail, record=record)
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
        self._dispatch()
        while self._is_at_a_standstill() and self._give_up_what_cannot_run():
            self._dispatch()
        return Turn(self._decisions, self._commands)

    def _woken(self, numbers: Sequence[int]) -> None:
        if self._given:
            for number in numbers:
                self._follows[number] = self._given

    def _on_opened(self, _: RunOpened) -> None:
        if self.mood is Mood.CLOSED:  # not if somebody said stop meanwhile
            self.mood = Mood.RUNNING
            if self._ended:
                self._ready.sweep(self.tasks.states)

    def _on_room(self, room: PoolHasRoom) -> None:
        self._room = room.count

    def _on_started(self, started: Started) -> None:
        task = self._current(started.task, started.attempt)
        if task is not None and task.state is SUBMITTED:
            self._decide(
                Transition(task.number, task.attempt, State.SUBMITTED, State.RUNNING, Cause.STARTED, locks=task.locks)
            )

    def _current(self, number: int, attempt: int) -> Task | None:
        """The task, if this is its attempt in flight. Whatever is said about an older one comes too late."""
        if number not in self.in_flight or self.tasks.attempts[number] != attempt:
            return None
        return self.tasks[number]

    def _on_finished(self, finished: Finished) -> None:
        number, attempt, ending = finished
        tasks = self.tasks
        if number not in self.in_flight or tasks.attempts[number] != attempt:
            return  # too late
        if ending.cause in FAILURES and self._may_be_retried(number, ending.cause):
            dirty = promises_after(tasks.specs[number], ending)[1] is Locks.DIRTY
            self._decide(
                Transition(
                    number,
                    attempt,
                    tasks.states[number],
                    State.READY,
                    ending.cause,
                    locks=_holding(tasks[number], dirty=dirty),
                    reason=ending.reason,
                )
            )
        else:
            self._end(number, ending)

    def _may_be_retried(self, number: int, cause: Cause) -> bool:
        task = self.tasks[number]
        return task.failures < task.spec.retries and cause in task.spec.retry_on and self._may_go_on(task)

    def _end(self, number: int, ending: Ending) -> None:
        """The attempt's ending is the task's ending: the caller is given its result."""
        tasks = self.tasks
        cause, verdict, _, _, reason = ending
        provided, locks = True, FREED
        if cause is not _RETURNED:
            provided, locks = promises_after(tasks.specs[number], ending)
            if not tasks.requests[number]:
                locks = FREED
        attempt, state = tasks.attempts[number], tasks.states[number]
        end = (number, attempt, state, _END_STATE[cause], cause, verdict, provided, locks, reason)
        self._give(_new(Transition, end))

    def _give(self, transition: Transition) -> None:
        self._given += 1
        self.apply(transition)
        self._decisions.append(transition)
        self._commands.append(_new(Yield, transition[:2]))  # (task, attempt)

    def _on_lost(self, lost: Lost) -> None:
        task = self._current(lost.task, lost.attempt)
        if task is None:
            return
        number, attempt, state = task.number, task.attempt, task.state
        was_cancelled = number in self._cancelled
        cause = lost.cause
        if was_cancelled and cause is not Cause.WITHDRAWN:
            cause = Cause.CANCELLED  # whatever came first, a person said stop
        match cause:
            case Cause.WITHDRAWN:
                # Locks that it kept from an attempt before are kept on.
                locks = _holding(task, dirty=_is_dirty(task)) if task.nth > 1 else Locks.FREED
                self._decide(Transition(number, attempt, state, State.READY, cause, locks=locks))
                if was_cancelled:
                    self._cancel(task)
                else:
                    self._skip_if_given_up(task)
            case Cause.CANCELLED:
                dirty = _is_dirty(task) or not lost.surely_dead
                locks = _holding(task, dirty=True) if dirty else Locks.FREED
                reason = self._who_cancelled() + (f"; {lost.reason}" if lost.reason else "")
                self._give(
                    Transition(number, attempt, state, State.CANCELLED, cause, Verdict.ERROR, False, locks, reason)
                )
            case _:
                crash = Ending(Cause.WORKER_DIED, Verdict.CRASH, reason=lost.reason)
                dirty = _is_dirty(task) or not lost.surely_dead
                if cause is Cause.WORKER_DIED:
                    dirty = dirty or promises_after(task.spec, crash)[1] is Locks.DIRTY
                locks = _holding(task, dirty=dirty)
                self._decide(Transition(number, attempt, state, State.LOST, cause, locks=locks, reason=lost.reason))
                budget = task.spec.max_crashes
                too_often = budget is not None and task.crashes > budget
                if cause is Cause.WORKER_DIED and (too_often or not self._may_go_on(task)):
                    self._end(number, crash)
                elif not self._skip_if_given_up(task):
                    self._decide(Transition(number, attempt, State.LOST, State.READY, Cause.RETRY, locks=locks))

    def _on_added(self, added: TasksAdded) -> None:
        if added.specs:
            first = len(self.tasks) + 1
            self._decide(Added(first, added.specs))
            for number in range(first, first + len(added.specs)):
                self._skip_if_given_up(self.tasks[number])

    def _on_gone(self, gone: TaskGone) -> None:
        task = self.tasks[gone.task]
        if not task.state.is_final and not task.state.in_flight:
            self._never_runs(task, Cause.GONE, GONE)

    def _on_changed(self, changed: TaskChanged) -> None:
        self._send_back(self.tasks[changed.task])

    def _on_pause(self, asked: PauseAsked) -> None:
        if self.mood is not Mood.DRAINING:
            self._decide(Paused(asked.by))
            self.paused_by = asked.by
        self.mood = Mood.DRAINING

    def _on_stop(self, _: StopAsked) -> None:
        # No decision: a clean stop leaves the run as it is, and the session's end says why it ended.
        self.mood = Mood.DRAINING
        self._kill(sorted(self.in_flight), Cause.STOPPED)

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

    def _cancel(self, task: Task) -> None:
        """A person ends a task that is not in flight. What ran before has a result, if none to be proud of."""
        why = self._who_cancelled()
        if task.nth and not task.is_fresh:
            self._give(
                Transition(
                    task.number,
                    task.attempt,
                    task.state,
                    State.CANCELLED,
                    Cause.CANCELLED,
                    Verdict.ERROR,
                    locks=left(task),
                    reason=why,
                )
            )
        else:
            self._never_runs(task, Cause.CANCELLED, why)

    def _who_cancelled(self) -> str:
        return f"a person cancelled {'the run' if self.is_cancelled else 'it'}"

    def _kill(self, numbers: Iterable[int], cause: Cause) -> None:
        for number in numbers:
            self._commands.append(Kill(number, self.tasks[number].attempt, cause))

    def _on_unlock(self, asked: UnlockAsked) -> None:
        if self.locks.is_kept(asked.lock):
            self._decide(Unlocked(asked.lock))

    # -- dispatch ----------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Submit what is ready, best first, while the pool has room."""
        if self.mood is not Mood.RUNNING:
            return
        tasks, best, follows = self.tasks, self._ready.pop, self._follows
        states, attempts, requests, withdrawn = tasks.states, tasks.attempts, tasks.requests, tasks.withdrawn
        apply, decided, submit, parents = self.apply, self._decisions.append, self._commands.append, self.parents
        self._take_offers()
        while self._room > 0 and (number := best()):
            if states[number] is not READY:
                continue  # a stale entry
            after = follows.get(number, 0)
            holding = FREED
            needs_locks = requests[number]
            if needs_locks:
                holding = tasks.locks[number]  # kept for this attempt, or
                if holding is FREED:
                    if not self._may_take_locks(number):
                        continue
                    after = self._given  # any of these results may have freed what it takes
                    holding = _HELD
            attempt = attempts[number] + 1
            dispatch = (number, attempt, READY, SUBMITTED, _DISPATCH, _NO_VERDICT, False, holding, None)
            transition = _new(Transition, dispatch)
            apply(transition)
            decided(transition)
            nth = attempt - withdrawn.get(number, 0)
            submit(_new(Submit, (number, attempt, nth, parents(number), after)))
            self._room -= 1
            if needs_locks:
                self._take_offers()

    def _may_take_locks(self, number: int) -> bool:
        """Whether the task can have its locks now. If not, they offer it again."""
        locks, tasks = self.locks, self.tasks
        if locks.may_take(number, tasks.requests[number], tasks.specs[number].priority):
            return True
        self._take_offers()
        return False

    def _take_offers(self) -> None:
        if self.locks.offers:
            for number in self.locks.take_offers():
                self._ready.push(self.tasks.specs[number].priority, number)

    def _is_at_a_standstill(self) -> bool:
        return (
            self.mood is Mood.RUNNING
            and self._room > 0
            and not self.in_flight
            and self.unfinished > 0
            and not self._ready
        )

    def parents(self, number: int) -> tuple[int, ...]:
        """Whose `shared` it gets, in the order in which they ended."""
        spec = self.tasks.specs[number]
        if not spec.requires and not spec.requires_all:
            return ()
        parents = self.deps.parents(number)
        if len(parents) > 1:
            parents = sorted(set(parents), key=self.tasks.ranks.__getitem__)
        return tuple(parents)

    # -- looking -----------------------------------------------------------------------------------------

    def validate(self) -> None:
        """Check every invariant; raises AssertionError that names the task. For tests, after each turn."""
        validate(self)
