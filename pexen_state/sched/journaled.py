"""A session of a run that is journaled: take the lock, begin the run or match it with what the journal knows,
replay, go on.

The order matters. The run lock comes first. The keeper is forked before the journal is opened, so that no
child has a descriptor of it. What the last session left in flight is settled in the first turn, and only once
that is durable may the notes about it (the slot file) be replaced.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pexen_state.box.facts import differences, facts, restored
from pexen_state.box.last_words import kept_panics, last_words
from pexen_state.box.life import boot_id, box_life, is_going_down
from pexen_state.box.rebooting import reboot_command
from pexen_state.core.decisions import Cancelled, Decision, GivenUp, Intervention
from pexen_state.core.inputs import ConditionsKnown, RunOpened
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.journal import codec
from pexen_state.journal.errors import JournalError, JournalWriteError
from pexen_state.journal.growth import LogWatch, hint_about
from pexen_state.journal.lives import Today, marks_of, time_spent, time_worked
from pexen_state.journal.lock import RunLock
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.place import warning_about
from pexen_state.journal.records import (
    Checkpoint,
    HowEnded,
    Left,
    NewTask,
    RunRecord,
    RunState,
)
from pexen_state.journal.standing import woven
from pexen_state.journal.writer import Journal
from pexen_state.sched import amounts
from pexen_state.sched.asked import OF_TASKS, RunAsked
from pexen_state.sched.checks import check_names
from pexen_state.sched.common import Opened, RunOver, RunParked, SchedulerError, TaskRes
from pexen_state.sched.conditions import Conditions, check_recorded, tell_of_other_decisions, tell_of_other_params
from pexen_state.sched.control import Control
from pexen_state.sched.ending import end_session
from pexen_state.sched.garbage import all_frozen, collector_paused
from pexen_state.sched.identity import Fingerprints
from pexen_state.sched.inbox import Inbox
from pexen_state.sched.interrupted import CutOff, Interrupted, interruption_of, left_by
from pexen_state.sched.jobs import JournaledJobMaker
from pexen_state.sched.joining import Earlier, Joining
from pexen_state.sched.kernel_watch import watch_for
from pexen_state.sched.loop import STOP_GRACE, Loop
from pexen_state.sched.match import Match, check_keys, match_tasks, some
from pexen_state.sched.order import numbers_in
from pexen_state.sched.owner import Owner, OwnStack
from pexen_state.sched.parking import why_parked
from pexen_state.sched.partners import Source
from pexen_state.sched.passed import passed_before
from pexen_state.sched.pool.base import Began, Outcome, Pool
from pexen_state.sched.pool.results import after_changes, texts_of
from pexen_state.sched.pool.slots import BegunMarks, begun_marks
from pexen_state.sched.pool.strays import kill_strays
from pexen_state.sched.rebooter import Rebooter
from pexen_state.sched.replay import replay
from pexen_state.sched.shared import SharedStore
from pexen_state.sched.specs import Callables
from pexen_state.sched.time_limits import RunClock, TimeSpent
from pexen_state.util import PexenWarning

#: Seconds to wait for a journal that somebody else holds, unless it is clear that they go on.
LOCK_WAIT = 10.0


class JournalLedger:
    """Hands each turn to the journal, in its words."""

    def __init__(self, journal: Journal, pool: Pool, new_slots: str, slots: str) -> None:
        self.left: Mapping[int, Left] = {}  #: of attempts that the last session left in flight, by task
        self._journal = journal
        self._pool = pool
        self._new_slots: str | None = new_slots
        self._slots = slots
        self._log = LogWatch()

    def append(
        self,
        decisions: Sequence[Decision],
        began: Sequence[Began],
        ended: Mapping[int, Outcome],
        checkpoints: Sequence[Checkpoint] = (),
    ) -> None:
        self._journal.append(decisions, began, {**self.left, **ended} if self.left else ended, checkpoints)
        self.left = {}
        if self._new_slots is not None:
            # Only now is it durable what became of the attempts that the last session's slot file tells of.
            try:
                os.replace(self._new_slots, self._slots)
            except OSError as error:
                # What begins now would be taken for never begun.
                raise JournalWriteError(
                    f"the slot file {self._slots} cannot be replaced ({error.strerror}). What was committed is safe. "
                    "Look at the disk, then `pexen resume`."
                ) from error
            self._pool.slots_moved(self._slots)
            self._new_slots = None
        _warn_of_text_only(ended.values())
        if (warning := self._log.warning(self._journal.paths.wal, self._journal.log_bytes)) is not None:
            warnings.warn(warning, PexenWarning, stacklevel=2)

    def add_tasks(self, first: int, tasks: Sequence[NewTask]) -> None:
        self._journal.add_tasks(first, tasks)

    def set_fingerprints(self, fingerprints: Mapping[int, bytes]) -> None:
        self._journal.set_fingerprints(fingerprints)

    def checkpoint(self, task: int, key: str) -> Any:
        return self._journal.checkpoint(task, key)


def _warn_of_text_only(outcomes: Iterable[Outcome]) -> None:
    """Say it now, not at the resume, when what a task returned will not come back."""
    told = [one.ret_json for one in outcomes if one.ret_json is not None and codec.is_text_only(one.ret_json)]
    if told:
        warnings.warn(
            f"{len(told)} return values cannot be written to the journal exactly, such as {codec.decode(told[0])}: "
            "a resumed run has their text alone",
            PexenWarning,
            stacklevel=2,
        )


def run_journaled(
    asked: RunAsked, pool: Pool, callables: Callables, inbox: Inbox, joining: Joining
) -> Iterator[TaskRes]:
    """One session: the results of earlier sessions first, then those of what is left."""
    check_keys(callables.specs)
    now = dict(asked.facts) if asked.facts is not None else facts(directory=os.path.dirname(asked.path))
    paths = JournalPaths.of(asked.path)
    with OwnStack() as stack:
        lock = stack.enter_context(locked(asked))
        over = _Over(asked, lock)
        stack.push(over.tell)  # before the lock is given up, when all else is closed
        marks = begun_marks(paths.slots)
        new_slots = f"{paths.slots}.new"
        # Not ours to close if somebody else uses it.
        pool.open(journaled=True, slots=new_slots, keep_fds=[lock.fd], on_keeper=lock.record_keeper)
        stack.callback(_remove, new_slots)
        stack.callback(pool.close, STOP_GRACE)
        journal = Journal.open(lock)
        stack.callback(journal.close)
        if (last := journal.last_uuid()) is not None:
            kill_strays(last, paths.slots)  # the keeper did, unless it was killed itself
        with collector_paused():
            run, match, interrupted = begin_or_match(asked, journal, callables, marks)
            said = asked.options.get("resources") or run.options.get("resources")
            coming = [task.spec for task in match.added]
            there = amounts.totals(said, [*match.specs, *coming], now)
            order = numbers_in(asked.order, match.specs, asked.usual)
            plan = Plan(match.specs, max_fail=asked.max_fail, resources=there, order=order)
        base = codec.decode(run.shared) if run.shared is not None else {}
        if asked.planned is not None:
            asked.planned(plan)
        past = journal.resuming(run.id)
        joining.begin(plan, match.bodies, is_journaled=True, earlier=Earlier(coming, match.absent, match.calls))
        shared = SharedStore(
            plan, base, coming, match.may_end_again, lambda task, got: after_changes(got, past.changes_of(task))
        )
        left = interrupted.cut_off(match.under_way)
        control = stack.enter_context(Control.open(asked.path, run.id, plan, pool))
        limited = [task for task in match.under_way if task.spec.total_timeout is not None]
        spent = TimeSpent(
            time_spent(journal.fetch, run.id, [task.number for task in limited if task.number not in match.sent_back])
        )
        job_of = JournaledJobMaker(
            plan,
            match.bodies,
            shared,
            spent,
            paths=paths,
            run=run.id,
            uuid=run.uuid,
            capture=asked.capture,
            marks=marks_of(journal.fetch, run.id, match.under_way),
            params=run.options.get("params"),
            is_marked=lambda spec: asked.kernel and spec.kernel != "ignore" and pool.limit <= pool.workers + 1,
        )
        kernel = watch_for(match.specs, asked.kernel)
        if kernel is not None:
            stack.callback(kernel.close)
        ledger = JournalLedger(journal, pool, new_slots, paths.slots)
        sources: list[Source] = [inbox, control]
        loop = Loop(
            plan,
            pool,
            ledger,
            shared,
            sources,
            match.bodies,
            job_of,
            spent=spent,
            opened=RunOpened(box_life(), asked.may_reboot),
            rebooter=_rebooter(asked, interrupted),
            kernel=kernel,
            timers=_run_clock(asked, journal, run),
            careful=bool(left.keys),
            pulse=asked.pulse,
            joining=joining,
        )
        began = restored(journal.facts(run.id))
        conditions = Conditions(run.options.get("params"), lambda: now)
        journal.begin_session(run.id, facts=now, panics=kept_panics())
        stack.push(_Session(journal, plan, loop, over, run.id).end)
        if asked.announce is not None:
            asked.announce(_opened(run, match, left, differences(began, now) if began else []))
        if match.is_resumed:
            done = journal.interventions()
            told = woven(past.ended(done), match.under_way, done)
            yield from _while_ours(replay(plan, told, shared, match.bodies, match.sent_back), loop.owner)
            tell_of_other_decisions(plan, conditions, match.decides_again)
            tell_of_other_params(asked.options.get("params"), run.options.get("params"))
            if "max_fail" in asked.overrides:
                plan.limit_from_now(asked.max_fail, match.sent_back)
        lost = interrupted.inputs(plan)
        ledger.left = left_by(plan, lost, paths, run.id, interrupted.words)
        if match.added:
            journal.add_tasks(len(plan.tasks) + 1, match.added)
        journal.set_fingerprints(match.fingerprints)
        stack.enter_context(all_frozen())
        before = [*lost, *match.before, ConditionsKnown(conditions.applies, match.decides_again)]
        if asked.skip_passed_in is not None:
            before.append(passed_before(journal.fetch, asked.skip_passed_in, [*match.specs, *coming], match.bodies))
        if asked.park and (why := why_parked(interrupted.lives)) is not None:
            unfinished = plan.unfinished
            yield from loop.settle(before)
            if plan.unfinished == unfinished:  # else a culprit was found
                raise RunParked(f"run {run.id} is parked: {why}. `pexen resume` goes on with it.")
            before = []
        yield from loop.run(before)


def _run_clock(asked: RunAsked, journal: Journal, run: RunRecord) -> list[RunClock]:
    if asked.run_timeout is None:
        return []
    return [RunClock(asked.run_timeout, time_worked(journal.fetch, run.id))]


def _rebooter(asked: RunAsked, interrupted: Interrupted) -> Rebooter:
    boots = len({life.boot_id for life in interrupted.lives} | {boot_id()})
    return Rebooter(reboot_command(asked.reboot_command), boots, asked.max_boots)


def _while_ours(results: Iterator[TaskRes], owner: Owner) -> Iterator[TaskRes]:
    for result in results:
        yield result
        owner.check()  # the caller may have forked meanwhile


def locked(asked: RunAsked) -> RunLock:
    paths = JournalPaths.of(asked.path)
    for warning in (warning_about(paths), hint_about(paths)):
        if warning is not None:
            warnings.warn(warning, PexenWarning, stacklevel=2)
    if asked.wait_for_journal:
        return RunLock.acquire(asked.path, wait_s=math.inf, patience_s=math.inf)
    return RunLock.acquire(asked.path, wait_s=LOCK_WAIT)


def _remove(path: str) -> None:
    with suppress(OSError):  # it has taken its place, or is made anew by the next session
        os.unlink(path)


def _opened(run: RunRecord, match: Match, left: CutOff, changed: list[tuple[str, Any, Any]]) -> Opened:
    tasks = len(match.specs) + len(match.added)
    finished = match.finished - len(match.sent_back)
    return Opened(
        run.id,
        run.name,
        match.is_resumed,
        tasks,
        finished,
        left.keys,
        match.superseded,
        left.is_sure,
        left.named,
        tuple(changed),
    )


def begin_or_match(
    asked: RunAsked, journal: Journal, callables: Callables, marks: BegunMarks | None
) -> tuple[RunRecord, Match, Interrupted]:
    """(the run, its tasks, how it was interrupted)."""
    record = _run_to_resume(asked, journal)
    if record is not None:
        # What was given up, or cancelled by a person, is not to run again.
        rerun = asked.rerun_changed and not any(map(_ends_the_run, journal.interventions(record.id)))
        past = journal.resuming(record.id)
        match = match_tasks(callables, past.recorded(), OF_TASKS.intersection(asked.overrides), rerun, past.late())
        # What a task that is no longer there has provided, or would have, is no mistake of the caller's.
        if not (callables.all_would_run and match.is_as_recorded):
            specs = [*match.specs, *(task.spec for task in match.added)]
            check_names(list(map(_loosely, specs)) if any(past.late()) else specs)
        _tell_of_other_shared(asked.shared, record.shared)
        match.under_way = past.under_way()
        match.decides_again = rerun
        check_recorded(match.specs)
        today = Today.of(asked.path)
        return record, match, interruption_of(journal.fetch, record.id, marks, today, last_words)
    if not callables.all_would_run:
        check_names(callables.specs)
    if asked.parent is not None and journal.run(asked.parent) is None:
        raise SchedulerError(f"there is no run {asked.parent} in {journal.paths.db}: `pexen runs` lists them")
    if asked.skip_passed_in is not None and journal.run(asked.skip_passed_in) is None:
        raise SchedulerError(f"there is no run {asked.skip_passed_in} in {journal.paths.db}: `pexen runs` lists them")
    before = journal.unfinished_run(asked.name) if asked.supersedes else None
    base = codec.encode(dict(asked.shared), "shared") if asked.shared else None
    fingerprints = Fingerprints().of_all(callables.bodies)
    tasks = list(map(NewTask._make, zip(callables.specs, fingerprints, strict=True)))
    run_id = journal.begin_run(
        asked.name, asked.target, asked.options, tasks, base, asked.parent, supersedes=asked.supersedes
    )
    record = journal.run(run_id)
    assert record is not None
    match = Match(list(callables.specs), [None, *callables.bodies])
    match.superseded = before.id if before is not None else None
    return record, match, Interrupted()


def _loosely(spec: TaskSpec) -> TaskSpec:
    """Without what a task waits for only if it is there in time: who joined the run may have come after its end."""
    return spec._replace(requires=(*spec.requires, *spec.requires_all), requires_all=(), after=())


def _ends_the_run(intervention: tuple[int, Intervention]) -> bool:
    _, decision = intervention
    return isinstance(decision, GivenUp) or (isinstance(decision, Cancelled) and decision.whole_run)


def _tell_of_other_shared(ours: Mapping[str, Any], recorded_json: str | None) -> None:
    """What was set for everybody when the run began holds for all of it."""
    recorded = codec.decode(recorded_json) if recorded_json is not None else {}
    before = texts_of(recorded)
    differ = [key for key, text in texts_of(dict(ours)).items() if text is None or before.get(key) != text]
    if differ:
        warnings.warn(
            f"{len(differ)} values of shared are not what they were when the run began, which holds: {some(differ)}",
            PexenWarning,
            stacklevel=2,
        )


def _run_to_resume(asked: RunAsked, journal: Journal) -> RunRecord | None:
    if asked.run_id is not None:
        record = journal.run(asked.run_id)
        if record is None:
            raise SchedulerError(f"there is no run {asked.run_id} in {journal.paths.db}: `pexen runs` lists them")
        if record.state is not RunState.UNFINISHED:
            raise RunOver(f"nothing to resume: run {record.id} is {record.state.word}. `pexen run` begins another.")
        return record
    return journal.unfinished_run(asked.name) if asked.resume else None


class _Over:
    """Tells whoever wants to know that the run has come to its end, while nobody else can write to the journal."""

    def __init__(self, asked: RunAsked, lock: RunLock) -> None:
        self.run: int | None = None  #: which run did
        self._finish = asked.finish
        self._lock = lock

    def tell(self, kind: type[BaseException] | None, _error: BaseException | None, _: object) -> None:
        has_failed = kind is not None and issubclass(kind, Exception)
        if self.run is not None and self._finish is not None and not has_failed:
            self._finish(self._lock, self.run)


class _Session:
    """Writes how the session ended, and the run's end if it is over."""

    def __init__(self, journal: Journal, plan: Plan, loop: Loop, over: _Over, run: int) -> None:
        self._journal = journal
        self._plan = plan
        self._loop = loop
        self._over = over
        self._run = run

    def end(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        broken = kind is not None and issubclass(kind, Exception)
        if self._loop.is_torn or isinstance(error, JournalError):
            with suppress(JournalError):  # the next session finds out what was written
                self._journal.end_session(HowEnded.FAILED if broken else HowEnded.STOPPED)
        elif self._plan.is_over and (self._plan.is_cancelled or not self._loop.owes):
            end_session(self._journal, self._plan, HowEnded.FINISHED)
            self._over.run = self._run
        elif isinstance(error, RunParked):
            self._journal.end_session(HowEnded.PARKED)
        elif broken:
            self._journal.end_session(HowEnded.FAILED)
        else:
            self._journal.end_session(self._how())

    def _how(self) -> HowEnded:
        """Of a session that ended in good order, before the run did."""
        if self._plan.is_rebooting:
            return HowEnded.REBOOTED
        if is_going_down():
            return HowEnded.SHUTDOWN
        return HowEnded.PAUSED if self._plan.paused_by is not None else HowEnded.STOPPED
