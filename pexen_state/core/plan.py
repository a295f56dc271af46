"""The plan of a run: what may run, in what order, under which locks, and what follows from each ending.

`handle` decides, `apply` evolves. The state of a run changes in `Plan.apply` alone; live running and resuming
both go through it, so whoever stores the decisions can build the same plan again. The plan reads no clock,
opens no file and starts no thread.

Beside the state, the plan keeps indexes over it, which are rebuilt rather than stored: the heap of what is
ready, the queues of the locks, what was lost. And it knows the mood of the session: whether it still starts
tasks. A turn of the shell is: `handle` the inputs, write the decisions to disk, then carry out the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum, auto
from heapq import heappop, heappush
from typing import Any, NamedTuple

from pexen_state.core.commands import Command, Kill, Submit, Yield
from pexen_state.core.decisions import Added, Decision, Paused, Restored, Transition, Unlocked
from pexen_state.core.deps import Deps
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
    TaskGone,
    TasksAdded,
    UnlockAsked,
)
from pexen_state.core.locks import LockTable, Requests
from pexen_state.core.promises import promises_after
from pexen_state.core.spec import TaskSpec
from pexen_state.core.standstill import stuck_at_locks, stuck_in_circles, why_in_vain
from pexen_state.core.states import ATTEMPT_STATE, DECIDABLE, FAILURES, Cause, Locks, State, Verdict

# Every task passes these several times, and a global is found faster than a member of an enum.
WAITING, READY, SUBMITTED, RUNNING, LOST = State.WAITING, State.READY, State.SUBMITTED, State.RUNNING, State.LOST
FREED = Locks.FREED


class IllegalTransition(Exception):
    """A decision that the table of legal transitions, or the task's state, does not allow. Nothing changed."""


class Task:
    """Where one task stands."""

    __slots__ = (
        "attempt",
        "crashes",
        "failures",
        "locks",
        "number",
        "provided",
        "rank",
        "reason",
        "requests",
        "spec",
        "state",
        "verdict",
        "withdrawn",
    )

    def __init__(self, number: int, spec: TaskSpec, requests: Requests) -> None:
        self.number = number
        self.spec = spec
        self.requests = requests
        self.state = State.WAITING
        self.attempt = 0  #: number of its latest attempt
        self.withdrawn = 0  #: attempts that never began; nobody counts them
        self.failures = 0  #: failures that were tried again
        self.crashes = 0  #: workers that it took with it
        self.verdict = Verdict.NONE
        self.provided = False
        self.locks = Locks.FREED
        self.reason: str | None = None
        self.rank = 0  #: when it ended, among those that ended

    @property
    def nth(self) -> int:
        """Which attempt it is, for the task and for people."""
        return self.attempt - self.withdrawn

    def facts(self) -> tuple[object, ...]:
        return (
            self.spec,
            self.state,
            self.attempt,
            self.withdrawn,
            self.failures,
            self.crashes,
            self.verdict,
            self.provided,
            self.locks,
            self.reason,
            self.rank,
        )


def _holding(task: Task) -> Locks:
    return Locks.HELD if task.requests else Locks.FREED


class Mood(Enum):
    """What the session is about; no part of the run's state."""

    CLOSED = auto()  #: not opened yet
    RUNNING = auto()
    DRAINING = auto()  #: starts nothing new


class Turn(NamedTuple):
    """What came out of handling inputs: first commit the decisions, then carry out the commands."""

    decisions: Sequence[Decision]
    commands: Sequence[Command]


