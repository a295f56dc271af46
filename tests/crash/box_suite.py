"""A suite whose tasks take the box down with them, or ask for a reboot.

box_suite:main DIRECTORY [--crashes N] [--may-reboot] [--kill-after-commit K] [--kill-before-commit K]

A box that crashes is a runner that is killed, and a journal whose last session is of another boot (`new_boot`).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from pexen_state import Reboot, Sched, task
from pexen_state.sched.common import RunOver, RunParked
from pexen_state.sched.pool import ProcessWorkerPool
from tests.crash.aftermath import ask
from tests.crash.suite import first_run, kill_at_commit
from tests.crash.witness import note, records

PARKED = 4

#: Guard against a hang: nobody waits that long.
LONG = 60.0


def tasks(directory: str, crashes: int) -> list[Callable[..., Any]]:
    """`culprit` crashes the box so many times, and for the first time beside `innocent`; `asks` wants two reboots."""
    runner = os.getpid()

    def told(what: str, key: str) -> None:
        note(directory, what, key, os.environ["PEXEN_ATTEMPT"])

    def began(key: str) -> int:
        return sum(1 for one in records(directory) if (one.what, one.key) == ("S", key))

    def innocent() -> None:
        told("S", "innocent")
        wait_for(lambda: not crashes or began("culprit") > 0)
        if crashes and began("innocent") == 1:
            time.sleep(LONG)  # it is in flight when the box crashes for the first time
        told("E", "innocent")

    def culprit() -> None:
        told("S", "culprit")
        wait_for(lambda: began("innocent") > 0)
        if began("culprit") <= crashes:
            os.kill(runner, signal.SIGKILL)
            time.sleep(LONG)
        told("E", "culprit")

    def asks() -> str:
        told("S", "asks")
        count, mark = int(os.environ["PEXEN_REBOOT_COUNT"]), os.environ["PEXEN_REBOOT_MARK"]
        note(directory, "R", "asks", f"{count}:{mark}")
        if count < 2:
            raise Reboot(mark=f"phase-{count + 1}")
        told("E", "asks")
        return mark

    def other() -> None:
        told("S", "other")
        told("E", "other")

    return [
        task(name="innocent", priority=-2, uses=["/disk"], max_crashes=0)(innocent),
        task(name="culprit", priority=-1, uses=["/disk"])(culprit),
        task(name="asks", claims=["/boot"])(asks),
        task(name="other", priority=1)(other),
    ]


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + LONG
    while not is_so() and time.monotonic() < until:
        time.sleep(0.005)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--crashes", type=int, default=0)
    parser.add_argument("--may-reboot", action="store_true")
    parser.add_argument("--stays-up", action="store_true", help="the command that reboots does nothing")
    parser.add_argument("--kill-after-commit", type=int, default=0)
    parser.add_argument("--kill-before-commit", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    kill_at_commit(asked.kill_after_commit, asked.kill_before_commit)
    journal = Path(asked.directory) / "journal.db"
    made = tasks(asked.directory, asked.crashes)
    command = "false" if asked.stays_up else f"kill -KILL {os.getpid()}"
    sched = Sched(
        made,
        journal=journal,
        name="box",
        run_id=first_run(journal),
        may_reboot=asked.may_reboot,
        reboot_command=f"sh -c '{command}'",
        park=True,
    )
    try:
        for result in sched.run(ProcessWorkerPool(workers=2)):
            if not result.replayed:
                note(asked.directory, "A", result.key or "-", result.state)
            print(json.dumps([result.key, result.state, result.verdict, result.ret]), flush=True)
    except RunOver:
        pass
    except RunParked as parked:
        print(parked, file=sys.stderr)
        sys.exit(PARKED)


def new_boot(directory: Path, *, the_keeper_stayed: bool = False) -> None:
    """As if the box had booted since the last session.

    The word that the keeper left about its runner is of another boot then, as if it had died with the box; unless it is
    to be one that was written before the box went down.
    """
    if the_keeper_stayed:
        lock = directory / "journal.db.lock"
        said = json.loads(lock.read_text())
        ((session,),) = ask(directory, "SELECT max(id) FROM session")
        pid, start, _ = said["died"]
        lock.write_text(json.dumps({**said, "died": [pid, start, f"boot {session}"]}) + "\n")
    with closing(sqlite3.connect(directory / "journal.db")) as connection, connection:
        connection.execute("UPDATE session SET boot_id = 'boot ' || id WHERE id = (SELECT max(id) FROM session)")
