"""Task bodies that see for themselves whether the runner keeps to the rules.

What they see is in memory that is shared with forked workers, outside of whatever is measured: each task ran once,
none before one that it needs, no two at a time under one lock. It costs about a fifth of a microsecond a task,
the same for every peer.
"""

from __future__ import annotations

import gc
import mmap
import time
from collections.abc import Callable

from scripts.benchmark.shapes import LOCKS, Shape

Body = Callable[[], None]

TOO_EARLY, TWO_AT_A_TIME, TWICE = range(3)


class Witness:
    def __init__(self, shape: Shape, sleep_us: int = 0) -> None:
        self.count = len(shape.parents)
        self._ran = mmap.mmap(-1, max(self.count, 1))
        self._held = mmap.mmap(-1, LOCKS)
        self._wrong = mmap.mmap(-1, 3)
        with without_gc():
            self.bodies = [
                self._body(number, parents, lock, sleep_us / 1e6)
                for number, (parents, lock) in enumerate(zip(shape.parents, shape.locks, strict=True))
            ]

    def _body(self, number: int, parents: tuple[int, ...], lock: int | None, seconds: float) -> Body:
        ran, held, wrong = self._ran, self._held, self._wrong

        def body() -> None:
            for parent in parents:
                if not ran[parent]:
                    wrong[TOO_EARLY] = 1
            if lock is not None:
                if held[lock]:
                    wrong[TWO_AT_A_TIME] = 1
                held[lock] = 1
            if seconds:
                time.sleep(seconds)
            if lock is not None:
                held[lock] = 0
            if ran[number]:
                wrong[TWICE] = 1
            ran[number] = 1

        return body

    def complaints(self) -> list[str]:
        """What was against the rules, in sentences."""
        ran = self._ran[: self.count].count(1)
        found = [f"{self.count - ran} of {self.count} tasks did not run"] if ran != self.count else []
        if self._wrong[TOO_EARLY]:
            found.append("a task ran before one that it needs")
        if self._wrong[TWO_AT_A_TIME]:
            found.append("two tasks held one lock at a time")
        if self._wrong[TWICE]:
            found.append("a task ran twice")
        return found


class without_gc:
    """While a benchmark makes its tasks, which is not what it measures; they are old objects afterwards."""

    def __enter__(self) -> None:
        gc.disable()

    def __exit__(self, *error: object) -> None:
        gc.collect()
        gc.enable()
