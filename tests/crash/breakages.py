"""Deliberate breakages of the runner, each of which the crash tests must catch. They test the tests.

A breakage is installed in the process of one session, by replacing what it names. Nothing else uses them.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from pexen_state.core.commands import Submit
from pexen_state.core.decisions import Decision
from pexen_state.core.plan import Plan, Turn
from pexen_state.core.states import Locks
from pexen_state.journal import engine, lock, statements, writer
from pexen_state.journal.records import Checkpoint, EndedTask
from pexen_state.journal.writer import Journal
from pexen_state.sched import interrupted, replay
from pexen_state.sched.journaled import JournalLedger
from pexen_state.sched.loop import Loop
from pexen_state.sched.pool import keeper
from pexen_state.sched.pool.base import Began, Outcome

#: A disk on which a task is faster than a commit.
SLOW_DISK_S = 0.03

Ended = Mapping[int, Outcome]


def acknowledge_before_commit() -> None:
    """Results are given, and what follows is handed over, while the turn is only written with the next one."""
    write = JournalLedger.append
    end_run, end_session = Journal.end_run, Journal.end_session
    late: list[Callable[[], None]] = []

    def flush() -> None:
        while late:
            late.pop(0)()

    def append_one_turn_late(
        self: JournalLedger,
        decisions: Sequence[Decision],
        began: Sequence[Began],
        ended: Ended,
        checkpoints: Sequence[Checkpoint] = (),
    ) -> None:
        flush()
        turn = (list(decisions), list(began), dict(ended), list(checkpoints))
        late.append(lambda: write(self, *turn))

    def flush_and_end_run(self: Journal, *words: Any) -> None:
        flush()
        end_run(self, *words)

    def flush_and_end_session(self: Journal, *words: Any) -> None:
        flush()
        end_session(self, *words)

    JournalLedger.append = append_one_turn_late  # type: ignore[method-assign]
    Journal.end_run = flush_and_end_run  # type: ignore[method-assign]
    Journal.end_session = flush_and_end_session  # type: ignore[method-assign]


def hand_over_before_commit() -> None:
    """Tasks are handed over first, and their submissions are written then."""
    handle = Plan.handle
    make = Loop.__init__
    write = JournalLedger.append
    turns: list[Turn] = []
    loops: list[Loop] = []

    def handle_and_remember(self: Plan, *inputs: Any) -> Turn:
        turns[:] = [handle(self, *inputs)]
        return turns[0]

    def make_and_remember(self: Loop, *words: Any, **more: Any) -> None:
        make(self, *words, **more)
        loops[:] = [self]

    def hand_over_and_append(
        self: JournalLedger,
        decisions: Sequence[Decision],
        began: Sequence[Began],
        ended: Ended,
        checkpoints: Sequence[Checkpoint] = (),
    ) -> None:
        commands = turns[0].commands
        assert isinstance(commands, list)
        early = [one for one in commands if isinstance(one, Submit) and not one.parents]
        commands[:] = [one for one in commands if one not in early]
        loops[0]._hand_over(early)
        time.sleep(SLOW_DISK_S)
        write(self, decisions, began, ended, checkpoints)

    Plan.handle = handle_and_remember  # type: ignore[method-assign]
    Loop.__init__ = make_and_remember  # type: ignore[method-assign]
    JournalLedger.append = hand_over_and_append  # type: ignore[method-assign]


def no_run_lock() -> None:
    """Whoever asks for the lock gets it, and nobody looks further."""
    nobody = SimpleNamespace(**{name: getattr(lock.fcntl, name) for name in dir(lock.fcntl)})
    nobody.flock = lambda *_: None
    lock.fcntl = nobody  # type: ignore[assignment]
    lock._kill_rest_of = lambda _: None
    writer.refuse_beside_another = lambda *_: None


def no_compare_and_swap() -> None:
    """The projection is written whatever it was before."""
    anything = "AND ? IS NOT NULL"
    statements.SUBMIT_TASK = statements.SUBMIT_TASK.replace("AND state IN (0, 1) AND attempt = ?", anything)
    for name in ("FINISH_TASK", "MOVE_TASK"):
        statement = getattr(statements, name)
        broken = statement.replace("AND state BETWEEN ? AND ? AND attempt = ?", " ".join([anything] * 3))
        setattr(statements, name, broken)
    statements.SUBMIT_ALIKE = statements.SUBMIT_ALIKE.partition(" AND task.state")[0]
    statements.FINISH_ALIKE = statements.FINISH_ALIKE.replace(
        "AND task.state BETWEEN ? AND ? AND task.attempt = t.attempt", " ".join([anything] * 2)
    )
    assert "BETWEEN" not in statements.FINISH_TASK + statements.MOVE_TASK
    assert "IN (0, 1)" not in statements.SUBMIT_TASK + statements.SUBMIT_ALIKE
    assert "task.attempt" not in statements.FINISH_ALIKE


def deferred_transactions() -> None:
    """A transaction takes the write lock when it first writes."""

    class Cursor(sqlite3.Cursor):
        def execute(self, statement: str, *params: Any) -> sqlite3.Cursor:
            return super().execute("BEGIN" if statement == "BEGIN IMMEDIATE" else statement, *params)

    class Deferring(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, *words: Any) -> sqlite3.Cursor:
            made: sqlite3.Cursor = self.cursor().execute(*words)
            return made

    connect_by(Deferring)


def connect_by(factory: type[sqlite3.Connection]) -> None:
    """Whoever writes to a journal does so through a connection of that kind."""
    driver = {**vars(sqlite3), "connect": partial(sqlite3.connect, factory=factory)}
    engine.sqlite3 = SimpleNamespace(**driver)  # type: ignore[assignment]


def slot_file_ignored() -> None:
    """What was in flight when the runner died is taken for never begun."""
    interrupted.begun_in = lambda marks, run: frozenset()


def replay_forgets_shared() -> None:
    """What finished tasks left for their children is not told."""
    replay.after_changes = lambda given, _: given


def replay_forgets_kept_locks() -> None:
    """What a failure left held is free after a resume."""
    told = EndedTask.restored.fget
    EndedTask.restored = property(lambda one: told(one)._replace(locks=Locks.FREED))  # type: ignore[assignment, method-assign, misc]


def keeper_lets_workers_live() -> None:
    """When the runner dies the keeper only goes away."""
    everything = {name: getattr(keeper.tree, name) for name in dir(keeper.tree) if not name.startswith("__")}
    keeper.tree = SimpleNamespace(**{**everything, "kill_all": _kill_nobody})  # type: ignore[assignment]


def _kill_nobody(find: Callable[[], Iterable[object]], patience: float = 0.0) -> list[object]:
    return []


def synchronous_normal() -> None:
    """Commits do not wait for the disk."""
    engine._PRAGMAS = tuple(pragma.replace("synchronous=FULL", "synchronous=NORMAL") for pragma in engine._PRAGMAS)
    assert "PRAGMA synchronous=NORMAL" in engine._PRAGMAS


ALL: dict[str, Callable[[], None]] = {
    breakage.__name__: breakage
    for breakage in (
        acknowledge_before_commit,
        hand_over_before_commit,
        no_run_lock,
        no_compare_and_swap,
        deferred_transactions,
        slot_file_ignored,
        replay_forgets_shared,
        replay_forgets_kept_locks,
        keeper_lets_workers_live,
        synchronous_normal,
    )
}
