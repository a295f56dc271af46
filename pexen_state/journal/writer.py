"""The journal as its only writer sees it: runs, sessions, and one transaction a turn.

What is decided is written here, and flushed, before anybody may see it or act on it. The truth is appended
(`transition`, `run_event`); the projection in `task` changes in the same transaction, by compare-and-swap. After a
write that failed nothing more is written, but for the end of the session, through a fresh connection: whether the
last turn is in the file is unknown until somebody opens it again.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

import pexen_state
from pexen_state.core.decisions import Decision, Intervention
from pexen_state.core.states import Verdict
from pexen_state.journal import restore, statements
from pexen_state.journal.beside import refuse_beside_another
from pexen_state.journal.clock import Clock, WatchedClock, steady_clock_us, wall_clock_us
from pexen_state.journal.errors import JournalError
from pexen_state.journal.event_kinds import EventKind
from pexen_state.journal.identity import ProcessIdentity, process_identity
from pexen_state.journal.ids import ids_of, task_base
from pexen_state.journal.lives import Today, how_it_ended
from pexen_state.journal.lock import RunLock
from pexen_state.journal.opening import open_journal
from pexen_state.journal.records import (
    Beginning,
    Checkpoint,
    HowEnded,
    Left,
    NewTask,
    RunRecord,
    RunState,
    SavedTask,
)
from pexen_state.journal.resuming import Resuming
from pexen_state.journal.specs import sql_text
from pexen_state.journal.store import Store
from pexen_state.journal.tables import Tables
from pexen_state.journal.turn import Memory, Row, added_event, join, lay_out
from pexen_state.journal.values import encode

_DECISION_BYTES = 1024  # a decision, in the table, in the write-ahead log and twice for safety


class Journal:
    """Made by `open`, under the run lock. Methods raise JournalError."""

    def __init__(self, connection: Connection, lock: RunLock, clock: WatchedClock) -> None:
        self.paths = lock.paths
        self._store = Store(connection, lock)
        self._tables = Tables(self._store, lock.paths.db)
        self._wall = clock
        self._clock = clock.now
        self._base = f"{lock.paths.parent}/"
        self._memory: Memory | None = None
        self._session: int | None = None

    @classmethod
    def open(cls, lock: RunLock, create: bool = True, clock: Clock | None = None) -> Journal:
        """Open the journal whose lock is held; make it, or upgrade it after a backup, where that is due.

        `clock` is one that nobody sets; by default it is that of the box, which is watched.
        """
        watched = WatchedClock(wall_clock_us, steady_clock_us) if clock is None else WatchedClock(clock, None)
        journal = cls(open_journal(lock.paths, create=create), lock, watched)
        try:
            refuse_beside_another(journal.fetch, lock.paths)
        except BaseException:
            journal.close()
            raise
        return journal

    # == runs and sessions ===============================================================================

    def begin_run(
        self,
        name: str,
        target: Any,
        options: Mapping[str, Any],
        tasks: Sequence[NewTask],
        shared_json: str | None = None,
        parent: int | None = None,
        supersedes: bool = True,
    ) -> int:
        """A new run of the suite `name`. Unfinished ones are superseded by it, if it `supersedes`. Returns its id.

        `target` and `options` are what `json` can write. Raises NotEncodable if a name that a task requires,
        provides or locks is not made of JSON scalars and tuples.
        """
        at_us = self._clock()
        params = options.get("params")
        said = (
            str(uuid.uuid4()),
            sql_text(name),
            _for_people(target),
            json.dumps(params) if params else None,
            json.dumps({"target": target, "options": dict(options)}),
            shared_json,
            parent,
            at_us,
        )
        with self._store.transaction():
            if supersedes:
                self._store.run(statements.SUPERSEDE_RUNS, [(at_us, sql_text(name))])
            (run,) = self._store.fetch(statements.INSERT_RUN, said)[0]
            seq = self._store.fetch(statements.LAST_SEQ, ())[0][0]
            memory = Memory(run, seq)
            self._tables.insert_tasks(memory, join(memory, 1, tasks), len(tasks))
            if tasks:
                memory.seq += 1
                self._store.run(statements.INSERT_EVENT, [added_event(memory, 1, len(tasks), at_us)])
        self._memory = memory
        return int(run)

    def add_tasks(self, first_number: int, tasks: Sequence[NewTask]) -> None:
        """Tasks that join the run. They are written with the next `append`, which holds the decision `Added`."""
        self._tables.keep_tasks(join(self._of_run(), first_number, tasks))

    def set_fingerprints(self, fingerprints: Mapping[int, bytes]) -> None:
        """Of tasks that are sent back, by number. Written with the next `append`, which holds that decision."""
        self._tables.keep_fingerprints(task_base(self._of_run().run), fingerprints)

    def unfinished_run(self, name: str | None = None) -> RunRecord | None:
        """The newest unfinished run of that suite, or of any."""
        suite = name if name is None else sql_text(name)
        with self._store.sense():
            found = restore.runs(self._store.read, "state = 0 AND (? IS NULL OR name = ?)", (suite, suite))
        return found[0] if found else None

    def run(self, run_id: int) -> RunRecord | None:
        with self._store.sense():
            found = restore.runs(self._store.read, "id = ?", (run_id,))
        return found[0] if found else None

    def last_uuid(self) -> str | None:
        """The uuid of the run that the last session was of, whatever became of it; None if there was no session."""
        found = self._store.read(statements.LAST_UUID, ())
        return found[0][0] if found else None

    @property
    def fetch(self) -> restore.Fetch:
        """Runs a query for who only looks, and returns all of its rows."""
        return self._store.read

    def begin_session(
        self, run_id: int, facts: Mapping[str, Any] | None = None, panics: Sequence[str] | None = None
    ) -> int:
        """From now on this process writes decisions of that run. Returns the session's id.

        `panics` are those that the box has kept until now; None: nobody has looked.

        Sessions that never said how they ended are closed, as `lives.how_it_ended` finds out.
        """
        told = [(sql_text(name), _plain(value, name)) for name, value in (facts or {}).items()]
        with self._store.transaction():
            memory, session = self._begin_session(run_id, panics)
            self._store.run(statements.INSERT_FACT, [(session, *fact) for fact in told])
        self._memory, self._session = memory, session
        return session

    def facts(self, run_id: int) -> dict[str, Any]:
        """About the box, when the run began: as they were stored, which is numbers and texts."""
        rows = self._store.fetch(statements.FIRST_FACTS, (run_id,))
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in rows}

    def write_session(
        self,
        run_id: int,
        decisions: Sequence[Decision],
        how_ended: HowEnded,
        over: tuple[RunState, Verdict] | None = None,
        ended: Mapping[int, Left] | None = None,
    ) -> None:
        """A whole session at once, of somebody who decides and runs nothing; `over` is what the run ends with.

        `ended` is what attempts left that were in flight when the last runner died, by their task.

        One transaction: if this process is killed nobody finds the session open, as if a runner had died in it.
        """
        self._store.look_around(len(decisions) * _DECISION_BYTES)
        with self._store.all_or_the_end():
            self._memory, session = self._begin_session(run_id)
            now = self._clock()
            self._tables.write(self._memory, lay_out(decisions, (), ended or {}, self._memory, now, self._base))
            if over is not None:
                self._store.run(statements.END_RUN, [(int(over[0]), int(over[1]), now, run_id)])
            last_seq = self._store.fetch(statements.LAST_SEQ, ())[0][0]
            self._store.run(statements.END_SESSION, [(int(how_ended), last_seq, now, 0, session)])

    def _begin_session(self, run_id: int, panics: Sequence[str] | None = None) -> tuple[Memory, int]:
        """Within a transaction."""
        at_us, today, box = self._clock(), Today.of(self.paths.db), os.uname()
        who = process_identity(os.getpid())
        assert who is not None
        last_seq = self._store.fetch(statements.LAST_SEQ, ())[0][0]
        for session, pid, start, boot, began_us, last_us, rebooted in self._store.fetch(statements.OPEN_SESSIONS, ()):
            how = how_it_ended(None, ProcessIdentity(pid, start, boot), bool(rebooted), today)
            ended_us = began_us if last_us is None else last_us
            self._store.run(statements.END_SESSION, [(int(how), last_seq, ended_us, 0, session)])
        memory = self._memory
        if memory is None or memory.run != run_id:
            memory = self._remember(run_id, last_seq)
        self._store.run(statements.REOPEN_RUN, [(run_id,)])
        (session,) = self._store.fetch(
            statements.INSERT_SESSION,
            (
                run_id,
                who.pid,
                who.start,
                today.boot_id,
                box.nodename,
                box.release,
                pexen_state.__version__,
                platform.python_version(),
                memory.seq + 1,
                at_us,
                None if panics is None else json.dumps(panics),
            ),
        )[0]
        return memory, int(session)

    def _remember(self, run_id: int, seq: int) -> Memory:
        if not self._store.fetch("SELECT id FROM run WHERE id = ?", (run_id,)):
            raise JournalError(f"the journal {self.paths.db} has no run {run_id}. `pexen runs` lists them.")
        ids, base = ids_of(run_id), task_base(run_id)
        memory = Memory(run_id, seq, (self._store.fetch(statements.LAST_TASK, ids)[0][0] or base) - base)
        for task, withdrawn, reboots, mark in self._store.fetch(statements.COUNTED, ids):
            if withdrawn:
                memory.withdrawn[task - base] = withdrawn
            if reboots:
                memory.reboots[task - base] = reboots
            if mark is not None:
                memory.marks[task - base] = mark
        for task, attempt, opened, at_us, begun in self._store.fetch(statements.IN_FLIGHT, ids):
            memory.open[task - base] = (attempt, opened, at_us)
            if begun is not None:
                memory.begun.add(task - base)
        return memory

    def end_session(self, how_ended: HowEnded | str) -> None:
        """Say how this life of the runner ended. After a failed write this goes through a fresh connection."""
        if self._session is None:
            return
        if self._store.failure is not None:
            self._store.refresh()
            self._memory = None  # may be ahead of the file
        how = HowEnded[how_ended.upper()] if isinstance(how_ended, str) else how_ended
        with self._store.transaction():
            last_seq = self._store.fetch(statements.LAST_SEQ, ())[0][0]
            end = (int(how), last_seq, self._clock(), self._wall.set_by(), self._session)
            self._store.run(statements.END_SESSION, [end])
        self._session = None

    def end_run(self, state: RunState | str, verdict: Verdict | str = Verdict.NONE) -> None:
        """The run is over: `finished` or `cancelled`."""
        how = RunState[state.upper()] if isinstance(state, str) else state
        what = Verdict[verdict.upper()] if isinstance(verdict, str) else verdict
        with self._store.transaction():
            self._store.run(statements.END_RUN, [(int(how), int(what), self._clock(), self._of_run().run)])

    def followed(self, run_id: int, data: Mapping[str, Any]) -> None:
        """What was to follow that run's end was done. No session is needed: nothing is decided about the run."""
        with self._store.transaction():
            (last_seq,) = self._store.fetch(statements.LAST_SEQ, ())[0]
            row = (last_seq + 1, run_id, int(EventKind.FOLLOWED), json.dumps(dict(data)), self._clock())
            self._store.run(statements.INSERT_EVENT, [row])
        self._memory = None  # it does not know of that number

    # == a turn ==========================================================================================

    def append(
        self,
        decisions: Sequence[Decision],
        began: Iterable[Beginning] = (),
        ended: Mapping[int, Left] | None = None,
        checkpoints: Iterable[Checkpoint] = (),
    ) -> None:
        """Write a turn in one transaction, and wait for the disk.

        `ended` holds what attempts left, by their task, since at most one attempt of a task ends in a turn; an attempt
        that ends without is closed all the same.
        Times are taken here, one for the turn, in microseconds since 1970.

        Raises JournalConflict if a task is not where its decision starts from: another process wrote to this run,
        and nothing was written. Raises JournalWriteError if the disk failed.
        """
        if self._session is None:
            raise JournalError("decisions are written within a session: call begin_session() first")
        memory = self._of_run()
        self._store.look_around(len(decisions) * _DECISION_BYTES)
        with self._store.all_or_the_end():
            now = self._clock()
            kept = [row for one in checkpoints for row in _checkpoint_rows(one, memory, now)]
            self._tables.write(memory, lay_out(decisions, began, ended or {}, memory, now, self._base))
            self._store.run(statements.INSERT_CHECKPOINT, kept)
            if set_by := self._wall.set_by():
                self._store.run(statements.CLOCK_WAS_SET, [(set_by, self._session)])

    @property
    def log_bytes(self) -> int:
        """Of the write-ahead log, before the latest turn: it grows without end while somebody reads."""
        return self._store.log_bytes

    def checkpoint(self, task: int, key: str) -> Any:
        """What a task of this run kept under that key last, None for nothing."""
        found = self._store.read(statements.CHECKPOINT, (task_base(self._of_run().run) + task, sql_text(key)))
        return json.loads(found[0][0]) if found else None

    # == what was written ================================================================================

    def saved_tasks(self, run_id: int | None = None) -> list[SavedTask]:
        """Every task: first those that have ended, in the order in which they did. Of this run if none is named."""
        with self._store.sense():
            return restore.saved_tasks(self._store.read, self._which(run_id))

    def resuming(self, run_id: int | None = None) -> Resuming:
        """Who the tasks of a run are and what they left, to go on with it."""
        return Resuming(self._store.read, self._which(run_id), self.paths.parent, self._store.sense)

    def decisions(self, run_id: int | None = None) -> Iterator[Decision]:
        """All that was decided, for a replay: what `append` was given, and `Added` for the tasks of `begin_run`."""
        return restore.decisions(self._store.read, self._which(run_id))

    def interventions(self, run_id: int | None = None) -> list[tuple[int, Intervention]]:
        """(seq, decision) of each lock that a person freed, to be woven in by SavedTask.ended_seq, and of what was
        cancelled, which is about tasks that may be in flight still and so comes after all of them.
        """
        return restore.interventions(self._store.read, self._which(run_id))

    def close(self) -> None:
        """Close the file. The lock stays the caller's."""
        self._store.close()

    def _of_run(self) -> Memory:
        if self._memory is None:
            raise JournalError("no run is open: call begin_run() or begin_session() first")
        return self._memory

    def _which(self, run_id: int | None) -> int:
        return self._of_run().run if run_id is None else run_id


def _checkpoint_rows(one: Checkpoint, memory: Memory, at_us: int) -> Iterator[Row]:
    """Those of attempts that are in flight: who is not can keep nothing more."""
    if one.task in memory.open:
        _, opened, _ = memory.open[one.task]
        yield task_base(memory.run) + one.task, opened, sql_text(one.key), json.dumps(one.value), at_us


def _for_people(target: Any) -> str:
    if isinstance(target, str):
        return sql_text(target)
    if isinstance(target, list | tuple) and all(isinstance(one, str) for one in target):
        return sql_text(shlex.join(target))
    return json.dumps(target)


def _plain(fact: Any, name: str) -> Any:
    if fact is None or isinstance(fact, int | float):
        return fact
    return sql_text(fact) if isinstance(fact, str) else encode(fact, f"the fact {name}")
