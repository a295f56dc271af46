"""Pausing, cancelling and unlocking from another process than the one that runs.

There is one writer to a journal. If somebody runs it, it is asked, and does what was asked when that is durable. If
nobody does, this process takes the run lock and does to the journal what the runner would have done: the plan is
restored, told what was asked, and what it decides is written. Nothing is run, and no pool is opened.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pexen_state.journal.control import ask
from pexen_state.journal.errors import JournalBusy, JournalMissing, NoRunner
from pexen_state.journal.lock import RunLock
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.queries import NotFound
from pexen_state.journal.records import HowEnded, RunRecord, RunState

if TYPE_CHECKING:
    from pexen_state.journal.writer import Journal

#: A runner needs some time between taking the lock and listening, and again at its end.
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Start nothing new. A paused run is gone on with by a person alone."""

    by: str = "pause"


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the whole run, or the task of that key."""

    task: str | None = None


@dataclass(frozen=True, slots=True)
class Unlock:
    """Free a lock that a task which has ended still holds; called as `core.lock_names.lock_text` writes it."""

    lock: str


Steering = Pause | Cancel | Unlock


class Steered(NamedTuple):
    """What became of it."""

    run: int
    is_run: bool  #: somebody runs it: it takes care of the rest
    in_flight: int = 0  #: attempts that the runner's pool still has
    is_over: bool = False  #: nobody ran it, and with this it came to its end
    was_so: bool = False  #: it was paused already: nothing was done


class _AnotherRun(Exception):
    """The runner runs another run of the journal."""

    def __init__(self, run: int) -> None:
        super().__init__(run)
        self.run = run


def steer(
    path: str | os.PathLike[str], asked: Steering, run_id: int | None = None, *, timeout_s: float = 10.0
) -> Steered:
    """Do it to that run; to the one that is being run, else to the newest unfinished one, if none is named.

    Raises NotFound for what cannot be done to the run (it is over, it has no such task, nobody left that lock held),
    JournalBusy if another run of the journal is being run, and other JournalErrors.
    """
    paths = JournalPaths.of(path)
    if not os.path.exists(paths.db):
        raise JournalMissing(
            f"there is no journal {paths.db}. `pexen run` makes one; an existing one is named with --journal."
        )
    body = _request(asked) | ({} if run_id is None else {"run": run_id})
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _ask_runner(paths, body, run_id, timeout_s)
        except NoRunner:
            pass
        except _AnotherRun as other:
            raise JournalBusy(
                f"run {other.run} of the journal {paths.db} is being run now, and run {run_id} is not: nothing else "
                f"can be written until that ends. Wait for it, or steer run {other.run}."
            ) from None
        try:
            lock = RunLock.acquire(paths.db)
        except JournalBusy:
            if time.monotonic() > until:
                raise
            continue  # somebody has begun meanwhile, and may listen by now
        with lock:
            return _steer_alone(lock, asked, body, run_id)


def _request(asked: Steering) -> dict[str, Any]:
    match asked:
        case Pause(by):
            return {"do": "pause", "by": by}
        case Cancel(None):
            return {"do": "cancel"}
        case Cancel(key):
            return {"do": "cancel", "task": key}
        case Unlock(text):
            return {"do": "unlock", "text": text}


def _ask_runner(paths: JournalPaths, body: dict[str, Any], run_id: int | None, timeout_s: float) -> Steered:
    answer = ask(paths.db, body, timeout_s)
    run = int(answer.get("run", run_id or 0))
    if run_id is not None and run != run_id:
        raise _AnotherRun(run)
    if not answer["ok"]:
        raise NotFound(f"run {run}: {answer['error']}.")
    return Steered(run, True, int(answer.get("in_flight", 0)))


def _steer_alone(lock: RunLock, asked: Steering, body: dict[str, Any], run_id: int | None) -> Steered:
    # Not before it is needed: who asks a runner loads no database.
    from pexen_state.journal.lives import Today, lives
    from pexen_state.journal.writer import Journal
    from pexen_state.sched.pool.strays import kill_strays

    journal = Journal.open(lock, create=False)
    try:
        if (last := journal.last_uuid()) is not None:
            kill_strays(last, lock.paths.slots)
        record = _unfinished(journal, body["do"], run_id)
        life = next(lives(journal.fetch, record.id, Today.of(journal.paths.db)), None)
        if isinstance(asked, Pause) and life is not None and life.how_ended is HowEnded.PAUSED:
            return Steered(record.id, False, was_so=True)
        return _write(journal, record, asked, body)
    finally:
        journal.close()


def _unfinished(journal: Journal, what: str, run_id: int | None) -> RunRecord:
    record = journal.unfinished_run() if run_id is None else journal.run(run_id)
    if record is None and run_id is None:
        raise NotFound(f"there is nothing to {what}: every run of {journal.paths.db} is over.")
    if record is None:
        raise NotFound(f"the journal has no run {run_id}. `pexen runs` lists them.")
    if record.state is not RunState.UNFINISHED:
        hint = " A new run begins with all locks free." if what == "unlock" else ""
        raise NotFound(f"run {record.id} is over ({record.state.word}): there is nothing to {what}.{hint}")
    return record


def _write(journal: Journal, record: RunRecord, asked: Steering, body: dict[str, Any]) -> Steered:
    from pexen_state.journal.lives import Today
    from pexen_state.journal.standing import restored
    from pexen_state.sched.control import input_of
    from pexen_state.sched.ending import end_state, worst_verdict
    from pexen_state.sched.interrupted import interruption_of, left_by
    from pexen_state.sched.pool.slots import begun_marks

    plan = restored(journal.saved_tasks(record.id), journal.interventions(record.id))
    try:
        told = input_of(plan, body)
    except ValueError as error:
        raise NotFound(f"run {record.id}: {error}.") from None
    today, marks = Today.of(journal.paths.db), begun_marks(journal.paths.slots)
    lost = interruption_of(journal.fetch, record.id, marks, today).inputs(plan)
    # A run may be unfinished though all its tasks have ended: somebody has not been given the last results. That is for
    # a resume to mend; who cancels it gives them up, and cancels nothing else.
    had_ended = plan.is_over
    left = left_by(plan, lost, journal.paths, record.id)
    decisions = plan.handle(*lost, told).decisions
    is_over = plan.is_over and (not had_ended or isinstance(asked, Cancel))
    if is_over:
        over = (end_state(plan), worst_verdict(plan))
        journal.write_session(record.id, decisions, HowEnded.FINISHED, over, left)
    else:
        how = HowEnded.PAUSED if isinstance(asked, Pause) else HowEnded.STEERED
        journal.write_session(record.id, decisions, how, ended=left)
    return Steered(record.id, False, is_over=is_over)
