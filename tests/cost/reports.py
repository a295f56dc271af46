"""Child processes that make a journal to be reported, or one report of it, and say what that cost.

    python -m tests.cost.reports make TASKS PARTS JOURNAL    a run of so many tasks, each with so many results of parts
    python -m tests.cost.reports KIND JOURNAL [profile]      JSON: bytes, seconds of the processor, KiB of memory, calls

Every tenth task fails, each prints a line, and what parts say is of all lengths.
"""

from __future__ import annotations

import cProfile
import json
import resource
import sys
import time

import pexen_state
from pexen_state.journal.reader import reader
from pexen_state.report.formats import kinds
from pexen_state.report.formats.whole import whole
from pexen_state.report.formats.writing import write_file
from pexen_state.sched import Sched, TaskFailError, pool


def make(tasks: int, parts: int, journal: str) -> None:
    workers = pool.ProcessWorkerPool(2)
    taken = sum(1 for _ in Sched([_task(number, parts) for number in range(tasks)], journal=journal).run(workers))
    assert taken == tasks


def _task(number: int, parts: int) -> object:
    @pexen_state.task(name=f"dir{number % 100}/task{number}")
    def body() -> None:
        print(f"task {number}")
        for part in range(parts):
            pexen_state.result(f"part/{part}", "warn" if part == 3 else "pass", note="n" * (part % 7))
        if number % 10 == 0:
            raise TaskFailError(f"the tenth, {number}")

    return body


def report(kind: str, journal: str, *how: str) -> None:
    profile = cProfile.Profile()
    if "profile" in how:
        _write(kind, journal)  # what is loaded once is no cost
        profile.enable()
    size = _write(kind, journal)
    profile.disable()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "bytes": size,
                "seconds": time.process_time(),
                "kib": used.ru_maxrss,
                "calls": sum(entry.callcount for entry in profile.getstats()),
            }
        )
    )


def _write(kind: str, journal: str) -> int:
    """As `pexen report` does it."""
    with reader(journal) as connection:
        found = whole(connection, 1, journal)
    file = f"{journal}.{kind}"
    write_file(file, kinds.lines(kind, found))
    with open(file, "rb") as written:
        return written.seek(0, 2)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        report(*sys.argv[1:])
