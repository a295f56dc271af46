"""pexen_state with locks that are paths, and resources that are counted: 10 racks of 10 disks, and 16 units of memory.

A task claims a disk; one of seven only uses its disk, and one of fifty claims the whole rack. Each takes 1 to 4 units.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pexen_state.sched import Sched, func_meta, pool
from scripts.benchmark import child
from scripts.benchmark.witness import without_gc

WORKERS = 4
MEMORY = 16


class Takes(NamedTuple):
    path: str
    alone: bool
    memory: int


class Witness:
    """Sees for itself who has what at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[Takes] = []
        self.ran = 0
        self.complaints: set[str] = set()

    def body(self, takes: Takes) -> Callable[[], None]:
        def body() -> None:
            with self._lock:
                for other in self._running:
                    if (takes.alone or other.alone) and _overlap(takes.path, other.path):
                        self.complaints.add("two tasks held one lock at a time")
                self._running.append(takes)
                if sum(one.memory for one in self._running) > MEMORY:
                    self.complaints.add("more was taken than there is")
            with self._lock:
                self._running.remove(takes)
                self.ran += 1

        return body


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def all_take(n: int) -> Iterator[Takes]:
    for number in range(n):
        rack, disk = f"/rack{number % 10}", number // 10 % 10
        if number % 50 == 0:
            yield Takes(rack, True, 4)
        else:
            yield Takes(f"{rack}/disk{disk}", number % 7 != 0, 1 + number % 4)


def main() -> None:
    asked = child.asked()
    warnings.simplefilter("ignore")
    witness = Witness()
    with without_gc():
        tasks = []
        for number, takes in enumerate(all_take(asked.n)):
            held = {"claims" if takes.alone else "uses": [takes.path]}
            tasks.append(func_meta(name=f"t{number}", needs={"memory": takes.memory}, **held)(witness.body(takes)))
    import pexen_state.sched.journaled  # noqa: F401 - what run() loads; its time is in the whole process

    began = time.perf_counter()
    sched = Sched(tasks, journal=asked.path("journal.db"), resources={"memory": MEMORY})
    taken = sum(1 for _ in sched.run(pool.ThreadWorkerPool(WORKERS)))
    seconds = time.perf_counter() - began

    complaints = sorted(witness.complaints)
    if not taken == witness.ran == asked.n:
        complaints.append(f"{taken} results and {witness.ran} runs of {asked.n} tasks")
    child.tell(seconds, complaints)


if __name__ == "__main__":
    main()
