"""A second opinion on a run: told every decision in its order, it checks each against plain definitions.

It shares no code with the plan. It is slow: everything is looked up anew by walking over all tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby

from pexen_state.core.decisions import (
    Added,
    AllRestored,
    Cancelled,
    Cleared,
    ConditionsDecided,
    Decision,
    Entered,
    Extended,
    Freeing,
    GivenUp,
    Intervention,
    Rebooting,
    Recovered,
    Restored,
    Suspected,
    Transition,
    Unlocked,
)
from pexen_state.core.spec import Name, TaskSpec
from pexen_state.core.states import Cause, Locks, State, Verdict

Claim = tuple[Name, bool]  #: (name, whether it is claimed)

OWN_ENDING = {State.SUBMITTED, State.RUNNING, State.LOST, State.REBOOTING}

#: Back to `ready` without a failure of its own.
NO_FAILURE = {Cause.RETRY, Cause.REBOOTED}


def conflict(one: Claim, other: Claim) -> bool:
    if not (one[1] or other[1]):
        return False
    return one[0] == other[0] or _covers(one[0], other[0]) or _covers(other[0], one[0])


def _covers(name: Name, other: Name) -> bool:
    if not (isinstance(name, str) and isinstance(other, str) and name[:1] == other[:1] == "/"):
        return False
    parts, others = [p for p in name.split("/") if p], [p for p in other.split("/") if p]
    return others[: len(parts)] == parts


def _provides(spec: TaskSpec, name: Name) -> bool:
    """The name, or one of the alternatives that it lists."""
    either = [part.strip() for part in name.split(" | ")] if isinstance(name, str) else []
    return any(one in spec.provides for one in (name, *either))


@dataclass
class ShadowTask:
    spec: TaskSpec
    state: State = State.WAITING
    attempt: int = 0
    withdrawn: int = 0
    failures: int = 0
    crashes: int = 0
    reboots: int = 0
    verdict: Verdict = Verdict.NONE
    provided: bool = False
    locks: Locks = Locks.FREED
    reason: str | None = None
    ended_at: int | None = None  #: index of the decision
    holds: list[Claim] = field(default_factory=list)
    fresh: bool = True  #: not submitted, or not since it was sent back
    applies: bool = False  #: its condition was decided, and was true
    submitted_at: int | None = None  #: index of the decision

    @property
    def ran(self) -> bool:
        return self.attempt > self.withdrawn

    @property
    def has_failed(self) -> bool:
        """It has failed since it began, and is to be tried again, if it has not ended."""
        return self.failures + self.crashes > 0

    @property
    def wants(self) -> list[Claim]:
        wants = [(name, True) for name in self.spec.recovers]
        wants += [(name, True) for name in self.spec.claims if not self.recovers(name)]
        return wants + [(name, False) for name in self.spec.uses if not self.recovers(name)]

    @property
    def has_passed(self) -> bool:
        return self.state is State.SUCCEEDED and self.verdict in (Verdict.INFO, Verdict.PASS, Verdict.WARN)

    def recovers(self, lock: Name) -> bool:
        """That very name, or one above it."""
        return any(name == lock or _normal(name) == _normal(lock) or _covers(name, lock) for name in self.spec.recovers)

    @property
    def is_to_be_cleared(self) -> bool:
        """By a new boot."""
        dirty = self.locks is Locks.DIRTY or (self.locks.kept and self.ended_at is not None)
        return self.spec.cleared_by_reboot and dirty and not self.state.in_flight


class Shadow:
    def __init__(self, specs: Iterable[TaskSpec]) -> None:
        self.tasks: list[ShadowTask] = [ShadowTask(one) for one in specs]
        self.log: list[Decision] = []
        self.given_up = False
        self.at_once = False  # nothing is tried again either
        self.suspects: set[int] = set()  # of whom nobody has heard since the crash
        self.is_rebooting = False
        self.mending: ShadowTask | None = None  # a task that recovers locks has just passed
        self.known = 0  # n, in the conditions
        self.again = False  # what was decided is decided anew
        self.conditioned = 0
        self.group: str | None = None

    def task(self, number: int) -> ShadowTask:
        return self.tasks[number - 1]

    # -- definitions -------------------------------------------------------------------------------------

    def is_satisfied(self, number: int) -> bool:
        """Whether nothing that the task requires, or comes after, keeps it waiting."""
        spec = self.task(number).spec
        for name in spec.requires:
            providers = [task for task in self.tasks if _provides(task.spec, name)]
            hopeless = not any(task.ended_at is None for task in providers)
            if not any(task.provided for task in providers) and not (spec.always and hopeless):
                return False
        for name in spec.requires_all:
            providers = [task for task in self.tasks if _provides(task.spec, name)]
            if any(task.ended_at is None for task in providers):
                return False
            if not spec.always and not (providers and all(task.provided for task in providers)):
                return False
        return all(
            task.ended_at is not None or pattern in task.spec.after
            for pattern in spec.after
            for task in self.tasks
            if fnmatchcase(task.spec.key, pattern)
        )

    def has_conflict(self, number: int) -> bool:
        """Whether what others hold is in the way of the task's locks."""
        mine = self.task(number)
        return any(
            conflict(want, held) and not (task.ended_at is not None and _mends(mine, want[0], held[0]))
            for other, task in enumerate(self.tasks, 1)
            if other != number
            for held in task.holds
            for want in mine.wants
        )

    def left_behind(self) -> list[Name]:
        return [name for task in self.tasks if task.ended_at is not None for name, _ in task.holds]

    def could_run(self, number: int) -> bool:
        task = self.task(number)
        if task.holds:  # it kept its locks for another attempt
            return True
        return (self.is_satisfied(number) or not task.fresh) and not self.has_conflict(number)

    # -- told --------------------------------------------------------------------------------------------

    def tell(self, decision: Decision) -> None:
        self.log.append(decision)
        if self.mending is not None and not isinstance(decision, Recovered):
            self.check_mended()
        match decision:
            case Added(first, specs):
                assert first == len(self.tasks) + 1
                self.tasks.extend(ShadowTask(one) for one in specs)
            case Cancelled():
                pass  # what follows from it are transitions
            case ConditionsDecided(count):
                self._conditions_are_decided(count)
            case Entered(group):
                assert not any(task.state.in_flight for task in self.tasks), "not all of the last group have ended"
                assert group != self.group, "it was entered already"
                self.group = group
            case Extended(number, attempt, _):
                assert self.task(number).state in (State.SUBMITTED, State.RUNNING), "it is not running"
                assert self.task(number).attempt == attempt
            case GivenUp(_, at_once):
                assert not self.given_up or (at_once and not self.at_once), "the run was given up twice"
                self.given_up, self.at_once = True, at_once
            case Suspected(tasks):
                assert len(set(tasks)) == len(tasks)
                self.suspects = set(tasks)
            case Rebooting():
                assert any(task.state is State.REBOOTING for task in self.tasks), "nobody asked for a reboot"
                self.is_rebooting = True
            case Cleared(numbers):
                meant = [number for number, task in enumerate(self.tasks, 1) if task.is_to_be_cleared]
                assert list(numbers) == meant
                for number in numbers:
                    task = self.task(number)
                    task.locks = Locks.HELD if task.ended_at is None else Locks.FREED
                    task.holds = [] if task.ended_at is not None else task.holds
            case Unlocked(lock) | Recovered(lock, _):
                if isinstance(decision, Recovered):
                    assert self.mending is self.task(decision.task), "it did not pass just now"
                    assert self.mending.recovers(lock), f"{self.mending.spec.key} does not recover {lock!r}"
                    assert lock in map(_normal, self.left_behind()), f"nobody left {lock!r} behind"
                for task in self.tasks:
                    if task.ended_at is not None:
                        task.holds = [held for held in task.holds if _normal(held[0]) != _normal(lock)]
                        if not task.holds:
                            task.locks = Locks.FREED
            case Transition():
                self._transition(decision)

    def _conditions_are_decided(self, count: int) -> None:
        assert count == len(self.tasks)
        for number, task in enumerate(self.tasks, 1):
            if task.spec.when is not None and (self.again or number > self.conditioned):
                waits = task.ended_at is None and (task.fresh or not task.ran)
                assert not waits or self._holds(task), f"{task.spec.key} does not apply, and was not skipped"
                task.applies = task.applies or waits
        self.conditioned = count

    def _holds(self, task: ShadowTask) -> bool:
        """Conditions are as `n >= 1`."""
        return self.known >= int((task.spec.when or "0").split()[-1])

    def _transition(self, told: Transition) -> None:
        task = self.task(told.task)
        key = task.spec.key
        assert task.ended_at is None or told.new is State.WAITING, f"{key} has ended, and went on"
        # `waiting` and `ready` follow from others; a task that was never submitted may be in either.
        implied = {State.WAITING, State.READY}
        assert told.old is task.state or (task.fresh and {told.old, task.state} <= implied), key
        if told.cause is Cause.LOCKED:
            self._nobody_could_recover_its_locks(task)
        if told.cause is Cause.CONDITION:
            assert not self._holds(task), f"{key} applies, and was skipped"
            assert task.fresh or not task.ran, f"{key} had begun, and was skipped"
            task.applies = False
        if told.cause is Cause.PASSED_BEFORE:
            assert task.fresh or not task.ran, f"{key} had begun, and was skipped"
        if told.new is State.SUBMITTED:
            assert task.applies or task.spec.when is None, f"{key} was submitted, but does not apply"
            assert task.spec.group == self.group, f"{key} was submitted among tasks of another group"
            assert told.attempt == task.attempt + 1, f"{key}: attempt {told.attempt} after {task.attempt}"
            assert self.could_run(told.task), f"{key} was submitted, but cannot run"
            may = task.spec.always or (task.has_failed and not self.at_once) or not self.given_up
            assert may, f"{key} was submitted, but the run was given up"
            assert not self.is_rebooting, f"{key} was submitted, but the box is being rebooted"
            self._runs_alone_if_suspected(told.task)
            task.attempt = told.attempt
            task.holds = task.wants
            task.fresh, task.submitted_at = False, len(self.log)
        assert told.attempt == task.attempt, key
        was_dirty = task.locks is Locks.DIRTY
        task.state, task.locks, task.reason = told.new, told.locks, told.reason
        if told.new is State.WAITING:
            assert not self.given_up, f"{key} was sent back, but the run was given up"
            assert told.cause is Cause.REOPENED or told.old >= State.SUCCEEDED, key
            assert told.old is not State.CANCELLED, f"{key} was cancelled, and sent back"
            task.ended_at, task.verdict, task.provided, task.fresh = None, Verdict.NONE, False, True
            task.failures = task.crashes = task.reboots = 0
        if told.new is State.READY:
            if told.cause is Cause.WITHDRAWN:
                task.withdrawn += 1
            elif told.cause not in NO_FAILURE:
                task.failures += 1
                task.reboots = 0
            assert told.locks.kept == (task.ran and bool(task.wants)), f"{key} keeps its locks for another attempt"
            if task.wants and told.cause in (Cause.TIMED_OUT, Cause.IDLE) and task.spec.on_fail_locks != "free":
                assert told.locks is Locks.DIRTY, f"{key} is to be tried again, its locks are {told.locks.word}"
        if told.cause in (Cause.WORKER_DIED, Cause.BOX_DIED_ALONE) and told.new is State.LOST:
            task.crashes += 1
        if told.new is State.REBOOTING:
            task.reboots += 1
        if told.new >= State.SUCCEEDED:
            if was_dirty and told.old not in OWN_ENDING:
                assert told.locks is Locks.DIRTY, f"{key} frees what its last attempt left dirty"
            assert told.verdict, key
            task.ended_at, task.verdict, task.provided = len(self.log), told.verdict, told.provided
            if told.old not in OWN_ENDING:
                assert told.provided == (told.cause is Cause.PASSED_BEFORE), key
        if not told.locks.kept:
            task.holds = []
        if task.spec.recovers and task.has_passed:
            self.mending = task

    def check_mended(self) -> None:
        """Who recovers a lock and has passed leaves nothing of it behind, whoever left it dirty."""
        if self.mending is not None:
            left = [lock for lock in self.left_behind() if self.mending.recovers(lock)]
            assert not left, f"{self.mending.spec.key} has passed, and {left} are left behind"
        self.mending = None

    def _nobody_could_recover_its_locks(self, task: ShadowTask) -> None:
        for number, other in enumerate(self.tasks, 1):
            if other.ended_at is None and other is not task and self.could_run(number) and not self.given_up:
                mends = [one for one in self.left_behind() if other.recovers(one) and self._hinders(one, task)]
                assert not mends, f"{task.spec.key} was skipped for {mends}, which {other.spec.key} may recover"

    def _hinders(self, lock: Name, task: ShadowTask) -> bool:
        return any(conflict(want, (lock, True)) for want in task.wants)

    def _runs_alone_if_suspected(self, number: int) -> None:
        in_flight = [one.spec.key for one in self.tasks if one.state.in_flight]
        if self.suspects:
            assert number in self.suspects, f"{self.task(number).spec.key} is not suspected, and others are"
            assert not in_flight, f"{in_flight} run beside a suspect"

    # -- asked -------------------------------------------------------------------------------------------

    @property
    def failed(self) -> int:
        """Tasks that ended badly by themselves."""
        bad = (Verdict.FAIL, Verdict.ERROR, Verdict.TIMEOUT, Verdict.CRASH)
        return sum(task.verdict in bad and task.state is not State.CANCELLED for task in self.tasks)

    def projection(self) -> list[Restored | Intervention]:
        """What a journal would say: those that ended first, as they ended, and what was unlocked at its place.

        What was cancelled comes last: it is about tasks that are in flight still; and all else about the run.
        """
        places: list[tuple[int, Restored | Freeing]] = []
        for number, task in enumerate(self.tasks, 1):
            if task.ended_at is not None or task.attempt:
                place = len(self.log) + 1 if task.ended_at is None else task.ended_at
                places.append((place, self._restored(number)))
        places += [(place, one) for place, one in enumerate(self.log, 1) if isinstance(one, Freeing)]
        cancelled: list[Intervention] = []
        for place, one in enumerate(self.log, 1):
            if type(one) is Cancelled:
                meant = [number for number in one.tasks if (self.task(number).submitted_at or place) < place]
                cancelled.append(Cancelled(tuple(meant), one.whole_run))
            elif isinstance(one, GivenUp | Suspected | Rebooting | ConditionsDecided | Entered):
                cancelled.append(one)
        return [*(one for _, one in sorted(places, key=lambda place: place[0])), *cancelled]

    def _restored(self, number: int) -> Restored:
        task = self.task(number)
        return Restored(
            number,
            task.state,
            task.attempt,
            task.withdrawn,
            task.failures,
            task.crashes,
            task.verdict,
            task.provided,
            self._locks_as_stored(task),
            task.reason,
            task.fresh,
            task.reboots,
        )

    def _locks_as_stored(self, task: ShadowTask) -> Locks:
        """The journal writes what becomes of the locks with the transition, and after a boot that cleared them."""
        was_cleared = False
        for one in reversed(self.log):
            if type(one) is Cleared:
                was_cleared = was_cleared or any(self.task(number) is task for number in one.tasks)
            if type(one) is Transition and self.task(one.task) is task:
                if was_cleared and one.new.is_final:
                    return Locks.FREED
                return Locks.HELD if was_cleared and one.locks is Locks.DIRTY else one.locks
        return Locks.FREED


def _mends(task: ShadowTask, wanted: Name, held: Name) -> bool:
    """Whether the task wants that lock to recover it, and with it the one that is held."""
    mends = wanted in task.spec.recovers
    return mends and (_normal(wanted) == _normal(held) or _covers(wanted, held))


def _normal(name: Name) -> Name:
    if isinstance(name, str) and name.startswith("/"):
        return "/" + "/".join(part for part in name.split("/") if part)
    return name


def together(
    projection: Iterable[Restored | Unlocked | Cancelled | GivenUp],
) -> Iterator[Restored | AllRestored | Unlocked | Cancelled | GivenUp]:
    """The same, with tasks that ended side by side in the same way told of at once."""
    for ended, some in groupby(projection, _how_it_ended):
        if ended is None:
            yield from some
        else:
            yield AllRestored([one.task for one in some if isinstance(one, Restored)], *ended)


def _how_it_ended(one: object) -> tuple[State, int, Verdict, bool, bool] | None:
    if not isinstance(one, Restored) or not one.state.is_final or one.locks.kept or one.reason is not None:
        return None
    counted = one.withdrawn or one.failures or one.crashes or one.reboots
    return None if counted else (one.state, one.attempt, one.verdict, one.provided, one.is_fresh)
