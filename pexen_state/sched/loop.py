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
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pexen_state.core.commands import Enter, Kill, Reboot, Submit, Yield
from pexen_state.core.decisions import Added, Decision, Transition
from pexen_state.core.inputs import (
    DeadlineMoved,
    Finished,
    Input,
    Lost,
    PoolHasRoom,
    RunOpened,
    Started,
    StopAsked,
    TasksAdded,
)
from pexen_state.core.plan import Mood, Plan, Turn
from pexen_state.core.states import Cause, State, Verdict
from pexen_state.sched.common import PoolError, TaskRes, task_result
from pexen_state.sched.endings import Endings
from pexen_state.sched.joining import Joining
from pexen_state.sched.kernel_watch import KernelWatch
from pexen_state.sched.owner import Owner
from pexen_state.sched.partners import Ledger, Source, Timer
from pexen_state.sched.pool.base import (
    Asks,
    Began,
    Body,
    Dropped,
    Ended,
    Extended,
    Job,
    Outcome,
    Pool,
    Readable,
    Report,
)
from pexen_state.sched.rebooter import Rebooter
from pexen_state.sched.requests import Requests
from pexen_state.sched.shared import SharedStore
from pexen_state.sched.time_limits import TimeSpent
from pexen_state.sched.window import Window

#: A worker's word that it started is committed with the next turn, at the latest after this many seconds.
STARTED_WITHIN = 0.1

#: Who wants to be called while the run goes on hears of it at least this often, in seconds.
PULSE_S = 0.2

#: Seconds between TERM and KILL when the run is stopped.
STOP_GRACE = 10.0

#: What has not answered after so many seconds is left to `pool.close`.
STOP_PATIENCE = 3 * STOP_GRACE

#: Without a journal no reboot is survived, so none is made.
OPENED = RunOpened()

_FINAL = frozenset(state for state in State if state.is_final)
_SUBMITTED, _SUCCEEDED, _WAITING, _PASS = State.SUBMITTED, State.SUCCEEDED, State.WAITING, Verdict.PASS
_REBOOT_ASKED = Cause.REBOOT_ASKED

# Made for every task: without the python function that a NamedTuple has for a constructor.
_new = tuple.__new__


