"""A suite that skips what passed in run 1, writes a report, and has a command that follows its end, in one call.

followed_suite:main DIRECTORY [--kill-after-commit K] [--kill-before-commit K]
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pexen_state import suite, task
from tests.crash.suite import first_run, kill_at_commit
from tests.crash.witness import note

FOLLOWED = "followed"  #: a line each time that the command is run


def tasks(directory: str, is_broken: bool) -> list[Callable[..., Any]]:
    def body(name: str) -> None:
        note(directory, "S", name)
        assert not (is_broken and name == "broken")
        note(directory, "E", name)

    def named(name: str, **meta: Any) -> Callable[..., Any]:
        return task(name=name, **meta)(lambda: body(name))

    return [
        named("setup", provides=["net"]),
        named("broken", requires=["net"], provides=["web"]),
        named("behind", requires=["web"]),
        named("other"),
        named("last", always=True, after=["*"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--kill-after-commit", type=int, default=0)
    parser.add_argument("--kill-before-commit", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    os.chdir(asked.directory)
    first = first_run(Path("journal.db"))
    kill_at_commit(asked.kill_after_commit, asked.kill_before_commit)
    ended = suite.run(
        tasks(asked.directory, is_broken=first is None),
        journal="journal.db",
        pool="thread",
        on_finish=f'echo "$PEXEN_RUN $PEXEN_STATE $PEXEN_COUNTS" >> {FOLLOWED}',
        reports={"jsonl": "report.jsonl"},
        on_result=lambda result: note(asked.directory, "A", result.key or "-", result.state),
        skip_passed_in=first,
    )
    assert ended.followed is not None
    assert ended.followed.is_well, ended.followed
