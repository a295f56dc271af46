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


def main(shape: str, n: str, kind: str, journal: str, *how: str) -> None:
    warnings.simplefilter("ignore")
    calls = 0
    path = None if journal == "-" else journal
    if "profile" in how:
        run(shape_of(shape, 10), kind, None if path is None else f"{path}.before")  # what is loaded once is no cost
        profile = cProfile.Profile()
        profile.enable()
        run(shape_of(shape, int(n)), kind, path)
        profile.disable()
        calls = sum(entry.callcount for entry in profile.getstats())
    else:
        run(shape_of(shape, int(n)), kind, path)
    print(calls)


def run(shape: Shape, kind: str, journal: str | None) -> None:
    """Make the tasks and run them."""
    tasks = [task_of(number, shape) for number in range(len(shape.parents))]
    workers = {"thread": pool.ThreadWorkerPool, "process": pool.ProcessWorkerPool}[kind](2, spare=SPARE)
    taken = sum(1 for _ in Sched(tasks, journal=journal).run(workers))
    assert taken == len(tasks)


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
