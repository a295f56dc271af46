"""A suite some of whose tasks apply on one kernel, and others on another one.

conditional_suite:main DIRECTORY KERNEL [--rerun-changed] [--leave-after KEY] [--kill-after-commit K]
[--kill-before-commit K]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pexen_state import Sched, task
from pexen_state.sched.common import RunOver
from pexen_state.sched.pool import ThreadWorkerPool
from tests.crash.suite import first_run, kill_at_commit
from tests.crash.witness import note


def tasks(directory: str) -> list[Callable[..., Any]]:
    def named(name: str, **meta: Any) -> Callable[..., Any]:
        def body() -> None:
            note(directory, "S", name)
            note(directory, "E", name)

        return task(name=name, **meta)(body)

    return [
        named("first", priority=-1),
        named("old", when="kernel == '1'", provides=["x"]),
        named("new", when="kernel == '2'", provides=["x"]),
        named("child", requires=["x"]),
        named("picky", requires=["x"], when="kernel == '2'"),
        named("last", after=["*"], priority=1),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("kernel")
    parser.add_argument("--rerun-changed", action="store_true")
    parser.add_argument("--leave-after")
    parser.add_argument("--kill-after-commit", type=int, default=0)
    parser.add_argument("--kill-before-commit", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    journal = Path(asked.directory) / "journal.db"
    run = first_run(journal)
    sched = Sched(
        tasks(asked.directory),
        journal=journal,
        name="suite",
        run_id=run,
        facts={"kernel": asked.kernel},  # of the box that it is on
        rerun_changed=asked.rerun_changed,
    )
    if asked.kill_after_commit or asked.kill_before_commit:
        kill_at_commit(asked.kill_after_commit, asked.kill_before_commit)
    try:
        for result in sched.run(ThreadWorkerPool(1, spare=0)):
            if not result.replayed:
                note(asked.directory, "A", result.key or "-", result.state)
            if result.key == asked.leave_after:
                break
    except RunOver:
        pass  # an earlier session was killed after its last word
