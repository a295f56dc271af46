"""Runs that tasks join while they go on: tasks to add, and callers that add them with a result in hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pexen_state import Sched
from pexen_state.sched import func_meta
from pexen_state.sched.common import TaskRes
from pexen_state.sched.pool import ThreadWorkerPool
from tests.journal.telling import sql


def named(name: str, does: Callable[..., Any] | None = None, **fields: Any) -> Callable[..., Any]:
    """A closure, which leaves its name in `shared`."""

    def body(shared):
        got = sorted(shared)
        shared[name] = 1
        return does(shared) if does is not None else got

    return func_meta(name=name, **fields)(body)


def told(results) -> dict[str, TaskRes]:
    return {result.key: result for result in results}


def take(
    sched: Sched, kind=ThreadWorkerPool, *, also: dict[str, Callable[[], object]], workers=1
) -> dict[str, TaskRes]:
    """All results; with some of them in hand something else is done."""
    found = {}
    for result in sched.run(kind(workers)):
        found[result.key] = result
        if result.key in also:
            also[result.key]()
    return found


def rows(journal: Path) -> list[tuple[Any, ...]]:
    return sql(journal, "SELECT task, state, verdict FROM tasks WHERE run = (SELECT max(id) FROM runs) ORDER BY number")
