"""The keeper's own death, and a keeper that has to be replaced: in programs of one thread, and of more."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from pexen_state.sched.pool.keeper import readable_once_dead
from tests.sched.pools import alive_with

ROOT = Path(__file__).parents[2]

#: What the programs begin with. They are programs, because a test's process may have threads of other tests.
BEGIN = """
import json, os, signal, subprocess, sys, threading, time
from pexen_state.core.states import Cause
from pexen_state.sched.common import PoolError
from pexen_state.sched.pool.base import Context
from tests.sched.pools import *

def noop(): pass
def sleeper(): subprocess.run(["setsid", "sleep", "1000"], check=True)

cookie = sys.argv[1]
context = Context("1", "key", cookie, 1, None, None)
def show(ends):
    return {task: [report.cause.word, report.reason] if isinstance(report, Dropped) else [report.ending.cause.word]
            for task, report in ends.items()}
"""


def told_by(program: str, cookie: str = "") -> Any:
    """What a program prints, as JSON, on its last line. It may print nothing else: no warning, no traceback."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program, cookie], env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_the_keepers_death_is_reported_for_what_had_begun_and_the_rest_can_run_again():
    cookie = f"keeper-{os.getpid()}"
    told = told_by(
        """
with opened([sleeper, noop]) as pool:
    pool.hand_over([Job(1, 1, sleeper, {}, context=context), Job(2, 1, noop, {}), Job(3, 1, noop, {})])
    wait_until_begun(pool, 1)
    wait_for(lambda: alive_with(cookie) != [], "the sleeper runs")
    old = pool.keeper_pid
    os.kill(old, signal.SIGKILL)
    ends = {report.task: report for report in reports_until_all_ended(pool, 3)}
    left = [str(process) for process in alive_with(cookie)]
    again = run(pool, [Job(2, 2, noop, {})])
    print(json.dumps([show(ends), left, show(again), pool.keeper_pid != old]))
""",
        cookie,
    )

    assert told == [
        {
            "1": ["worker_died", "the keeper was killed by SIGKILL"],
            "2": ["withdrawn", None],
            "3": ["withdrawn", None],
        },
        [],
        {"2": ["returned"]},
        True,
    ]


def test_a_keeper_that_is_forked_while_the_run_goes_on_is_named_in_the_lock_too(tmp_path):
    told = told_by(
        """
from pexen_state.journal.lock import holder_of
from pexen_state.sched import Sched, func_meta

@func_meta(name="one", provides=["one"])
def one(shared): shared["worker"] = os.getpid()
@func_meta(name="two", requires=["one"])
def two(shared):
    if os.getpid() == shared["worker"]:
        time.sleep(1000)  # it was quicker than its keeper's death

path, pool = sys.argv[1], ProcessWorkerPool()
named, existed = [], []
for result in Sched([one, two], journal=path).run(pool):
    named.append([keeper.pid for keeper in holder_of(path).keepers])
    existed.append([pool.keeper_pid])
    os.kill(pool.keeper_pid, signal.SIGKILL)
print(json.dumps([named == existed, len(set(map(tuple, named)))]))
""",
        str(tmp_path / "j.db"),
    )

    assert told == [True, 2]


def test_in_a_program_with_threads_the_keepers_death_ends_the_pool_and_says_the_way_out():
    told = told_by("""
gate = threading.Event()
stranger = threading.Thread(target=gate.wait)
with opened([noop]) as pool:
    run(pool, jobs(noop))
    stranger.start()
    os.kill(pool.keeper_pid, signal.SIGKILL)
    pool.watch(os.eventfd(0))
    try:
        while True:
            pool.wait()
    except PoolError as error:
        print(json.dumps(str(error)))
gate.set()
stranger.join()
""")

    assert told == (
        "the keeper was killed by SIGKILL, and a process with threads cannot fork another one; start a new pool"
    )


