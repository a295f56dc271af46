"""How one decision changes where the tasks of a run stand.

`apply` is the only way in which the state of a run changes: live running, resuming and replaying all go through
it, so whoever stores the decisions can build the same state again. Nothing is decided here (`core.plan` does).

Beside the state there are indexes over it, which are rebuilt rather than stored: the heap of what is ready, the
queues of the locks, what was lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pexen_state.core.decisions import (
    Added,
    AllRestored,
    Cancelled,
    Cleared,
    ConditionsDecided,
    Decision,
    Entered,
    Extended,
    GivenUp,
    Intervention,
    Passing,
    Paused,
    Rebooting,
    Recovered,
    Restored,
    Suspected,
    Transition,
    Unlocked,
)
from pexen_state.core.deps import Deps
from pexen_state.core.groups import Group, ReadyByGroup
from pexen_state.core.locks import LockTable
from pexen_state.core.ready import Ready
from pexen_state.core.resources import Resources
from pexen_state.core.states import CRASHES, DECIDABLE, FAILURES, Cause, Locks, State, Verdict
from pexen_state.core.tasks import Task, Tasks

# Every task passes these several times, and a global is found faster than a member of an enum.
WAITING, READY, SUBMITTED, RUNNING, LOST = State.WAITING, State.READY, State.SUBMITTED, State.RUNNING, State.LOST
CANCELLED, REBOOTING = State.CANCELLED, State.REBOOTING
FINAL = frozenset(state for state in State if state.is_final)
FREED = Locks.FREED
PASS, SKIP = Verdict.PASS, Verdict.SKIP
BAD = frozenset(verdict for verdict in Verdict if verdict.is_bad)


class IllegalTransition(Exception):
    """A decision that the table of legal transitions, or the task's state, does not allow. Nothing changed."""


def counts_as_failed(task: Task) -> bool:
    """It ended badly, and by itself."""
    return _counts_as_failed(task.state, task.verdict)


def _counts_as_failed(state: State, verdict: Verdict) -> bool:
    return verdict in BAD and state is not CANCELLED


def _one_more(counts: dict[int, int], number: int) -> None:
    counts[number] = counts.get(number, 0) + 1


