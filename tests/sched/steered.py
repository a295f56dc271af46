"""Runs to be steered: their tasks, runs that nobody runs, and how they stand."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from pexen_state.sched import Sched, func_meta
from pexen_state.sched.pool import ThreadWorkerPool
from tests.journal.telling import sql


@func_meta(name="first", priority=-1)
def first() -> None:
    pass


@func_meta(name="breaks", claims=["/proc/sys", ("disk", 1)], priority=-1)
def breaks() -> None:
    raise ValueError


@func_meta(name="second")
def second() -> None:
    pass


@func_meta(name="third", priority=1)
def third() -> None:
    pass


def stopped(path: Path, *tasks) -> None:
    """A run of which nobody runs the rest: its caller left after the first result."""
    run = Sched(tasks or [first, second, third], journal=path).run(ThreadWorkerPool(1, spare=0))
    next(run)
    run.close()


KILLED = """
import os, signal, sys
from pexen_state.sched import Sched, func_meta
from pexen_state.sched.pool import ProcessWorkerPool

def hangs():
    print(os.getpid(), flush=True)
    signal.pause()

def last(): pass

tasks = [func_meta(name="hangs", claims=["disk"])(hangs), func_meta(name="last", after=["hangs"])(last)]
list(Sched(tasks, journal=sys.argv[1]).run(ProcessWorkerPool(1, spare=0)))
"""


def killed(path: Path) -> None:
    """A run that was killed while a task ran."""
    with subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.stdout.read()  # until the keeper has ended the task


def states(path: Path) -> list[tuple[str, str, str | None]]:
    return sql(path, "SELECT task, state, verdict FROM tasks ORDER BY number")


def how_ended(path: Path) -> list[str]:
    return [how for (how,) in sql(path, "SELECT how_ended FROM sessions ORDER BY id")]


def run_states(path: Path) -> list[str]:
    return [state for (state,) in sql(path, "SELECT state FROM runs ORDER BY id")]