def test_a_closure_that_is_added_later_gets_a_new_keeper_that_knows_it():
    told = told_by("""
with opened([noop], workers=2) as pool:
    before, number = pool.keeper_pid, 42
    added = lambda: number
    ends = run(pool, [Job(1, 1, noop, {}), Job(2, 1, added, {}), Job(3, 1, noop, {}), Job(4, 1, added, {})])
    print(json.dumps([ends[2].outcome.ret, ends[4].outcome.ret, show(ends), pool.keeper_pid != before]))
""")

    assert told == [42, 42, {"1": ["returned"], "2": ["returned"], "3": ["returned"], "4": ["returned"]}, True]


def test_a_closure_that_is_added_in_a_program_with_threads_is_refused_with_the_way_out():
    told = told_by("""
gate = threading.Event()
stranger = threading.Thread(target=gate.wait)
stranger.start()
with opened([noop]) as pool:
    try:
        pool.hand_over([Job(1, 1, lambda: 1, {})])
    except PoolError as error:
        print(json.dumps(str(error).partition(": ")[2]))
gate.set()
stranger.join()
""")

    assert told == (
        "it cannot be imported by name, and a process with threads cannot fork a new keeper for it. "
        "Register it before the pool starts, or move it to the top of a module"
    )


def test_a_guest_changes_nothing_of_its_host_and_says_nothing():
    told = told_by("""
import ctypes
def settings():
    subreaper = ctypes.c_int()
    ctypes.CDLL(None).prctl(37, ctypes.byref(subreaper), 0, 0, 0)
    return (subreaper.value, {str(n): str(signal.getsignal(n)) for n in signal.valid_signals()},
            sys.getswitchinterval(), os.umask(0o22), sys.stdout is sys.__stdout__, sorted(os.listdir("/proc/self/fd")))
signal.signal(signal.SIGUSR1, lambda *_: None)
gate = threading.Event()
stranger = threading.Thread(target=gate.wait)
stranger.start()
before = settings()
for kind in (ProcessWorkerPool, ThreadWorkerPool):
    with opened([noop], kind) as pool:
        run(pool, jobs(noop))
after = settings()
gate.set()
stranger.join()
print(json.dumps(before == after or [before, after]))
""")

    assert told is True


def test_a_terminals_interrupt_reaches_the_runner_alone():
    told = told_by("""
signal.signal(signal.SIGINT, signal.SIG_IGN)
with opened([sleeper, os.getpgrp]) as pool:
    of_worker = run(pool, [Job(1, 1, os.getpgrp, {})])[1].outcome.ret
    print(json.dumps(os.getpgrp() in (of_worker, os.getpgid(pool.keeper_pid))))
""")

    assert told is False


def test_nothing_is_left_of_a_program_that_forgot_to_close_its_pool():
    cookie = f"forgot-{os.getpid()}"
    told = told_by(
        """
import warnings
warnings.simplefilter("ignore", ResourceWarning)
pool = ProcessWorkerPool()
pool.register([sleeper])
pool.open(False)
pool.hand_over([Job(1, 1, sleeper, {}, context=context)])
wait_until_begun(pool, 1)
wait_for(lambda: alive_with(cookie) != [], "the sleeper runs")
keeper = pool.keeper_pid
print(json.dumps(keeper), flush=True)
""",
        cookie,
    )

    # Its end is the keeper's, whose pipe to us is then closed: only after that has `told_by` returned.
    assert isinstance(told, int)
    assert alive_with(cookie) == []


def test_a_keeper_whose_runner_was_dead_before_it_could_look_ends_in_order():
    dead = subprocess.Popen(["true"])
    dead.wait()
    for pid, is_dead in ((dead.pid, True), (os.getpid(), False)):
        descriptor = readable_once_dead(pid)
        try:
            assert bool(select.select([descriptor], [], [], 0)[0]) == is_dead
        finally:
            os.close(descriptor)
