"""`/bin/true`, many times, two at once: by pexen_state, and by what is there on most machines.

Variants: api and run are ours, journaled, with a file for what each attempt prints; spawn is the barest loop that
there can be; parallel, ninja and make are the tools of those names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing

from scripts.benchmark import child

COMMAND = "/bin/true"


def main() -> None:
    asked = child.asked()
    seconds, complaints = RUNNERS[asked.variant](asked)
    child.tell(seconds, complaints)


def api(asked: child.Asked) -> tuple[float, list[str]]:
    import pexen_state.sched.journaled  # noqa: F401 - what run() loads; its time is in the whole process
    from pexen_state.factory import TaskListFactory
    from pexen_state.sched import Sched, pool

    tasks = TaskListFactory().from_text(list_of(asked.n))
    sched = Sched(tasks, journal=asked.path("journal.db"))
    workers = pool.ProcessWorkerPool(2)
    called, last, passed = time.perf_counter(), 0.0, 0
    for result in sched.run(workers):
        passed += result.verdict == "pass"
        last = time.perf_counter()
    return last - called, complaint(passed, asked.n)


def run(asked: child.Asked) -> tuple[float, list[str]]:
    write(asked.path("true.jobs"), list_of(asked.n))
    journal = asked.path("journal.db")
    words = [sys.executable, "-m", "pexen_state", "--journal", journal, "run", "-q", "-j", "2", asked.path("true.jobs")]
    seconds, _ = timed(words)
    import sqlite3

    with closing(sqlite3.connect(journal)) as connection:
        (passed,) = connection.execute("SELECT count(*) FROM tasks WHERE verdict = 'pass'").fetchone()
    return seconds, complaint(passed, asked.n)


def spawn(asked: child.Asked) -> tuple[float, list[str]]:
    """Two in flight: whenever one has ended, the next is started."""
    began, passed, running = time.perf_counter(), 0, 0
    for _ in range(asked.n):
        if running == 2:
            passed += os.wait()[1] == 0
            running -= 1
        os.posix_spawn(COMMAND, [COMMAND], os.environ)
        running += 1
    passed += sum(os.wait()[1] == 0 for _ in range(running))
    return time.perf_counter() - began, complaint(passed, asked.n)


def parallel(asked: child.Asked) -> tuple[float, list[str]]:
    write(asked.path("true.jobs"), list_of(asked.n))
    log = asked.path("joblog")
    seconds, _ = timed(["parallel", "--will-cite", "-j2", "--joblog", log, "-a", asked.path("true.jobs")])
    with open(log) as file:
        passed = sum(line.split("\t")[6] == "0" for line in file if not line.startswith("Seq"))
    return seconds, complaint(passed, asked.n)


def ninja(asked: child.Asked) -> tuple[float, list[str]]:
    edges = "".join(f"build t{number}: true\n" for number in range(asked.n))
    write(asked.path("build.ninja"), f"rule true\n  command = {COMMAND}\n{edges}")
    seconds, printed = timed(["ninja", "-C", asked.directory, "-j2", "--verbose"])
    return seconds, complaint(sum(line.endswith(COMMAND) for line in printed.splitlines()), asked.n)


def make(asked: child.Asked) -> tuple[float, list[str]]:
    names = " ".join(f"t{number}" for number in range(asked.n))
    write(asked.path("Makefile"), f"all: {names}\n.PHONY: all {names}\n{names}:\n\t{COMMAND}\n")
    seconds, printed = timed(["make", "-C", asked.directory, "--no-print-directory", "-j2"])
    return seconds, complaint(printed.splitlines().count(COMMAND), asked.n)


RUNNERS: dict[str, Callable[[child.Asked], tuple[float, list[str]]]] = {
    "api": api,
    "run": run,
    "spawn": spawn,
    "parallel": parallel,
    "ninja": ninja,
    "make": make,
}


def list_of(count: int) -> str:
    return f"{COMMAND}\n" * count


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def timed(words: list[str]) -> tuple[float, str]:
    """(seconds from its start to its end, what it printed). Raises CalledProcessError."""
    began = time.perf_counter()
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - began, done.stdout


def complaint(passed: int, n: int) -> list[str]:
    return [] if passed == n else [f"{passed} of {n} executables ended well"]


if __name__ == "__main__":
    main()
