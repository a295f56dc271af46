"""What a task costs is counted, not timed, so that a change that makes every run dearer does not go unseen.

Counted are calls of functions, rows, bytes, system calls, flushes and instructions; `budgets` says how many a task may
cost. How many tasks wait in the pool is given, because the loop would choose by how fast the disk is today.

When a test fails, it says what a task cost and what it may. Either the change can do without (`python -m cProfile -s
ncalls -m tests.cost.suite layered 1000 thread /tmp/journal.db`, on this commit and on the one before, shows which
function is called more often), or it is worth that: then its budget is raised, and the commit says why.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.cost import budgets
from tests.examples import ROOT

FEW, MANY, VERY_MANY = 1_000, 10_000, 50_000

#: They only wait for somebody else, as often as it happens.
WAITING = {"futex", "poll", "ppoll", "epoll_wait", "select", "pselect6", "wait4", "rt_sigreturn", "restart_syscall"}


def suite(shape, n, pool="thread", journal="-", *how, under=()):
    """The command line of a child, and its environment."""
    words = [*under, sys.executable, "-m", "tests.cost.suite", shape, str(n), pool, str(journal), *how]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    return {"args": words, "env": environment, "cwd": ROOT, "text": True}


def run(*arguments, **more):
    done = subprocess.run(**suite(*arguments, **more), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def calls_a_task(shape, n, journal="-"):
    return int(run(shape, n, "thread", journal, "profile").stdout) / n


@pytest.mark.parametrize("shape", budgets.CALLS)
def test_a_journaled_task_calls_no_more_functions_than_it_may_however_many_there_are(shape, tmp_path):
    few = calls_a_task(shape, MANY, tmp_path / "few.db")
    many = calls_a_task(shape, VERY_MANY, tmp_path / "many.db")

    assert few <= budgets.CALLS[shape], "calls a task, its budget"
    assert many <= few * budgets.GROWTH, "calls a task, and among few with the growth that is allowed"


@pytest.mark.parametrize("shape", budgets.CALLS_IN_MEMORY)
def test_a_task_in_memory_calls_no_more_functions_than_it_may_however_many_there_are(shape):
    few, many = calls_a_task(shape, FEW), calls_a_task(shape, MANY)

    assert few <= budgets.CALLS_IN_MEMORY[shape], "calls a task, its budget"
    assert many <= few * budgets.GROWTH, "calls a task, and among few with the growth that is allowed"


def test_very_many_that_wait_for_locks_and_resources_cost_no_more_a_task_than_many():
    many, very_many = calls_a_task("contended", MANY), calls_a_task("contended", VERY_MANY)

    assert very_many <= many * budgets.GROWTH, "calls a task, and among fewer with the growth that is allowed"


@pytest.mark.parametrize("shape", budgets.BYTES)
def test_a_task_leaves_no_more_rows_and_bytes_than_it_may(shape, tmp_path):
    journal = tmp_path / "journal.db"
    run(shape, MANY, "thread", journal)

    with closing(sqlite3.connect(journal)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = sum(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in tables)
    assert rows / MANY <= budgets.ROWS, "rows a task, its budget"
    assert journal.stat().st_size / MANY <= budgets.BYTES[shape], "bytes a task, its budget"


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace: apt-get install strace")
@pytest.mark.parametrize("pool", budgets.SYSTEM_CALLS)
def test_a_task_makes_no_more_system_calls_and_flushes_than_it_may(pool, tmp_path):
    # A machine that is busy with something else ends fewer tasks in a turn, and so has more turns: the least of three
    # tries is what the program needs.
    tries = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        few, many = (system_calls("layered", n, pool, tmp_path / str(number)) for n in (FEW, 4 * FEW))
        a_task = {name: (many[name] - few.get(name, 0)) / (3 * FEW) for name in many if name not in WAITING}
        tries.append((sum(a_task.values()), a_task["fdatasync"], sorted(a_task.items(), key=lambda one: -one[1])[:12]))
        if tries[-1][0] <= budgets.SYSTEM_CALLS[pool] and tries[-1][1] <= budgets.FLUSHES[pool]:
            return
    assert min(tries)[0] <= budgets.SYSTEM_CALLS[pool], min(tries)
    assert min(tries)[1] <= budgets.FLUSHES[pool], "flushes a task, its budget"


def system_calls(shape, n, pool, directory):
    """Name -> how many the runner and all its children made."""
    counted = directory / f"strace-{n}"
    under = ("strace", "-f", "-c", "-U", "name,calls", "-o", str(counted))
    done = subprocess.run(**suite(shape, n, pool, directory / f"{n}.db", under=under), capture_output=True, check=False)
    if "ptrace" in done.stderr.lower():  # a container may not let it
        pytest.skip(f"strace may not trace here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^(\w+) +(\d+)$", counted.read_text(), re.MULTILINE)
    return {name: int(calls) for name, calls in rows if name != "total"}


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="there is no valgrind: apt-get install valgrind")
def test_a_task_takes_no_more_instructions_than_it_may():
    few, many = instructions("layered", (200, 1_000))

    assert (many - few) / 800 <= budgets.INSTRUCTIONS, "instructions a task, its budget"


def instructions(shape, counts):
    """Of whole processes, one for each number of tasks, at the same time; what starting costs is in all of them."""
    under = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
    children = [
        subprocess.Popen(**suite(shape, n, under=under), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for n in counts
    ]
    told = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0] * len(children), told
    return [int(re.search(r"I\s+refs:\s+([\d,]+)", one)[1].replace(",", "")) for one in told]
