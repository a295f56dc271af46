"""The one loop of a run: handle, commit, act.

A turn takes the inputs that are there, lets the plan decide, writes what was decided as one transaction, and
only then lets anything be seen: results are yielded one by one, and the tasks that follow are handed to the
pool when the caller has taken the last of them. So a turn costs one flush however many tasks it moves, and a
slow caller slows the run down instead of being outrun.

The loop decides nothing (the plan does), knows no SQL (the journal does) and starts no process (the pool
does). It has the only blocking call, `pool.wait`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from pexen_state.core.commands import Kill, Submit, Yield
from pexen_state.core.decisions import Added, Decision, Transition
from pexen_state.core.inputs import Finished, Input, Lost, PoolHasRoom, RunOpened, Started, StopAsked
from pexen_state.core.plan import Mood, Plan, Turn
from pexen_state.core.states import Cause, State
from pexen_state.sched.common import TaskRes
from pexen_state.sched.owner import Owner
from pexen_state.sched.pool.base import Began, Body, Dropped, Ended, Job, Outcome, Pool, Readable, Report
from pexen_state.sched.shared import SharedStore
from pexen_state.sched.window import Window

#: A worker's word that it started is committed with the next turn, at the latest after this many seconds.
STARTED_WITHIN = 0.1

#: Who wants to be called while the run goes on hears of it at least this often, in seconds.
PULSE_S = 0.2

#: Seconds between TERM and KILL when the run is stopped.
STOP_GRACE = 10.0

#: What has not answered after so many seconds is left to `pool.close`; an interrupt may have lost its report.
STOP_PATIENCE = 3 * STOP_GRACE

Attempt = tuple[int, int]  #: (task, attempt)


class Ledger(Protocol):
    """Where decisions are made durable; without a journal, nowhere."""

    def append(
        self, decisions: Sequence[Decision], began: Sequence[Began], ended: Mapping[Attempt, Outcome]
    ) -> None: ...


class NoLedger:
    """A run without a journal."""

    def append(self, decisions: Sequence[Decision], began: Sequence[Began], ended: Mapping[Attempt, Outcome]) -> None:
        pass


class Source(Protocol):
    """Somebody outside who may ask something of the run: its descriptor is readable when they do."""

    def fileno(self) -> int: ...

    def take(self) -> list[Input]:
        """What was asked. Never blocks."""

    def committed(self) -> None:
        """What was taken is durable: it may be answered."""


class Loop:
    """One session of a run: from the first hand-over until nothing is left, or until somebody says stop.

    `job_of` makes the pool's job of a submission and its input. `bodies` are the callables by task number.
    `pulse` is called after every turn that was carried out, and every PULSE_S while nothing happens.
    """

    def __init__(
        self,
        plan: Plan,
        pool: Pool,
        ledger: Ledger,
        shared: SharedStore,
        sources: Sequence[Source],
        bodies: Mapping[int, Body],
        job_of: Callable[[Submit], Job],
        *,
        pulse: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._pool = pool
        self._ledger = ledger
        self._shared = shared
        self._sources = {source.fileno(): source for source in sources}
        self._bodies = bodies
        self._job_of = job_of
        self._pulse = pulse
        self._clock = clock
        self._window = Window(pool, is_ahead=plan.max_fail is None)
        self._reports: list[Report] = []  # taken from the pool, not yet told to the plan
        self._began: dict[Attempt, Began] = {}  # the same, of attempts that have not ended
        self._began_since = 0.0
        self._waiting: list[Submit] = []  # durable, not handed over yet
        self._in_pool: set[Attempt] = set()
        self._ended: dict[Attempt, Outcome] = {}  # what the attempts that ended in this turn left
        self.owner = Owner()
        self._withdrawn_for = (False, False)
        self.is_torn = False  #: the plan is ahead of the ledger, and stays so: what it says is no longer believed
        self.owes = True  #: there may be results that the caller has not been given

    def run(self, before: Sequence[Input] = ()) -> Iterator[TaskRes]:
        """Go on until the run is over, or drained after somebody asked for that.

        `before` is what happened before this session began.

        Leaving early (`close`, `break`, an exception of the caller) stops what runs and marks nothing failed.
        """
        inputs: list[Input] = [*before, RunOpened()]
        done = False
        for descriptor in self._sources:
            self._pool.watch(descriptor)
        try:
            while True:
                turn = self._take(inputs)
                yield from self._act(turn)
                if self._pulse is not None:
                    self._pulse()
                if self._is_done():
                    break
                inputs = self._next_inputs(pulse=self._pulse)
            done = True
        finally:
            if self.owner.is_here:
                if not done and not self.is_torn:
                    self._stop()
                for descriptor in self._sources:
                    self._pool.unwatch(descriptor)

    def _is_done(self) -> bool:
        return not self._plan.in_flight and (self._plan.is_over or self._plan.mood is Mood.DRAINING)

    # -- handle and commit -------------------------------------------------------------------------------

    def _take(self, inputs: list[Input]) -> Turn:
        """One turn up to where it is durable."""
        began, self._began = list(self._began.values()), {}
        inputs.extend(Started(one.task, one.attempt) for one in began)
        inputs.append(PoolHasRoom(self._pool.room - len(self._waiting)))
        # Whatever gets in between here, an interrupt from the keyboard included.
        self.is_torn = True
        turn = self._plan.handle(*inputs)
        if turn.decisions or began:
            try:
                with self._window.commit():
                    self._ledger.append(turn.decisions, began, self._ended)
            except Exception:
                self._drain()
                raise
        self.is_torn = False
        for source in self._sources.values():
            source.committed()
        for decision in turn.decisions:
            if type(decision) is Transition:
                if decision.new.is_final:
                    left = self._ended.get((decision.task, decision.attempt))
                    self._shared.ended(decision.task, left.shared if left else None)
                elif decision.new is State.WAITING:
                    self._shared.sent_back(decision.task)
            elif type(decision) is Added:
                self._shared.joined(range(decision.first, decision.first + len(decision.specs)))
        return turn

    # -- act ---------------------------------------------------------------------------------------------

    def _act(self, turn: Turn) -> Iterator[TaskRes]:
        results: list[Yield] = []
        why = (self._plan.mood is Mood.DRAINING, self._plan.given_up is not None)
        if why != self._withdrawn_for:  # nothing new is to begin: what no worker began comes back
            self._withdrawn_for = why
            self._pool.withdraw()
        for command in turn.commands:
            match command:
                case Submit():
                    self._waiting.append(command)
                case Yield():
                    results.append(command)
                case Kill(task, attempt, cause):
                    self._kill(task, attempt, cause)
        self.owes = bool(results)
        for given, result in enumerate(results):
            if given and self._has_idle_workers():
                self._hand_over([one for one in self._waiting if one.follows <= given])
            self.owes = given + 1 < len(results)
            yield self._result(result)
            self.owner.check()  # the caller may have forked meanwhile
        self._ended.clear()
        self._hand_over(self._waiting)

    def _kill(self, task: int, attempt: int, cause: Cause) -> None:
        if (task, attempt) in self._in_pool:
            self._pool.kill(task, attempt, cause, STOP_GRACE)
        else:
            self._waiting = [one for one in self._waiting if (one.task, one.attempt) != (task, attempt)]
            self._reports.append(Dropped(task, attempt, Cause.WITHDRAWN))

    def _has_idle_workers(self) -> bool:
        """Whether a worker has nothing to do while the caller is still busy with the results."""
        if not self._waiting or not self._window.caller_is_slow():
            return False
        self._collect(until=self._clock())
        return len(self._in_pool) < self._pool.workers

    def _hand_over(self, submits: list[Submit]) -> None:
        if not submits:
            return
        self._pool.hand_over([self._job_of(one) for one in submits])
        self._in_pool.update((one.task, one.attempt) for one in submits)
        if submits is self._waiting:
            self._waiting = []
        else:
            handed = {(one.task, one.attempt) for one in submits}
            self._waiting = [one for one in self._waiting if (one.task, one.attempt) not in handed]

    def _result(self, given: Yield) -> TaskRes:
        task = self._plan.tasks[given.task]
        outcome = self._ended.get((given.task, given.attempt))
        return TaskRes(
            self._bodies.get(given.task),
            outcome.shared if outcome else {},
            outcome.ret if outcome else None,
            outcome.excinfo if outcome else None,
            key=task.spec.key,
            attempt=task.nth,
            state=task.state.word,
            verdict=task.verdict.word,
            reason=task.reason,
            seconds=outcome.seconds if outcome else None,
            output=outcome.output if outcome else None,
        )

    # -- wait --------------------------------------------------------------------------------------------

    def _next_inputs(self, until: float = math.inf, pulse: Callable[[], None] | None = None) -> list[Input]:
        """Block until there is something to decide, or until then."""
        while True:
            next_pulse = math.inf if pulse is None else self._clock() + PULSE_S
            self._collect(min(until, self._wake_up_at(), next_pulse))
            inputs = self._to_inputs()
            now = self._clock()
            if inputs or now >= until or (self._began and now >= self._began_since + STARTED_WITHIN):
                return inputs
            if pulse is not None:
                pulse()

    def _wake_up_at(self) -> float:
        if self._reports:
            return self._clock()
        return self._began_since + STARTED_WITHIN if self._began else math.inf

    def _collect(self, until: float = math.inf) -> None:
        for report in self._pool.wait(until if until < math.inf else None):
            self._reports.append(report)
            if type(report) is Ended or type(report) is Dropped:
                self._in_pool.discard((report.task, report.attempt))

    def _to_inputs(self) -> list[Input]:
        inputs: list[Input] = []
        reports, self._reports = self._reports, []
        for report in reports:
            match report:
                case Ended(task, attempt, ending, outcome):
                    self._began.pop((task, attempt), None)
                    self._ended[task, attempt] = outcome
                    self._window.task_took(outcome.seconds)
                    inputs.append(Finished(task, attempt, ending))
                case Dropped(task, attempt, cause, surely_dead, reason, left):
                    self._began.pop((task, attempt), None)
                    if left is not None:
                        self._ended[task, attempt] = left
                    inputs.append(Lost(task, attempt, cause, surely_dead, reason))
                case Began(task, attempt):
                    if not self._began:
                        self._began_since = self._clock()
                    self._began[task, attempt] = report
                case Readable(descriptor):
                    inputs.extend(self._sources[descriptor].take())
        return inputs

    # -- stop --------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Leave nothing running: what never began is withdrawn, the rest is stopped; all of it is recorded."""
        inputs: list[Input] = [Lost(one.task, one.attempt, Cause.WITHDRAWN) for one in self._waiting]
        inputs.append(StopAsked("the caller left"))
        self._waiting = []
        owes = self.owes
        until = self._clock() + STOP_PATIENCE
        while True:
            turn = self._take(inputs)
            for _ in self._act(turn):
                owes = True  # what ends now is in the journal; nobody is there to be given it
            if not self._plan.in_flight or self._clock() >= until:
                break
            inputs = self._next_inputs(until)
        self.owes = owes

    def _drain(self) -> None:
        """The journal cannot be written: start nothing, let what runs end, and keep nothing of it."""
        self._pool.withdraw()
        while self._in_pool:
            self._collect()
