"""pexen_state goes on with a run of which half has ended.

Variants: prepare makes the journal that all others begin with a copy of; resume measures from calling run() to
where the first task begins, the results of earlier sessions given meanwhile, and beside it how long it takes to
fetch the number and the state of the same tasks from the same journal.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
import warnings
from contextlib import closing

from pexen_state.sched import Sched
from scripts.benchmark import child
from scripts.benchmark.peers.ours import described, pool_of
from scripts.benchmark.shapes import shape_of
from scripts.benchmark.witness import Body, without_gc


def main() -> None:
    import pexen_state.sched.journaled  # noqa: F401 - what run() loads; its time is in the whole process

    asked = child.asked()
    warnings.simplefilter("ignore")
    kept = os.path.join(os.path.dirname(asked.directory), f"half-{asked.shape}-{asked.n}.db")
    {"prepare": prepare, "resume": resume}[asked.variant](asked, kept)


def prepare(asked: child.Asked, kept: str) -> None:
    starts: list[float] = []
    sched = Sched(tasks_that_tell(asked, starts), journal=asked.path("journal.db"))
    began = time.perf_counter()
    for taken, _ in enumerate(sched.run(pool_of("thread")), 1):
        if taken == asked.n // 2:
            break
    shutil.copyfile(asked.path("journal.db"), kept)
    child.tell(time.perf_counter() - began)


def resume(asked: child.Asked, kept: str) -> None:
    journal = asked.path("journal.db")
    shutil.copyfile(kept, journal)
    with closing(sqlite3.connect(journal)) as connection:
        began = time.perf_counter()
        rows = connection.execute("SELECT id, state FROM task").fetchall()
        raw_seconds = time.perf_counter() - began
    starts: list[float] = []
    sched = Sched(tasks_that_tell(asked, starts), journal=journal)
    replayed = 0
    called = time.perf_counter()
    for result in sched.run(pool_of("thread")):
        if not result.replayed:
            break
        replayed += 1
    complaints = [] if len(rows) == asked.n else [f"{len(rows)} tasks in the journal, not {asked.n}"]
    if not asked.n // 2 <= replayed < asked.n:
        complaints.append(f"{replayed} results came back, not about half of {asked.n}")
    child.tell(min(starts, default=called) - called, complaints, raw_seconds=raw_seconds, replayed=replayed)


def tasks_that_tell(asked: child.Asked, starts: list[float]) -> list[Body]:
    def new_body() -> Body:
        def body() -> None:
            if not starts:
                starts.append(time.perf_counter())

        return body

    with without_gc():
        bodies = [new_body() for _ in range(asked.n)]
    return described(bodies, shape_of("independent", asked.n))


if __name__ == "__main__":
    main()