class Standing:
    """The state of a run. `record=True` keeps every task's story, for tests."""

    def __init__(self, *, record: bool = False) -> None:
        self.tasks = Tasks()
        self.in_flight: set[int] = set()
        self.unfinished = 0
        self.failed = 0  #: tasks that ended badly; not those that a person ended
        self.is_cancelled = False  #: a person ended the whole run
        self.given_up: str | None = None  #: the sentence that says why
        self.is_given_up_at_once = False  #: nothing is tried again
        self.suspects: tuple[int, ...] = ()  #: may have crashed the box: they are tried alone, in this order
        self.awaiting: set[int] = set()  #: tasks that asked for a reboot
        self.rebooted: str | None = None  #: which life of the box was to end by the last reboot that was decided
        self.recoverers: list[int] = []  #: tasks that recover locks
        self.conditioned = 0  #: of so many tasks, from the first, it is decided whether they apply here
        self.group: Group = None  #: whose tasks may run; None: those without a group
        self.deps = Deps()
        self.locks = LockTable()
        self.resources = Resources()
        self._story: dict[int, list[str]] | None = {} if record else None
        self._ended = 0
        self._cancelled: set[int] = set()  # tasks in flight that a person ended
        self._ready: Ready = Ready()
        self._in_vain: list[int] = []  # tasks that wait for what was lost just now
        self._built_on: list[int] = []  # tasks that began on what was sent back just now, and are to be tried again

    @property
    def is_over(self) -> bool:
        """Every task has ended."""
        return not self.unfinished

    # == apply: evolve ===================================================================================

    def apply(self, decision: Decision | Restored | AllRestored) -> None:
        """Change the state of the run by one decision: the only place where it changes.

        Raises IllegalTransition, and changes nothing, if the decision does not fit.
        """
        if not isinstance(decision, Transition):
            if isinstance(decision, Restored):
                self._restore(decision)
            elif isinstance(decision, AllRestored):
                self._restore_all(decision)
            else:
                self._happen(decision)
            return
        number, attempt, old, new, cause, verdict, provided, locks, reason = decision
        tasks = self.tasks
        states = tasks.states
        if not 0 < number < len(states):
            raise IllegalTransition(f"there is no task {number}")
        latest = tasks.attempts[number]
        opens = new is SUBMITTED
        if states[number] is not old or attempt != latest + opens or (old, new, cause) not in DECIDABLE:
            raise IllegalTransition(
                f"{tasks.specs[number].key}: {old.word} -> {new.word} ({cause.word}, attempt {attempt}) "
                f"is illegal: it is {tasks.states[number].word} in attempt {latest}"
            )
        held = tasks.locks[number]
        states[number] = new
        tasks.locks[number] = locks
        if reason is not None:
            tasks.reasons[number] = reason
        elif tasks.reasons:
            tasks.reasons.pop(number, None)
        if self._story is not None:
            self._tell(number, old, new, cause)
        if opens:
            tasks.attempts[number] = attempt
            tasks.fresh[number] = False
            self.in_flight.add(number)
            if held is FREED and tasks.requests[number]:
                self.locks.take(number, tasks.requests[number])
            if needs := tasks.specs[number].needs:
                self.resources.take(number, needs)
        elif new in FINAL:
            self._finish(number, verdict, provided)
        elif new is READY:
            self._back_to_ready(number, cause)
        elif new is LOST:
            self._lands(number)
            if cause in CRASHES:
                _one_more(tasks.crashes, number)
        elif new is REBOOTING:
            self._lands(number)
            self.awaiting.add(number)
            _one_more(tasks.reboots, number)
        elif new is WAITING:
            self._back_to_waiting(number, old)

    def _happen(self, event: Added | Passing | Intervention) -> None:
        match event:
            case Added():
                self._add(event)
            case Unlocked(lock) | Recovered(lock, _):
                for number in self.locks.unlock(lock):
                    if not self.locks.holds(number):
                        self.tasks.locks[number] = FREED
            case Cleared(tasks):
                for number in tasks:
                    self._clear(number)
            case Cancelled(tasks, whole_run):
                self.is_cancelled = self.is_cancelled or whole_run
                self._cancelled.update(self.in_flight.intersection(tasks))
            case GivenUp(reason, at_once):
                self.given_up, self.is_given_up_at_once = reason, at_once
            case Suspected(tasks):
                self.suspects = tasks
            case Rebooting(box):
                self.rebooted = box
            case ConditionsDecided(tasks):
                self.conditioned = tasks
            case Entered(group):
                self.group = group
                self._grouped().enter(group)
            case Paused() | Extended():
                pass  # for people, and for the next session; no task changes

    def _grouped(self) -> ReadyByGroup:
        """Most runs have no groups, and what is ready there is in one place."""
        if not isinstance(self._ready, ReadyByGroup):
            self._ready = ReadyByGroup(self.tasks, self._ready)
        return self._ready

    def _lands(self, number: int) -> None:
        """It is in flight no more."""
        self.in_flight.discard(number)
        if self.resources.held:
            self.resources.release(number)

    def _clear(self, number: int) -> None:
        tasks = self.tasks
        if tasks.states[number] in FINAL:
            self.locks.release(number)
            tasks.locks[number] = FREED
        elif tasks.locks[number] is Locks.DIRTY:
            tasks.locks[number] = Locks.HELD

    def _back_to_ready(self, number: int, cause: Cause) -> None:
        tasks = self.tasks
        self._lands(number)
        if cause is Cause.WITHDRAWN:
            _one_more(tasks.withdrawn, number)
            if tasks.requests[number] and tasks.locks[number] is FREED:
                self.locks.release(number)
        elif cause is Cause.REBOOTED:
            self.awaiting.discard(number)
        elif cause in FAILURES:
            _one_more(tasks.failures, number)
            tasks.reboots.pop(number, None)
        self._ready.push(tasks.specs[number].priority, number)

    def _back_to_waiting(self, number: int, old: State) -> None:
        """It was sent back: it begins anew, as if it had never begun, when it need not wait."""
        tasks = self.tasks
        self.locks.release(number)
        tasks.fresh[number] = True
        tasks.failures.pop(number, None)
        tasks.crashes.pop(number, None)
        tasks.reboots.pop(number, None)
        shut: list[int] = []
        if old in FINAL:
            verdict = tasks.verdicts[number]
            self.unfinished += 1
            self.failed -= _counts_as_failed(old, verdict)
            shut = self.deps.begin_again(number, provided=tasks.provided[number], skipped=verdict is Verdict.SKIP)
            tasks.verdicts[number], tasks.provided[number], tasks.ranks[number] = Verdict.NONE, False, 0
        if not self.deps.unmet[number]:
            self._wake([number], Cause.PROVIDED)
        elif number in self.deps.lost:
            self._in_vain.append(number)
        self._built_on = [waiter for waiter in shut if tasks.states[waiter] is READY and not tasks.fresh[waiter]]
        self._hold_back(shut)

    def _finish(self, number: int, verdict: Verdict, provided: bool) -> None:
        tasks = self.tasks
        self._lands(number)
        if self._cancelled:
            self._cancelled.discard(number)
        if self.awaiting:
            self.awaiting.discard(number)
        self.unfinished -= 1
        self._ended += 1
        tasks.ranks[number] = self._ended
        tasks.verdicts[number] = verdict
        tasks.provided[number] = provided
        if verdict is not PASS:
            self.failed += _counts_as_failed(tasks.states[number], verdict)
        if tasks.requests[number]:
            if tasks.locks[number] is FREED:
                self.locks.release(number)
            else:
                self.locks.keep(number)
        freed, in_vain = self.deps.end(number, provided, verdict is SKIP)
        if in_vain:
            self._in_vain += in_vain
        if freed:
            self._wake(freed, Cause.PROVIDED)

    def _wake(self, numbers: Sequence[int], cause: Cause) -> None:
        """`waiting -> ready` follows from what others did: it is implied, and has no row in the journal."""
        specs, states, push = self.tasks.specs, self.tasks.states, self._ready.push
        for number in numbers:
            if states[number] is WAITING:
                states[number] = READY
                push(specs[number].priority, number)
                if self._story is not None:
                    self._tell(number, WAITING, READY, cause)
        self._woken(numbers)

    def _woken(self, numbers: Sequence[int]) -> None:
        """For whoever wants to know what the readiness of tasks follows from."""

    def _hold_back(self, numbers: Sequence[int]) -> None:
        """`ready -> waiting`, implied like the way there: a task was added that one has to wait for."""
        tasks = self.tasks
        for number in numbers:
            if tasks.states[number] is READY and tasks.fresh[number]:
                tasks.states[number] = WAITING
                self.locks.release(number)  # it leaves the queue
                if self._story is not None:
                    self._tell(number, READY, WAITING, Cause.HELD_BACK)

    def _add(self, added: Added) -> None:
        first, specs = added.first, added.specs
        tasks = self.tasks
        if first != len(tasks) + 1:
            raise IllegalTransition(f"tasks {first}, ... were added, but {len(tasks)} are known")
        tasks.add(specs)
        for number, spec in enumerate(specs, first):
            if spec.uses or spec.claims or spec.recovers:
                tasks.requests[number] = self.locks.requests(spec.uses, spec.claims, spec.recovers)
            if spec.recovers:
                self.recoverers.append(number)
            if spec.group is not None:
                self._grouped()
        self.unfinished += len(specs)
        free, held_back = self.deps.add(first, specs, tasks.ranks)
        self._wake(free, Cause.START)
        self._hold_back(held_back)
        if lost := self.deps.lost:
            newcomers = range(first, first + len(specs))
            self._in_vain += [number for number in newcomers if number in lost and tasks.states[number] is WAITING]

    def _restore(self, saved: Restored) -> None:
        number, state, attempt, withdrawn, failures, crashes, verdict, provided, locks, reason, is_fresh, reboots = (
            saved
        )
        tasks = self.tasks
        if not 0 < number < len(tasks.states):
            raise IllegalTransition(f"there is no task {number}")
        if tasks.attempts[number] or (tasks.states[number] is not READY and tasks.states[number] is not WAITING):
            raise IllegalTransition(f"{tasks.specs[number].key} was restored twice")
        tasks.attempts[number] = attempt
        if withdrawn:
            tasks.withdrawn[number] = withdrawn
        if failures:
            tasks.failures[number] = failures
        if crashes:
            tasks.crashes[number] = crashes
        if reboots:
            tasks.reboots[number] = reboots
        if reason is not None:
            tasks.reasons[number] = reason
        if state is WAITING or (state is READY and not attempt):
            return  # follows from those that have ended
        tasks.states[number] = state
        tasks.locks[number] = locks
        tasks.fresh[number] = is_fresh or not attempt
        in_flight = state is SUBMITTED or state is RUNNING
        requests = tasks.requests[number]
        if requests and (in_flight or locks is not FREED):
            self.locks.take(number, requests)
        if state in FINAL:
            self._finish(number, verdict, provided)
        elif in_flight:
            self.in_flight.add(number)
            if needs := tasks.specs[number].needs:
                self.resources.take(number, needs)
        elif state is REBOOTING:
            self.awaiting.add(number)
        elif state is READY:
            self._ready.push(tasks.specs[number].priority, number)

    def _restore_all(self, saved: AllRestored) -> None:
        numbers, state, attempt, verdict, provided, is_fresh = saved
        tasks, ended = self.tasks, self.deps.ended
        states, attempts, ranks = tasks.states, tasks.attempts, tasks.ranks
        if not numbers or state not in FINAL or not 0 < min(numbers) <= max(numbers) < len(states):
            raise IllegalTransition(f"there are no tasks {numbers} to be {state.word}")
        twice = [number for number in numbers if attempts[number] or ended[number]]
        if twice or len(set(numbers)) < len(numbers):
            raise IllegalTransition(f"{[tasks.specs[number].key for number in twice or numbers]} were restored twice")
        is_fresh = is_fresh or not attempt
        rank = self._ended
        for number in numbers:
            rank += 1
            states[number], attempts[number], ranks[number] = state, attempt, rank
            tasks.verdicts[number], tasks.provided[number], tasks.fresh[number] = verdict, provided, is_fresh
        self._ended = rank
        self.unfinished -= len(numbers)
        self.failed += len(numbers) * _counts_as_failed(state, verdict)
        freed, in_vain = self.deps.end_all(numbers, provided, verdict is SKIP)
        self._in_vain += in_vain
        self._wake(freed, Cause.PROVIDED)

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
        if not isinstance(other, Standing):
            return NotImplemented
        return self._state() == other._state()

    __hash__ = None  # type: ignore[assignment]

    def _state(self) -> tuple[object, ...]:
        return (
            {number: task.facts() for number, task in self.tasks.items()},
            [task.number for task in sorted(self.tasks.values(), key=lambda task: task.rank) if task.rank],
            list(self.locks.held()),
            {gate.label: (gate.pending, list(gate.kept)) for gate in self.deps.gates()},
            self.in_flight,
            self.resources.held,
            self.unfinished,
            self.failed,
            self.is_cancelled,
            self.given_up,
            self.is_given_up_at_once,
            self._cancelled,
            self.suspects,
            self.awaiting,
            self.rebooted,
            self.conditioned,
        )

    def still_held(self) -> Iterator[tuple[object, Task]]:
        """(lock, task) of locks that tasks which have ended still hold."""
        for name, number, _ in self.locks.kept():
            yield name, self.tasks[number]
