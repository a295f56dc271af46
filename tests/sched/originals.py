"""What the tests of the original's vocabulary share: both pools, places where tasks meet, and what they tell."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from pexen_state.sched import TaskRes
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool

on_both_pools = pytest.mark.parametrize("pool", [ThreadWorkerPool, ProcessWorkerPool], ids=["threads", "processes"])


class Meeting:
    """Two tasks that only end together: the first to come waits for the other one, in threads and in processes."""

    def __init__(self, directory: Path) -> None:
        self._fifo = directory / "meeting"
        os.mkfifo(self._fifo)

    def one(self) -> None:
        os.close(os.open(self._fifo, os.O_WRONLY))

    def other(self) -> None:
        os.close(os.open(self._fifo, os.O_RDONLY))


class Gate:
    """Tasks wait in front of it until the test lets that many in."""

    def __init__(self, directory: Path) -> None:
        self._fifo = directory / "gate"
        os.mkfifo(self._fifo)
        self._fd = os.open(self._fifo, os.O_RDWR)  # opened for both, it waits for nobody

    def wait(self) -> None:
        fd = os.open(self._fifo, os.O_RDONLY)
        os.read(fd, 1)
        os.close(fd)

    def let_in(self, count: int) -> None:
        os.write(self._fd, b"." * count)

    def close(self) -> None:
        os.close(self._fd)


class Witness:
    """What tasks did, in the order in which they did it, wherever they ran."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "witness"
        self._file.touch()

    def saw(self, what: str) -> None:
        with open(self._file, "a") as file:  # O_APPEND: one line is never torn
            file.write(what + "\n")

    @property
    def story(self) -> list[str]:
        return self._file.read_text().splitlines()


def names(results: Iterable[TaskRes]) -> list[str]:
    """The names of the functions whose results these are."""
    return [result.task.__name__ for result in results if result.task is not None]


def children() -> set[int]:
    """Everything below this process. Tests compare: helpers of other tests may be among them."""
    return {process.pid for process in psutil.Process().children(recursive=True)}
