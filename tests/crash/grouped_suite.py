"""A suite of three groups, each with workers of its own.

grouped_suite:main DIRECTORY [--kill-after-commit K] [--kill-before-commit K]
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pexen_state import Group, Sched, task
from pexen_state.sched.common import RunOver
from pexen_state.sched.pool import ProcessWorkerPool
from tests.crash.suite import first_run, kill_at_commit
from tests.crash.witness import note

GROUPS = [Group("vm", "process", 3), Group("threads", "thread", 2), Group("net")]

#: key -> group
OF = {f"{group or 'none'}/{number}": group for group in (None, "vm", "threads", "net") for number in (1, 2, 3)}


def tasks(directory: str) -> list[Callable[..., Any]]:
    def named(name: str, group: str | None, **meta: Any) -> Callable[..., Any]:
        def body() -> bool:
            note(directory, "S", name)
            note(directory, "E", name)
            return os.getpid() == runner

        return task(name=name, group=group, **meta)(body)

    runner = os.getpid()
    found = [named(key, group, provides=[key]) for key, group in OF.items()]
    return [*found, named("vm/again", "vm", requires=["net/3", "threads/2"]), named("last", None, requires=["vm/3"])]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--kill-after-commit", type=int, default=0)
    parser.add_argument("--kill-before-commit", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    journal = Path(asked.directory) / "journal.db"
    sched = Sched(tasks(asked.directory), journal=journal, name="suite", run_id=first_run(journal), groups=GROUPS)
    if asked.kill_after_commit or asked.kill_before_commit:
        kill_at_commit(asked.kill_after_commit, asked.kill_before_commit)
    try:
        for result in sched.run(ProcessWorkerPool(2, spare=0)):
            in_a_thread = (result.key or "").startswith("threads")
            assert result.replayed or result.ret == in_a_thread, f"{result.key} ran on the wrong workers"
            if not result.replayed:
                note(asked.directory, "A", result.key or "-", result.state)
    except RunOver:
        pass  # an earlier session was killed after its last word
