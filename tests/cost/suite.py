"""A child process whose costs are counted from outside (strace, valgrind) or, with `profile`, by itself.

    python -m tests.cost.suite SHAPE N POOL JOURNAL [profile]

POOL is thread or process, JOURNAL a path or -. How many tasks wait in the pool is given, so that it does not follow
the mood of the machine. Prints the number of calls of functions that the run took, 0 if they are not counted.
"""

from __future__ import annotations

import cProfile
import sys
import warnings

from pexen_state.sched import Sched, func_meta, pool
from scripts.benchmark.shapes import Shape, shape_of

SPARE = 500

#: Beside the shapes of the benchmark: locks of a hierarchy and counted resources, which no peer of it has.
CONTENDED = "contended"
LOCKS = ("/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f", "/e/f/g")


def main(shape: str, n: str, kind: str, journal: str, *how: str) -> None:
    warnings.simplefilter("ignore")
    calls = 0
    path = None if journal == "-" else journal
    if "profile" in how:
        run(shape, 10, kind, None if path is None else f"{path}.before")  # what is loaded once is no cost
        profile = cProfile.Profile()
        profile.enable()
        run(shape, int(n), kind, path)
        profile.disable()
        calls = sum(entry.callcount for entry in profile.getstats())
    else:
        run(shape, int(n), kind, path)
    print(calls)


def run(shape: str, n: int, kind: str, journal: str | None) -> None:
    """Make the tasks and run them."""
    if shape == CONTENDED:
        tasks, resources = [contender(number) for number in range(n)], {"gpu": 4, "memory": "8G"}
    else:
        graph = shape_of(shape, n)
        tasks, resources = [task_of(number, graph) for number in range(n)], None
    workers = {"thread": pool.ThreadWorkerPool, "process": pool.ProcessWorkerPool}[kind](2, spare=SPARE)
    taken = sum(1 for _ in Sched(tasks, journal=journal, resources=resources).run(workers))
    assert taken == len(tasks)


def contender(number: int) -> object:
    """Every third claims a lock of a hierarchy, the others use one; most need some of one resource or of two."""

    def body() -> None:
        pass

    lock = LOCKS[number % len(LOCKS)]
    needs = ({}, {"gpu": 1}, {"memory": "3G"}, {"gpu": 2, "memory": "1G"})[number % 4]
    held = {"uses": [lock]} if number % 3 else {"claims": [lock]}
    return func_meta(name=f"t{number}", needs=needs, **held)(body)


def task_of(number: int, shape: Shape) -> object:
    def body() -> None:
        pass

    requires = list(shape.parents[number])
    fields = {"provides": [number], "requires": requires} if any(shape.parents[-1:]) else {}
    lock = shape.locks[number]
    claims = {} if lock is None else {"claims": [f"lock{lock}"]}
    return func_meta(name=f"t{number}", **fields, **claims)(body)


if __name__ == "__main__":
    main(*sys.argv[1:])