class Plan:
    """All tasks of a run. `record=True` keeps every task's story, for tests."""

    def __init__(self, specs: Iterable[TaskSpec] = (), *, record: bool = False) -> None:
        self.tasks: dict[int, Task] = {}
        self.in_flight: set[int] = set()
        self.unfinished = 0
        self.mood = Mood.CLOSED
        self.paused_by: str | None = None  #: who paused this session
        self.deps = Deps()
        self.locks = LockTable()
        self._story: dict[int, list[str]] | None = {} if record else None
        self._ended = 0
        self._ready: list[tuple[float, int]] = []
        self._in_vain: list[int] = []  # tasks that wait for what was lost just now
        self._lost: list[int] = []  # the same, looked at: may run if somebody adds a provider, else never
        self._cancelled: set[int] = set()  # tasks in flight that are being killed for good
        self._room = 0
        self._decisions: list[Decision] = []
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
            PauseAsked: self._on_pause,
            StopAsked: self._on_stop,
            CancelAsked: self._on_cancel,
            UnlockAsked: self._on_unlock,
        }
        self._add(Added(1, tuple(specs)))

    @property
    def is_over(self) -> bool:
        """Every task has ended."""
        return not self.unfinished

    # == handle: decide ==================================================================================

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
        self._dispatch()
        while self._is_at_a_standstill() and self._give_up_what_cannot_run():
            self._dispatch()
        return Turn(self._decisions, self._commands)

    def _decide(self, decision: Decision) -> None:
        self.apply(decision)
        self._decisions.append(decision)

    def _on_opened(self, _: RunOpened) -> None:
        if self.mood is Mood.CLOSED:  # not if somebody said stop meanwhile
            self.mood = Mood.RUNNING

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
        task = self.tasks.get(number)
        if task is None or task.attempt != attempt or number not in self.in_flight:
            return None
        return task

    def _on_finished(self, finished: Finished) -> None:
        task = self._current(finished.task, finished.attempt)
        if task is None:
            return
        ending = finished.ending
        cause = ending.cause
        spec = task.spec
        if (
            task.failures < spec.retries
            and cause in FAILURES
            and cause in spec.retry_on
            and task.number not in self._cancelled
        ):
            self._decide(
                Transition(
                    task.number,
                    task.attempt,
                    task.state,
                    State.READY,
                    cause,
                    locks=_holding(task),
                    reason=ending.reason,
                )
            )
        else:
            self._end(task, ending)

    def _end(self, task: Task, ending: Ending) -> None:
        """The attempt's ending is the task's ending: the caller is given its result."""
        provided, locks = promises_after(task.spec, ending)
        self._give(
            Transition(
                task.number,
                task.attempt,
                task.state,
                State.FAILED if ending.cause is Cause.WORKER_DIED else ATTEMPT_STATE[ending.cause],
                ending.cause,
                ending.verdict,
                provided,
                locks if task.requests else Locks.FREED,
                ending.reason,
            )
        )

    def _give(self, transition: Transition) -> None:
        self._given += 1
        self._decide(transition)
        self._commands.append(Yield(transition.task, transition.attempt))

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
                locks = _holding(task) if task.nth > 1 else Locks.FREED
                self._decide(Transition(number, attempt, state, State.READY, cause, locks=locks))
                if was_cancelled:
                    self._cancel(task)
            case Cause.CANCELLED:
                locks = Locks.FREED if lost.surely_dead or not task.requests else Locks.DIRTY
                self._give(
                    Transition(number, attempt, state, State.CANCELLED, cause, Verdict.ERROR, False, locks, lost.reason)
                )
            case _:
                self._decide(
                    Transition(number, attempt, state, State.LOST, cause, locks=_holding(task), reason=lost.reason)
                )
                budget = task.spec.max_crashes
                if cause is Cause.WORKER_DIED and budget is not None and task.crashes > budget:
                    self._end(task, Ending(Cause.WORKER_DIED, Verdict.CRASH, reason=lost.reason))
                else:
                    self._decide(
                        Transition(number, attempt, State.LOST, State.READY, Cause.RETRY, locks=_holding(task))
                    )

    def _on_added(self, added: TasksAdded) -> None:
        if added.specs:
            self._decide(Added(len(self.tasks) + 1, added.specs))

    def _on_gone(self, gone: TaskGone) -> None:
        task = self.tasks[gone.task]
        if not task.state.is_final and not task.state.in_flight:
            self._never_runs(task, Cause.GONE, "it is no longer among the tasks")

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
            targets: Iterable[Task] = self.tasks.values()
            running = sorted(self.in_flight)
        else:
            targets = (self.tasks[asked.task],)
            running = [asked.task] if asked.task in self.in_flight else []
        self._cancelled.update(running)
        self._kill(running, Cause.CANCELLED)
        for task in targets:
            if not task.state.is_final and not task.state.in_flight:
                self._cancel(task)

    def _cancel(self, task: Task) -> None:
        """A person ends a task that is not in flight. What ran before has a result, if none to be proud of."""
        if task.nth:
            self._give(
                Transition(task.number, task.attempt, task.state, State.CANCELLED, Cause.CANCELLED, Verdict.ERROR)
            )
        else:
            self._never_runs(task, Cause.CANCELLED, None)

    def _kill(self, numbers: Iterable[int], cause: Cause) -> None:
        for number in numbers:
            self._commands.append(Kill(number, self.tasks[number].attempt, cause))

    def _on_unlock(self, asked: UnlockAsked) -> None:
        self._decide(Unlocked(asked.lock))

    # -- dispatch ----------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Submit what is ready, best first, while the pool has room."""
        if self.mood is not Mood.RUNNING:
            return
        ready, tasks, locks = self._ready, self.tasks, self.locks
        self._take_offers()
        while self._room > 0 and ready:
            number = heappop(ready)[1]
            task = tasks[number]
            if task.state is not READY:
                continue  # a stale entry
            requests = task.requests
            follows = self._follows.get(number, 0)
            if requests and task.locks is FREED:
                if locks.is_waiting(number):
                    continue  # the lock will offer it again
                if not locks.may_take(number, requests, task.spec.priority):
                    self._take_offers()
                    continue
                follows = self._given  # any of these results may have freed what it takes
            attempt = task.attempt + 1
            self._decide(Transition(number, attempt, READY, SUBMITTED, Cause.DISPATCH, locks=_holding(task)))
            self._commands.append(Submit(number, attempt, task.nth, self.parents(number), follows))
            self._room -= 1
            if requests:
                self._take_offers()

    def _take_offers(self) -> None:
        for number in self.locks.take_offers():
            heappush(self._ready, (self.tasks[number].spec.priority, number))

    def parents(self, number: int) -> tuple[int, ...]:
        parents = self.deps.parents(number)
        if len(parents) > 1:
            parents = sorted(set(parents), key=lambda parent: self.tasks[parent].rank)
        return tuple(parents)

    # -- what will never run -----------------------------------------------------------------------------

    def _skip_what_does_not_apply(self) -> None:
        for number in self._in_vain:  # grows while it is walked: a skipped task skips those behind it
            task = self.tasks[number]
            if task.state is WAITING:
                if self.deps.was_skipped_away(number):
                    self._never_runs(task, Cause.DOES_NOT_APPLY, why_in_vain(self, number))
                else:
                    self._lost.append(number)
        self._in_vain.clear()

    def _is_at_a_standstill(self) -> bool:
        return (
            self.mood is Mood.RUNNING
            and self._room > 0
            and not self.in_flight
            and self.unfinished > 0
            and not self._ready
        )

    def _give_up_what_cannot_run(self) -> bool:
        """The run can go no further: decide what will never run. Return whether that changed anything.

        Tasks whose requirements were lost come first: ending them may wake cleanups. Only then those that
        a lock held for good keeps out.
        """
        before = len(self._decisions)
        for number in self._lost:  # grows while it is walked
            task = self.tasks[number]
            if task.state is WAITING and self.deps[number].lost:
                cause = Cause.DOES_NOT_APPLY if self.deps.was_skipped_away(number) else Cause.UNMET
                self._never_runs(task, cause, why_in_vain(self, number))
                self._skip_what_does_not_apply()
        self._lost.clear()
        if len(self._decisions) == before:
            for never in [*stuck_at_locks(self)] or [*stuck_in_circles(self)]:
                task = self.tasks[never.task]
                if task.state is WAITING or task.state is READY:
                    self._never_runs(task, never.cause, never.reason)
                    self._skip_what_does_not_apply()
        return len(self._decisions) > before

    def _never_runs(self, task: Task, cause: Cause, reason: str | None) -> None:
        state = State.CANCELLED if cause is Cause.CANCELLED else State.SKIPPED
        verdict = Verdict.SKIP if cause is Cause.DOES_NOT_APPLY else Verdict.NOT_RUN
        self._decide(Transition(task.number, task.attempt, task.state, state, cause, verdict, reason=reason))

    # == apply: evolve ===================================================================================

    def apply(self, decision: Decision | Restored) -> None:
        """Change the state of the run by one decision: the only place where it changes.

        Raises IllegalTransition, and changes nothing, if the decision does not fit.
        """
        if type(decision) is Transition:
            self._transit(decision)
            return
        match decision:
            case Added():
                self._add(decision)
            case Unlocked():
                for number in self.locks.unlock(decision.lock):
                    if not self.locks.holds(number):
                        self.tasks[number].locks = Locks.FREED
            case Restored():
                self._restore(decision)
            case Paused():
                pass  # tells the next session what a person wanted; no task changes

    def _transit(self, transition: Transition) -> None:
        number, attempt, old, new, cause, verdict, provided, locks, reason = transition
        task = self.tasks.get(number)
        if task is None:
            raise IllegalTransition(f"there is no task {number}")
        expected = task.attempt + 1 if new is SUBMITTED else task.attempt
        if task.state is not old or attempt != expected or cause not in DECIDABLE.get((old, new), ()):
            raise IllegalTransition(
                f"{task.spec.key}: {old.word} -> {new.word} ({cause.word}, attempt {attempt}) "
                f"is illegal: it is {task.state.word} in attempt {task.attempt}"
            )
        held = task.locks
        task.state = new
        task.locks = locks
        task.reason = reason
        if self._story is not None:
            self._tell(number, old, new, cause)
        if new is SUBMITTED:
            task.attempt = attempt
            self.in_flight.add(number)
            if task.requests and held is FREED:
                self.locks.take(number, task.requests)
        elif new is READY:
            self._back_to_ready(task, cause)
        elif new is LOST:
            self.in_flight.discard(number)
            task.crashes += cause is Cause.WORKER_DIED
        elif new is not RUNNING:
            self._finish(task, verdict, provided)

    def _back_to_ready(self, task: Task, cause: Cause) -> None:
        self.in_flight.discard(task.number)
        if cause is Cause.WITHDRAWN:
            task.withdrawn += 1
            if task.requests and not task.locks.kept:
                self.locks.release(task.number)
        else:
            task.failures += cause in FAILURES
        heappush(self._ready, (task.spec.priority, task.number))

    def _finish(self, task: Task, verdict: Verdict, provided: bool) -> None:
        number = task.number
        self.in_flight.discard(number)
        self._cancelled.discard(number)
        self.unfinished -= 1
        self._ended += 1
        task.rank = self._ended
        task.verdict = verdict
        task.provided = provided
        if task.requests:
            if task.locks is FREED:
                self.locks.release(number)
            else:
                self.locks.keep(number)
        freed, in_vain = self.deps.end(number, provided=provided, skipped=verdict is Verdict.SKIP)
        self._in_vain.extend(in_vain)
        for follower in freed:
            self._wake(self.tasks[follower], Cause.PROVIDED)

    def _wake(self, task: Task, cause: Cause) -> None:
        """`waiting -> ready` follows from what others did: it is implied, and has no row in the journal."""
        if task.state is not WAITING:
            return
        task.state = State.READY
        if self._given:
            self._follows[task.number] = self._given
        if self._story is not None:
            self._tell(task.number, WAITING, READY, cause)
        heappush(self._ready, (task.spec.priority, task.number))

    def _hold_back(self, task: Task) -> None:
        """`ready -> waiting`, implied like the way there: a task was added that one has to wait for."""
        if task.state is not READY or task.attempt:
            return
        task.state = State.WAITING
        self.locks.release(task.number)  # it leaves the queue
        if self._story is not None:
            self._tell(task.number, State.READY, State.WAITING, Cause.HELD_BACK)

    def _add(self, added: Added) -> None:
        if added.first != len(self.tasks) + 1:
            raise IllegalTransition(f"tasks {added.first}, ... were added, but {len(self.tasks)} are known")
        for number, spec in enumerate(added.specs, added.first):
            requests = self.locks.requests(spec.uses, spec.claims) if spec.uses or spec.claims else ()
            self.tasks[number] = Task(number, spec, requests)
        self.unfinished += len(added.specs)
        free, held_back = self.deps.add(added.first, added.specs)
        for number in free:
            self._wake(self.tasks[number], Cause.START)
        for number in held_back:
            self._hold_back(self.tasks[number])
        self._in_vain.extend(
            number
            for number in range(added.first, added.first + len(added.specs))
            if self.tasks[number].state is WAITING and self.deps[number].lost
        )

    # -- restoring ---------------------------------------------------------------------------------------

    @classmethod
    def restored(cls, specs: Iterable[TaskSpec], saved: Iterable[Restored], *, record: bool = False) -> Plan:
        """The plan as the journal's projection tells it.

        `saved` may leave out tasks that nothing happened to. Those that have ended must come in the order
        in which they ended, because a name is satisfied by the first provider that kept its promise.
        """
        plan = cls(specs, record=record)
        for one in saved:
            plan.apply(one)
        return plan

    def _restore(self, saved: Restored) -> None:
        task = self.tasks[saved.task]
        if task.attempt or task.state not in (State.WAITING, State.READY):
            raise IllegalTransition(f"{task.spec.key} was restored twice")
        task.attempt = saved.attempt
        task.withdrawn = saved.withdrawn
        task.failures = saved.failures
        task.crashes = saved.crashes
        task.reason = saved.reason
        if saved.state is WAITING or (saved.state is READY and not saved.attempt):
            return  # follows from those that have ended
        task.state = saved.state
        task.locks = saved.locks
        if task.requests and (saved.locks.kept or saved.state in (State.SUBMITTED, State.RUNNING)):
            self.locks.take(task.number, task.requests)
        match saved.state:
            case State.SUBMITTED | State.RUNNING:
                self.in_flight.add(task.number)
            case State.READY:
                heappush(self._ready, (task.spec.priority, task.number))
            case state if state.is_final:
                self._finish(task, saved.verdict, saved.provided)
            case _:
                pass

    # == looking =========================================================================================

    def story(self, key: str) -> list[str]:
        """Every transition of a task since this plan was made; needs `record=True`."""
        assert self._story is not None, "made without record=True"
        (number,) = (number for number, task in self.tasks.items() if task.spec.key == key)
        return self._story.get(number, [])

    def _tell(self, number: int, old: State, new: State, cause: Cause) -> None:
        assert self._story is not None
        self._story.setdefault(number, []).append(f"{old.word} -> {new.word}: {cause.word}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plan):
            return NotImplemented
        return self._state() == other._state()

    __hash__ = None  # type: ignore[assignment]

    def validate(self) -> None:
        """Check every invariant; raises AssertionError that names the task. For tests, after each turn."""
        from pexen_state.core.validate import validate

        validate(self)

    def _state(self) -> tuple[object, ...]:
        return (
            {number: task.facts() for number, task in self.tasks.items()},
            list(self.locks.held()),
            {gate.label: (gate.pending, gate.kept) for gate in self.deps.gates()},
            self.in_flight,
            self.unfinished,
        )

    def still_held(self) -> Iterator[tuple[object, Task]]:
        """(lock, task) of locks that tasks which have ended still hold."""
        for name, number, _ in self.locks.kept():
            yield name, self.tasks[number]
