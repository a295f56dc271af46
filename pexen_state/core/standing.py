"""Where every task of a run stands, and how one decision changes that.

`apply` is the only way in which the state of a run changes: live running, resuming and replaying all go through
it, so whoever stores the decisions can build the same state again. Nothing is decided here (`core.plan` does).

Beside the state there are indexes over it, which are rebuilt rather than stored: the heap of what is ready, the
queues of the locks, what was lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappush

from pexen_state.core.decisions import Added, Cancelled, Decision, GivenUp, Paused, Restored, Transition, Unlocked
from pexen_state.core.deps import Deps
from pexen_state.core.locks import LockTable, Requests
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import DECIDABLE, FAILURES, Cause, Locks, State, Verdict

# Every task passes these several times, and a global is found faster than a member of an enum.
WAITING, READY, SUBMITTED, RUNNING, LOST = State.WAITING, State.READY, State.SUBMITTED, State.RUNNING, State.LOST
FREED = Locks.FREED
FAIL, CRASH, CANCELLED = Verdict.FAIL, Verdict.CRASH, State.CANCELLED


class IllegalTransition(Exception):
    """A decision that the table of legal transitions, or the task's state, does not allow. Nothing changed."""


class Task:
    """Where one task stands."""

    __slots__ = (
        "attempt",
        "crashes",
        "failures",
        "is_fresh",
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
        self.is_fresh = True  #: not submitted yet, or not since it was sent back

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
            self.is_fresh,
        )


def counts_as_failed(task: Task) -> bool:
    """It ended badly, and by itself."""
    return FAIL <= task.verdict <= CRASH and task.state is not CANCELLED


class Standing:
    """The state of a run. `record=True` keeps every task's story, for tests."""

    def __init__(self, *, record: bool = False) -> None:
        self.tasks: dict[int, Task] = {}
        self.in_flight: set[int] = set()
        self.unfinished = 0
        self.failed = 0  #: tasks that ended badly; not those that a person ended
        self.is_cancelled = False  #: a person ended the whole run
        self.given_up: str | None = None  #: too many have failed: the sentence that says so
        self.deps = Deps()
        self.locks = LockTable()
        self._story: dict[int, list[str]] | None = {} if record else None
        self._ended = 0
        self._cancelled: set[int] = set()  # tasks in flight that a person ended
        self._ready: list[tuple[float, int]] = []  # heap of (priority, task); may hold stale entries
        self._in_vain: list[int] = []  # tasks that wait for what was lost just now
        self._built_on: list[int] = []  # tasks that began on what was sent back just now, and are to be tried again

    @property
    def is_over(self) -> bool:
        """Every task has ended."""
        return not self.unfinished

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
            case Cancelled(tasks, whole_run):
                self.is_cancelled = self.is_cancelled or whole_run
                self._cancelled.update(self.in_flight.intersection(tasks))
            case GivenUp(reason):
                self.given_up = reason
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
            task.is_fresh = False
            self.in_flight.add(number)
            if task.requests and held is FREED:
                self.locks.take(number, task.requests)
        elif new is READY:
            self._back_to_ready(task, cause)
        elif new is LOST:
            self.in_flight.discard(number)
            task.crashes += cause is Cause.WORKER_DIED
        elif new is WAITING:
            self._back_to_waiting(task, old)
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

    def _back_to_waiting(self, task: Task, old: State) -> None:
        """It was sent back: it begins anew, as if it had never begun, when it need not wait."""
        number = task.number
        self.locks.release(number)
        task.is_fresh = True
        task.failures = task.crashes = 0
        shut: list[int] = []
        if old.is_final:
            self.unfinished += 1
            self.failed -= counts_as_failed(task)
            shut = self.deps.begin_again(number, provided=task.provided, skipped=task.verdict is Verdict.SKIP)
            task.verdict, task.provided, task.rank = Verdict.NONE, False, 0
        if not self.deps[number].unmet:
            self._wake(task, Cause.PROVIDED)
        elif self.deps[number].lost:
            self._in_vain.append(number)
        self._built_on = []
        for waiter in map(self.tasks.__getitem__, shut):
            if waiter.state is READY and not waiter.is_fresh:
                self._built_on.append(waiter.number)
            self._hold_back(waiter)

    def _finish(self, task: Task, verdict: Verdict, provided: bool) -> None:
        number = task.number
        self.in_flight.discard(number)
        self._cancelled.discard(number)
        self.unfinished -= 1
        self._ended += 1
        task.rank = self._ended
        task.verdict = verdict
        self.failed += counts_as_failed(task)
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
        self._woken(task.number)
        if self._story is not None:
            self._tell(task.number, WAITING, READY, cause)
        heappush(self._ready, (task.spec.priority, task.number))

    def _woken(self, number: int) -> None:
        """For whoever wants to know what a task's readiness follows from."""

    def _hold_back(self, task: Task) -> None:
        """`ready -> waiting`, implied like the way there: a task was added that one has to wait for."""
        if task.state is not READY or not task.is_fresh:
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
        task.is_fresh = saved.is_fresh or not saved.attempt
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
        if not isinstance(other, Standing):
            return NotImplemented
        return self._state() == other._state()

    __hash__ = None  # type: ignore[assignment]

    def _state(self) -> tuple[object, ...]:
        return (
            {number: task.facts() for number, task in self.tasks.items()},
            [task.number for task in sorted(self.tasks.values(), key=lambda task: task.rank) if task.rank],
            list(self.locks.held()),
            {gate.label: (gate.pending, gate.kept) for gate in self.deps.gates()},
            self.in_flight,
            self.unfinished,
            self.failed,
            self.is_cancelled,
            self.given_up,
            self._cancelled,
        )

    def still_held(self) -> Iterator[tuple[object, Task]]:
        """(lock, task) of locks that tasks which have ended still hold."""
        for name, number, _ in self.locks.kept():
            yield name, self.tasks[number]
