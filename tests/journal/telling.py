"""Words in which tests tell what happens to a journal: a plan and its journal, turn by turn."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from pexen_state.core.decisions import Decision
from pexen_state.core.inputs import Input, PoolHasRoom, RunOpened
from pexen_state.core.plan import Turn
from pexen_state.core.spec import TaskSpec
from pexen_state.journal.lock import RunLock
from pexen_state.journal.records import AttemptEnd, NewTask
from pexen_state.journal.writer import Journal
from tests.stories import Plan, Said, spec

MIDNIGHT_US = 1_700_000_000_000_000  # 2023-11-14T22:13:20Z


class StandingClock:
    """Microseconds since 1970, moved on by the test."""

    def __init__(self) -> None:
        self.now_us = MIDNIGHT_US

    def __call__(self) -> int:
        return self.now_us

    def go_on(self, seconds: float) -> None:
        self.now_us += round(seconds * 1_000_000)


class Runner:
    """What a runner does with its journal, and no more: decide, append."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.clock = StandingClock()
        self.lock = RunLock.acquire(path)
        self.journal = Journal.open(self.lock, clock=self.clock)
        self.plan = Plan()
        self.run = 0

    def begin(self, *tasks: TaskSpec, name: str = "suite", room: int = 1) -> Turn:
        new = [NewTask(task, b"0123456789abcdef") for task in tasks]
        self.run = self.journal.begin_run(name, ["a", "target"], {"params": {"disk": "vda"}}, new)
        self.plan = Plan(tasks)
        self.journal.begin_session(self.run)
        return self.turn(RunOpened(), PoolHasRoom(room))

    def go_on(self, room: int = 1) -> Turn:
        """Resume the newest unfinished run."""
        record = self.journal.unfinished_run()
        assert record is not None
        self.run = record.id
        saved = self.journal.saved_tasks(record.id)
        specs = [task.spec for task in sorted(saved, key=lambda task: task.number)]
        self.plan = Plan.restored(specs, [task.restored for task in saved])  # type: ignore[assignment]
        self.journal.begin_session(record.id)
        return self.turn(RunOpened(), PoolHasRoom(room))

    def turn(self, *inputs: Input | Said, left: Mapping[str, AttemptEnd] | None = None) -> Turn:
        """Handle and append. `left`: what attempts left, by the key of their task."""
        ended = {}
        for key, end in (left or {}).items():
            task = self.plan.named(key)
            ended[task.number] = end
        turn = self.plan.handle(*inputs)
        self.journal.append(turn.decisions, (), ended)
        return turn

    def close(self, how: str | None = "stopped") -> None:
        if how is not None:
            self.journal.end_session(how)
        self.journal.close()
        self.lock.release()


def write_run(path: str | os.PathLike[str], decisions: Iterable[Decision] = ()) -> None:
    """A journal with one finished task and one that is ready."""
    from tests.stories import returned

    runner = Runner(path)
    runner.begin(spec("first"), spec("second"))
    runner.turn(returned("first"), left={"first": AttemptEnd(1, 4711, ret_json='"done"')})
    runner.close()


def sql(path: str | os.PathLike[str], query: str, *params: Any) -> list[tuple[Any, ...]]:
    """As a user of SQL would ask."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query, params).fetchall()


def change(path: Path, statement: str, *params: Any) -> None:
    """As somebody else would who writes into a journal."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, params)
