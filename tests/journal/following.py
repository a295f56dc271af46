"""Words in which tests tell who follows a run: workers that never sleep, and a clock of the boot that stands still."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from pexen_state.core.inputs import PoolHasRoom
from pexen_state.journal.following import Event, Follower
from tests.journal.telling import Runner
from tests.stories import returned, spec


class BootClock:
    def __init__(self) -> None:
        self.now_us = 1_000_000

    def __call__(self) -> int:
        return self.now_us

    def go_on(self, seconds: float) -> None:
        self.now_us += round(seconds * 1e6)


def worker(path: Path, consumer: str | None = "upload", then: Callable[[], bool] | None = None, **how: Any) -> Follower:
    """`then` is what happens whenever it would wait; False, and without: it is sent away instead."""
    clock = how.pop("boot_clock", BootClock())
    return Follower(path, consumer=consumer, boot_clock=clock, wait=lambda _: then is not None and then(), **how)


def names(events: list[Event]) -> list[str]:
    """What each is about, in a word or three."""
    return [_name(event) for event in events]


def _name(event: Event) -> str:
    said = event.said
    match event.type:
        case "transition":
            return f"{said['task']} {said['new']}"
        case "result":
            return f"{said['task']}: {said['verdict']}"
        case "session":
            return f"session {said['state']}"
    return str(said["kind"])


def cursors(path: Path) -> Path:
    return path.with_name(f"{path.name}.consumers")


def leases(path: Path) -> list[tuple[int, int]]:
    """What is in somebody's hand."""
    with closing(sqlite3.connect(cursors(path))) as connection:
        return connection.execute("SELECT seq, nth FROM lease ORDER BY seq, nth").fetchall()


def killed(path: Path, number: int) -> None:
    """The process of that worker is gone, and another one has its pid."""
    with closing(sqlite3.connect(cursors(path))) as connection, connection:
        connection.execute("UPDATE worker SET start = start + 1 WHERE id = ?", (number,))


class Run:
    """A run of so many tasks, one of which ends with each turn."""

    def __init__(self, path: Path, tasks: int) -> None:
        self.runner = Runner(path)
        self.path = path
        self.left = [f"t{number}" for number in range(tasks)]
        self.runner.begin(*(spec(key) for key in self.left))

    def turn(self) -> bool:
        """False if there is none left."""
        if not self.left:
            return False
        self.runner.turn(returned(self.left.pop(0)), PoolHasRoom(1))
        return True

    def end(self) -> None:
        while self.turn():
            pass
        self.runner.journal.end_run("finished", "pass")
        self.runner.close("finished")

    def killed(self) -> None:
        self.runner.close(None)

    def resumed(self) -> None:
        self.runner = Runner(self.path)
        self.runner.go_on()
