"""pexen_state through its public API: threads or processes, with and without a journal.

Variants: thread-journal, thread-memory, process-journal, process-memory.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from typing import Any

from pexen_state.sched import Sched, func_meta, pool
from scripts.benchmark import child
from scripts.benchmark.shapes import Shape, shape_of
from scripts.benchmark.witness import Witness, without_gc

WORKERS = 2


def main() -> None:
    asked = child.asked()
    kind, memory = asked.variant.split("-")
    warnings.simplefilter("ignore")
    witness = Witness(shape := shape_of(asked.shape, asked.n), asked.sleep_us)
    tasks = described(witness.bodies, shape)
    journal = asked.path("journal.db") if memory == "journal" else None
    if journal is not None:
        import pexen_state.sched.journaled  # noqa: F401 - what run() loads; its time is in the whole process
    workers = pool_of(kind)
    rss_before, flushes_before = child.rss_bytes(), child.flushes()

    began = time.perf_counter()
    sched = Sched(tasks, journal=journal)
    called = time.perf_counter()
    taken, first, last, rss_pending = 0, 0.0, 0.0, 0
    for _ in sched.run(workers):
        taken += 1
        if taken == 1:
            first, rss_pending, flushes_first = time.perf_counter(), child.rss_bytes(), child.flushes()
        if taken == asked.n:
            last, flushes_after = time.perf_counter(), child.flushes()
    closed = time.perf_counter()

    complaints = witness.complaints()
    if taken != asked.n:
        complaints.append(f"{taken} results of {asked.n} tasks")
    more: dict[str, Any] = {
        "build_seconds": called - began,
        "first_seconds": first - called,
        "close_seconds": closed - last,
        "rss_a_task": (rss_pending - rss_before) / asked.n,
    }
    if journal is not None:
        more["journal_bytes"] = os.path.getsize(journal)  # after the checkpoint that closing makes
        if child.is_counted():
            logs = flushes_after[0] - flushes_before[0]
            checkpoints = flushes_after[1] - flushes_first[1]  # before the first result the journal is made
            # A checkpoint flushes the database, and the log twice: before it, and when the log begins anew.
            more["commits"] = logs - 2 * checkpoints
    child.tell(last - called, complaints, **more)


def pool_of(kind: str) -> Any:
    return {"thread": pool.ThreadWorkerPool, "process": pool.ProcessWorkerPool}[kind](WORKERS)


def described(bodies: list[Callable[[], None]], shape: Shape) -> list[Callable[[], None]]:
    """The bodies as tasks; a task provides its number if the shape has edges."""
    has_edges = any(shape.parents)
    with without_gc():
        for number, body in enumerate(bodies):
            fields: dict[str, Any] = {"name": f"t{number}"}
            if has_edges:
                fields["provides"] = [number]
            if shape.parents[number]:
                fields["requires"] = list(shape.parents[number])
            if shape.locks[number] is not None:
                fields["claims"] = [f"lock{shape.locks[number]}"]
            func_meta(**fields)(body)
    return bodies


if __name__ == "__main__":
    main()
