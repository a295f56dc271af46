"""Pools under test: opened, driven until attempts are reported, and left without a process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pexen_state.core.states import Cause, Verdict
from pexen_state.sched.pool import strays, tree
from pexen_state.sched.pool.base import Began, Context, Dropped, Ended, Job, Limits, Report
from pexen_state.sched.pool.process import ProcessWorkerPool
from pexen_state.sched.pool.thread import ThreadWorkerPool

AnyPool = ProcessWorkerPool | ThreadWorkerPool

#: How long a test waits before it says that something will never happen. Nothing is measured by it.
FOREVER = 60.0


@contextmanager
def opened(
    bodies: list[Callable[..., Any]],
    kind: type[AnyPool] = ProcessWorkerPool,
    workers: int = 1,
    journaled: bool = False,
    **how: Any,
) -> Iterator[AnyPool]:
    pool = kind(workers)
    pool.window = 4096
    pool.register(bodies)
    pool.open(journaled, **how)
    try:
        yield pool
    finally:
        pool.close(0)


def jobs(*bodies: Callable[..., Any], **fields: Any) -> list[Job]:
    """One attempt of each, numbered from 1."""
    return [Job(number, 1, body, {}, **fields) for number, body in enumerate(bodies, 1)]


def reports_until_all_ended(pool: AnyPool, count: int) -> list[Report]:
    """Everything that is reported until so many attempts are over."""
    until = time.monotonic() + FOREVER
    found: list[Report] = []
    while sum(isinstance(report, Ended | Dropped) for report in found) < count:
        assert time.monotonic() < until, f"reported so far: {found}"
        found += pool.wait(until)
    return found


def run(pool: AnyPool, handed: list[Job]) -> dict[int, Ended | Dropped]:
    """Hand attempts over and wait for all of them: by task."""
    pool.hand_over(handed)
    found = reports_until_all_ended(pool, len(handed))
    return {report.task: report for report in found if isinstance(report, Ended | Dropped)}


def wait_until_begun(pool: AnyPool, *tasks: int) -> dict[int, Began]:
    until = time.monotonic() + FOREVER
    found: dict[int, Began] = {}
    while not found.keys() >= set(tasks):
        assert time.monotonic() < until, f"begun so far: {found}"
        for report in pool.wait(until):
            assert not isinstance(report, Ended | Dropped), report
            if isinstance(report, Began):
                found[report.task] = report
    return found


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + FOREVER
    while not condition():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.002)


def said(report: Ended | Dropped) -> tuple[Cause, Verdict | None, str | None]:
    """What a report says, without times and pids."""
    if isinstance(report, Ended):
        return report.ending.cause, report.ending.verdict, report.ending.reason
    return report.cause, None, report.reason


def context(tmp_path: Path, cookie: str, key: str = "one") -> Context:
    directory = tmp_path / "attempts" / cookie
    return Context("7", key, cookie, 1, str(directory), str(tmp_path / "data"))


def alive_with(cookie: str) -> list[tree.Process]:
    return strays.strays([cookie])


def is_alive(pid: int) -> bool:
    process = tree.look_at(pid)
    return process is not None and process.state not in "ZX"


def die_of(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


__all__ = [
    "FOREVER",
    "AnyPool",
    "Began",
    "Cause",
    "Context",
    "Dropped",
    "Ended",
    "Job",
    "Limits",
    "ProcessWorkerPool",
    "ThreadWorkerPool",
    "Verdict",
    "alive_with",
    "context",
    "die_of",
    "is_alive",
    "jobs",
    "opened",
    "reports_until_all_ended",
    "run",
    "said",
    "wait_for",
    "wait_until_begun",
]
