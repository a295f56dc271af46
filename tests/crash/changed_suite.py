"""A suite whose tasks change between two sessions, and one that is given up.

changed_suite:main DIRECTORY VERSION [--leave-after KEY] [--kill-after-commit K] [--kill-before-commit K]
changed_suite:give_up DIRECTORY [--kill-after-commit K] [--kill-before-commit K]
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pexen_state import Sched, task
from pexen_state.sched.common import RunOver
from pexen_state.sched.pool import ProcessWorkerPool
from tests.crash.suite import first_run, kill_at_commit
from tests.crash.witness import note

Tasks = list[Callable[..., Any]]


def tasks(directory: str, version: int) -> Tasks:
    """`parent` and `breaks` are not in version 2 what they were in version 1."""

    def told(what: str, key: str) -> None:
        note(directory, what, key, os.environ["PEXEN_ATTEMPT"])

    def parent_as_it_was(shared: dict[str, Any]) -> None:
        told("S", "parent")
        shared["version"] = 1

    def parent_as_it_is(shared: dict[str, Any]) -> None:
        told("S", "parent")
        shared["version"] = 2
        told("E", "parent")

    def breaks_as_it_was() -> None:
        told("S", "breaks")
        raise OSError("the disk is left as it was")

    def breaks_as_it_is() -> None:
        told("S", "breaks")

    def tells(name: str, **meta: Any) -> Callable[..., Any]:
        def body(shared: dict[str, Any]) -> Any:
            told("S", name)
            return shared.get("version")

        return task(name=name, **meta)(body)

    parent = parent_as_it_was if version == 1 else parent_as_it_is
    breaks = breaks_as_it_was if version == 1 else breaks_as_it_is
    return [
        task(name="parent", provides=["x"], priority=-3)(parent),
        task(name="breaks", claims=["disk"], priority=-2)(breaks),
        tells("done", requires=["x"], priority=-1),
        tells("next", requires=["x"]),
        tells("wants", claims=["disk"]),
        tells("last", after=["*"], priority=1),
    ]


def main() -> None:
    asked = _asked(argparse.ArgumentParser())
    sched = _sched(asked.directory, tasks(asked.directory, asked.version), rerun_changed=True)
    _run(sched, asked)


def give_up() -> None:
    asked = _asked(argparse.ArgumentParser())

    def bad() -> None:
        note(asked.directory, "S", "bad")
        raise AssertionError

    def named(name: str, **meta: Any) -> Callable[..., Any]:
        return task(name=name, **meta)(lambda: note(asked.directory, "S", name))

    suite = [
        named("good", priority=-2),
        task(name="bad", priority=-1)(bad),
        named("never"),
        named("behind", after=["bad"]),
        named("sweep", always=True, after=["*"]),
    ]
    _run(_sched(asked.directory, suite, max_fail=1), asked)


def _asked(parser: argparse.ArgumentParser) -> argparse.Namespace:
    parser.add_argument("directory")
    parser.add_argument("version", type=int, nargs="?")
    parser.add_argument("--leave-after")
    parser.add_argument("--kill-after-commit", type=int, default=0)
    parser.add_argument("--kill-before-commit", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    return asked


def _sched(directory: str, suite: Tasks, **how: Any) -> Sched:
    journal = Path(directory) / "journal.db"
    return Sched(suite, journal=journal, name="suite", run_id=first_run(journal), **how)


def _run(sched: Sched, asked: argparse.Namespace) -> None:
    if asked.kill_after_commit or asked.kill_before_commit:
        kill_at_commit(asked.kill_after_commit, asked.kill_before_commit)
    results = sched.run(ProcessWorkerPool(1, spare=0))
    try:
        for result in results:
            if not result.replayed:
                note(asked.directory, "A", result.key or "-", result.state)
            if result.key == asked.leave_after:
                break
    except RunOver:
        pass  # an earlier session was killed after its last word