class Loop:
    """One session of a run: from the first hand-over until nothing is left, or until somebody says stop.

    `job_of` makes the pool's job of a submission and its input; `spent` remembers what its attempts took.
    `bodies` are the callables by task number, None for those that are no longer there.
    `opened` says which box it is, and whether it may be rebooted; `rebooter` does that. `kernel` is looked at for
    trouble while tasks run.
    `careful`: an earlier session was cut off; nobody knows by what, so as little as possible is to be under suspicion.
    `pulse` is called after every turn that was carried out, and every PULSE_S while nothing happens.
    `joining` has the tasks that are added meanwhile.
    """

    def __init__(
        self,
        plan: Plan,
        pool: Pool,
        ledger: Ledger,
        shared: SharedStore,
        sources: Sequence[Source],
        bodies: Sequence[Body | None],
        job_of: Callable[[Submit], Job],
        *,
        spent: TimeSpent | None = None,
        opened: RunOpened = OPENED,
        rebooter: Rebooter | None = None,
        kernel: KernelWatch | None = None,
        timers: Sequence[Timer] = (),
        careful: bool = False,
        pulse: Callable[[], None] | None = None,
        joining: Joining | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._pool = pool
        self._ledger = ledger
        self._shared = shared
        self._sources = {source.fileno(): source for source in sources}
        self._bodies = bodies
        self._job_of = job_of
        self._opened = opened
        self._rebooter = rebooter
        self._endings = Endings(plan.tasks.specs, spent or TimeSpent(), kernel, rebooter, survives=bool(opened.box))
        self._timers = [*timers, *([rebooter] if rebooter is not None else [])]
        self._pulse = pulse
        self._joining = joining
        self._joins = True  # tasks may join with the next turn; with the first those do that a resume brings
        self._clock = clock
        self._window = Window(pool, is_ahead=plan.max_fail is None)
        if careful:
            pool.is_careful = True
        # A task has one attempt in flight at most, so what follows is by task.
        self._inputs: list[Input] = []  # of the next turn
        self._requests = Requests(pool)
        self._left: dict[int, Outcome] = {}  # what the attempts that end in the next turn left
        self._began: dict[int, Began] = {}  # those that have begun, but not ended, for the next turn
        self._extended: dict[int, Extended] = {}  # the newest time limits that attempts have got, for the next turn
        self._began_since = 0.0  # when the first of these was heard of
        self._waiting: list[Submit] = []  # durable, not handed over yet
        self._in_pool: set[int] = set()
        self._ended: dict[int, Outcome] = {}  # what the attempts that ended in this turn left
        self._turn_began = 0.0
        self.owner = Owner()
        self._withdrawn_for = (False, False)
        self.is_torn = False  #: the plan is ahead of the ledger, and stays so: what it says is no longer believed
        self.owes = True  #: there may be results that the caller has not been given

    def run(self, before: Sequence[Input] = ()) -> Iterator[TaskRes]:
        """Go on until the run is over, or drained after somebody asked for that.

        `before` is what happened before this session began.

        Leaving early (`close`, `break`, an exception of the caller) stops what runs and marks nothing failed.
        """
        self._inputs = [*before, *self._due(), self._opened]
        done = False
        for descriptor in self._sources:
            self._pool.watch(descriptor)
        try:
            self._pool.enter(self._plan.group)
            while True:
                turn = self._take()
                yield from self._act(turn)
                if self._pulse is not None:
                    self._pulse()
                if self._joining is not None and not self._joining.has_some and self._plan.waits_for_absent:
                    self._inputs.extend(self._joining.give_up_absent())
                elif self._is_done():
                    break
                self._await_inputs(pulse=self._pulse)
            done = True
        finally:
            if self.owner.is_here:
                if not done and not self.is_torn:
                    self._stop()
                for descriptor in self._sources:
                    self._pool.unwatch(descriptor)
                self._endings.close()

    def settle(self, before: Sequence[Input]) -> Iterator[TaskRes]:
        """Make durable what happened before this session, and begin nothing yet."""
        self._inputs = [*before]
        yield from self._act(self._take())

    def _is_done(self) -> bool:
        plan = self._plan
        if self._joining is not None and self._joining.has_some:
            return False
        return not plan.in_flight and (plan.is_over or plan.mood is Mood.DRAINING or plan.awaits_reboot)

    # -- handle and commit -------------------------------------------------------------------------------

    def _take(self) -> Turn:
        """One turn up to where it is durable."""
        self._turn_began = time.perf_counter()
        # Whatever gets in between here, an interrupt from the keyboard included.
        self.is_torn = True
        inputs, self._inputs = self._inputs, []
        self._ended, self._left = self._left, {}
        began, self._began = list(self._began.values()), {}
        inputs.extend(Started(one.task, one.attempt) for one in began)
        inputs.extend(DeadlineMoved(*one) for one in self._extended.values())
        self._extended.clear()
        if self._joining is not None:
            self._requests.add_tasks(self._joining)
            newcomers = self._joining.take(self._ledger)
            self._endings.joined(one for told in newcomers if isinstance(told, TasksAdded) for one in told.specs)
            self._joins = self._joins or bool(newcomers)
            inputs.extend(newcomers)
        inputs.append(PoolHasRoom(self._pool.room - len(self._waiting)))
        turn = self._plan.handle(*inputs)
        checkpoints = self._requests.checkpoints() if self._requests else []
        if turn.decisions or began or checkpoints:
            try:
                self._ledger.append(turn.decisions, began, self._ended, checkpoints)
            except Exception:
                self._drain()
                raise
        self.is_torn = False
        for source in self._sources.values():
            source.committed()
        self._requests.answer(self._ledger)
        self._note(turn.decisions)
        return turn

    def _note(self, decisions: Sequence[Decision]) -> None:
        """Tell who keeps `shared` what became of the tasks."""
        if self._joins:  # before anybody ends in this turn, and lets go of what is for them, too
            self._joins = False
            for decision in decisions:
                if type(decision) is Added:
                    self._shared.joined(range(decision.first, decision.first + len(decision.specs)))
        self._shared.turn()
        for decision in decisions:
            if type(decision) is Transition:
                new = decision[3]
                if new is _SUBMITTED:
                    continue  # as half of them are
                task = decision[0]
                if new in _FINAL:
                    left = self._ended.get(task)
                    self._shared.ended(task, left.shared if left is not None else None)
                elif new is _WAITING:
                    self._shared.sent_back(task)

    # -- act ---------------------------------------------------------------------------------------------

    def _act(self, turn: Turn) -> Iterator[TaskRes]:
        results: list[Yield] = []
        entered: Enter | None = None
        why = (self._plan.mood is Mood.DRAINING, self._plan.given_up is not None)
        if why != self._withdrawn_for:  # nothing new is to begin: what no worker began comes back
            self._withdrawn_for = why
            self._pool.withdraw()
        for command in turn.commands:
            if type(command) is Submit:
                self._waiting.append(command)
            elif type(command) is Yield:
                results.append(command)
            elif type(command) is Kill:
                self._kill(command.task, command.attempt, command.cause)
            elif type(command) is Enter:
                entered = command
            elif type(command) is Reboot and self._rebooter is not None:
                self._rebooter.begin()
        took = time.perf_counter() - self._turn_began
        yield from self._give(results)
        self._ended.clear()
        if entered is not None:
            self._pool.enter(entered.group)
            self._inputs.append(PoolHasRoom(self._pool.room))  # so that there is another turn
        gave = time.perf_counter()
        self._hand_over(self._waiting)
        self._waiting = []
        self._window.turn_took(took + time.perf_counter() - gave, len(self._in_pool))

    def _give(self, results: Sequence[Yield]) -> Iterator[TaskRes]:
        result_of, check, slow = self._result, self.owner.check, self._window.caller_is_slow
        self.owes = bool(results)
        last = len(results) - 1
        self._window.caller_is_next()
        for given, (number, _) in enumerate(results):
            if given and self._waiting and slow():
                self._busy_the_idle(given)
            if given == last:
                self.owes = False
            yield result_of(number)
            check()  # the caller may have forked meanwhile

    def _busy_the_idle(self, given: int) -> None:
        """The caller is busy with the results; workers that are not get what does not follow from the next ones."""
        self._collect(until=self._clock())
        if len(self._in_pool) < self._pool.workers:
            self._hand_over([one for one in self._waiting if one.follows <= given])
            self._waiting = [one for one in self._waiting if one.follows > given]

    def _kill(self, task: int, attempt: int, cause: Cause) -> None:
        if task in self._in_pool:
            self._pool.kill(task, attempt, cause, STOP_GRACE)
        else:
            self._waiting = [one for one in self._waiting if (one.task, one.attempt) != (task, attempt)]
            self._inputs.append(Lost(task, attempt, Cause.WITHDRAWN))

    def _hand_over(self, submits: Sequence[Submit]) -> None:
        if not submits:
            return
        jobs = list(map(self._job_of, submits))
        tasks = [one.task for one in submits]
        # Before they may begin: what begins while an interrupt gets in between must not be taken for withdrawn.
        self._in_pool.update(tasks)
        try:
            self._pool.hand_over(jobs)
        except PoolError:  # then none of them begins
            self._in_pool.difference_update(tasks)
            raise

    def _result(self, number: int) -> TaskRes:
        tasks = self._plan.tasks
        # What is as `TaskRes` has it anyway, for nearly every task, is left out.
        attributes: dict[str, Any] = {"key": tasks.specs[number].key}
        attempt = tasks.attempts[number]
        if attempt != 1:
            attributes["attempt"] = attempt - tasks.withdrawn.get(number, 0)
        state, verdict = tasks.states[number], tasks.verdicts[number]
        if state is not _SUCCEEDED:
            attributes["state"] = state.word
        if verdict is not _PASS:
            attributes["verdict"] = verdict.word
        if tasks.reasons:
            attributes["reason"] = tasks.reasons.get(number)
        body = self._bodies[number]
        outcome = self._ended.get(number)
        if outcome is None:
            return task_result(body, {}, None, None, attributes)
        attributes["seconds"] = outcome.seconds
        if outcome.output is not None:
            attributes["output"] = outcome.output
        if outcome.results:
            attributes["results"] = tuple(outcome.results)
        return task_result(body, outcome.shared, outcome.ret, outcome.excinfo, attributes)

    # -- wait --------------------------------------------------------------------------------------------

    def _await_inputs(self, until: float = math.inf, pulse: Callable[[], None] | None = None) -> None:
        """Block until there is something to decide, or until then."""
        while True:
            next_pulse = math.inf if pulse is None else self._clock() + PULSE_S
            if self._inputs or (self._joining is not None and self._joining.has_some):  # since the last turn was taken
                self._collect(self._clock())
            elif self._collect(min(until, self._started_due(), next_pulse, *(one.due for one in self._timers))):
                self._hold(until)
            self._inputs.extend(self._due())
            now = self._clock()
            if self._inputs or self._requests or now >= min(until, self._started_due()):
                return
            if self._joining is not None and self._joining.has_some:
                return
            if pulse is not None:
                pulse()

    def _hold(self, until: float) -> None:
        """Tasks have ended, and nothing else happened: while the workers have enough to do, let more of them end."""
        hold = self._window.hold(len(self._in_pool))
        if hold is not None:
            self._collect(min(until, self._started_due(), self._clock() + hold.seconds), hold.ends)

    def _started_due(self) -> float:
        return self._began_since + STARTED_WITHIN if self._began or self._extended else math.inf

    def _due(self) -> list[Input]:
        """What the timers have to say."""
        return [one for timer in self._timers for one in timer.take()]

    def _collect(self, until: float = math.inf, enough: int = 1) -> bool:
        """Take the pool's reports, as inputs of the next turn. True if tasks have ended and nothing else happened."""
        ended: list[int] = []
        seconds = 0.0
        reports = self._pool.wait(until if until < math.inf else None, enough)
        left, happened = self._left, self._inputs.append
        endings = self._endings
        if reports:
            endings.look()
        is_trouble, limited = endings.is_trouble, endings.limited
        for report in reports:
            if type(report) is Ended:
                task, attempt, ending, outcome = report
                if is_trouble or task in limited or ending[0] is _REBOOT_ASKED:
                    ending = endings.as_told(task, ending, outcome)
                left[task] = outcome
                ended.append(task)
                seconds += outcome.seconds
                happened(_new(Finished, (task, attempt, ending)))
            else:
                self._take_other(report)
        if ended:
            # Only now: after an interrupt, what is in neither has never begun.
            self._in_pool.difference_update(ended)
            if self._began:
                for task in ended:
                    self._began.pop(task, None)
            self._window.tasks_took(seconds, len(ended))
        return 0 < len(ended) == len(reports)

    def _take_other(self, report: Report) -> None:
        match report:
            case Asks():
                self._requests.take(report)
            case Dropped(task, attempt, cause, surely_dead, reason, left):
                if left is not None:
                    self._left[task] = left
                    self._endings.lost(task, left)
                self._inputs.append(Lost(task, attempt, cause, surely_dead, reason))
                self._in_pool.discard(task)
                self._began.pop(task, None)
            case Began(task):
                if not self._began:
                    self._began_since = self._clock()
                self._began[task] = report
            case Extended(task):
                if not self._extended:
                    self._began_since = self._clock()
                self._extended[task] = report
            case Readable(descriptor):
                self._inputs.extend(self._sources[descriptor].take())

    # -- stop --------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Leave nothing running: what never began is withdrawn, the rest is stopped; all of it is recorded."""
        never_began = [one for one in self._waiting if one.task not in self._in_pool]
        self._inputs.extend(Lost(one.task, one.attempt, Cause.WITHDRAWN) for one in never_began)
        self._inputs.append(StopAsked("the caller left"))
        self._waiting = []
        owes = self.owes
        until = self._clock() + STOP_PATIENCE
        while True:
            turn = self._take()
            for _ in self._act(turn):
                owes = True  # what ends now is in the journal; nobody is there to be given it
            if not self._plan.in_flight or self._clock() >= until:
                break
            if not self._inputs and not self._pool.owes_reports:
                break  # an interrupt has lost a report; the next session finds out what began
            self._await_inputs(until)
        self.owes = owes

    def _drain(self) -> None:
        """The journal cannot be written: start nothing, let what runs end, and keep nothing of it."""
        self._pool.withdraw()
        while True:
            self._requests.refuse("the journal cannot be written: nothing is kept")
            if not self._pool.owes_reports:
                break
            self._collect(math.inf if self._pulse is None else self._clock() + PULSE_S)
            if self._pulse is not None:
                self._pulse()
