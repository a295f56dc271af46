"""However its caller leaves a run, and whatever else the caller's program does meanwhile: it ends in order."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType

import pytest

from pexen_state.core.inputs import StopAsked
from pexen_state.sched import PoolError, Sched, SchedulerError, func_meta
from pexen_state.sched.inbox import Inbox
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.sched.originals import children, on_both_pools


def named(name: str, **fields: object) -> Callable[[], str]:
    @func_meta(name=name, **fields)
    def task() -> str:
        return name

    return task


def three() -> list[Callable[[], str]]:
    return [named("one"), named("two"), named("three")]


def how_sessions_ended(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [how for (how,) in connection.execute("SELECT how_ended FROM sessions ORDER BY id")]


# -- results that were decided and not given


def both_end_in_one_turn(pool: ProcessWorkerPool) -> None:
    """Its caller is slow: by the time that it asks for news, everything has ended."""
    wait = pool.wait

    def patient(until: float | None = None, enough: int = 1) -> list:
        reports = wait(until)
        while sum(type(one).__name__ == "Ended" for one in reports) < 2:
            reports += wait(None)
        return reports

    pool.wait = patient


def test_a_run_whose_last_results_nobody_was_given_can_be_resumed(tmp_path):
    tasks = [named("one"), named("two")]
    pool = ProcessWorkerPool(2)
    both_end_in_one_turn(pool)

    run = Sched(tasks, journal=tmp_path / "j.db").run(pool)
    first = next(run)
    run.close()

    rest = list(Sched(tasks, journal=tmp_path / "j.db").run(ThreadWorkerPool()))
    assert {result.key for result in rest} == {"one", "two"}
    assert all(result.replayed for result in rest)
    assert first.key in {"one", "two"}


def test_a_run_that_is_left_with_its_last_result_is_finished(tmp_path):
    tasks = [named("one")]

    assert not next(Sched(tasks, journal=tmp_path / "j.db").run(ThreadWorkerPool())).replayed
    assert not next(Sched(tasks, journal=tmp_path / "j.db").run(ThreadWorkerPool())).replayed


# -- a pool that somebody else uses


@on_both_pools
@pytest.mark.parametrize("journaled", [False, True])
def test_a_pool_in_use_is_refused_and_goes_on_with_what_it_does(pool, journaled, tmp_path):
    shared = pool(1, spare=0)
    first = Sched(three()).run(shared)
    next(first)

    with pytest.raises(PoolError, match="already running"):
        list(Sched([named("other")], journal=tmp_path / "j.db" if journaled else None).run(shared))

    assert [result.ret for result in first] == ["two", "three"]


# -- a caller that forks


def in_a_child(what: Callable[[], None]) -> int:
    """Its exit status: 0 if nothing was raised, 1 if a SchedulerError was."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            what()
            status = 0
        except SchedulerError:
            status = 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@on_both_pools
@pytest.mark.parametrize("journaled", [False, True])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_the_caller_forks_can_leave_the_run_and_ends_nothing(pool, journaled, tmp_path):
    path = tmp_path / "j.db"
    run = Sched(three(), journal=path if journaled else None).run(pool(1, spare=0))
    next(run)

    assert in_a_child(run.close) == 0

    assert [result.ret for result in run] == ["two", "three"]
    if journaled:
        assert how_sessions_ended(path) == ["finished"]


@on_both_pools
@pytest.mark.parametrize("journaled", [False, True])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_the_caller_forks_cannot_go_on_with_the_run(pool, journaled, tmp_path):
    run = Sched(three(), journal=tmp_path / "j.db" if journaled else None).run(pool(1, spare=0))
    next(run)

    assert in_a_child(lambda: next(run)) == 1

    assert [result.ret for result in run] == ["two", "three"]


def test_nor_can_it_go_on_with_a_replay(tmp_path):
    tasks = three()
    for taken, _ in enumerate(Sched(tasks, journal=tmp_path / "j.db").run(ProcessWorkerPool(1, spare=0))):
        if taken == 1:
            break
    run = Sched(tasks, journal=tmp_path / "j.db").run(ProcessWorkerPool(1, spare=0))
    assert next(run).replayed

    assert in_a_child(lambda: next(run)) == 1

    assert [result.key for result in run] == ["two", "three"]


# -- an interrupt from the keyboard


class InterruptAt:
    """A tracer that raises KeyboardInterrupt where a function of that name begins, once."""

    def __init__(self, function: str) -> None:
        self._function = function
        self.hit = False

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        if not self.hit and frame.f_code.co_name == self._function and "pexen_state" in frame.f_code.co_filename:
            self.hit = True
            raise KeyboardInterrupt


@on_both_pools
@pytest.mark.parametrize("function", ["_dispatch", "apply", "lay_out", "write", "_collect", "_act", "_stop"])
def test_an_interrupt_anywhere_in_a_turn_leaves_a_run_that_can_be_resumed(pool, function, tmp_path):
    path = tmp_path / "j.db"
    others = children()
    run = Sched(three(), journal=path).run(pool(1, spare=0))
    next(run)
    interrupt = InterruptAt(function)
    before = sys.gettrace()

    sys.settrace(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            run.close() if function == "_stop" else list(run)
    finally:
        sys.settrace(before)

    assert interrupt.hit
    assert children() <= others
    keys = [result.key for result in Sched(three(), journal=path).run(pool())]
    assert sorted(keys) == ["one", "three", "two"]
    assert how_sessions_ended(path) == ["stopped", "finished"]


# -- the end of the program

LEAVES = """
import sys, time
from pexen_state.sched import Sched, func_meta, loop
from pexen_state.sched.pool import {pool}

loop.STOP_GRACE = 0.1  # nobody can end a thread: for so long it is waited for

@func_meta(name="one", priority=-1)
def one(): pass

@func_meta(name="two")
def two(): time.sleep(1000)

results = Sched([one, two], journal=sys.argv[1]).run({pool}(2))
next(results)
"""


@pytest.mark.parametrize("pool", ["ThreadWorkerPool", "ProcessWorkerPool"])
def test_a_program_that_ends_with_results_untaken_ends_the_session_without_a_word(pool, tmp_path):
    path = tmp_path / "j.db"

    done = subprocess.run(
        [sys.executable, "-c", LEAVES.format(pool=pool), path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )

    assert (done.returncode, done.stdout) == (0, b"")
    assert how_sessions_ended(path) == ["stopped"]


CLOSED = """
import os, sys
from pexen_state.sched import Sched, func_meta
from pexen_state.sched.executable import Executable
from pexen_state.sched.pool import {pool}

path, answer = sys.argv[1], os.dup2(1, 50)
os.closerange(0, 3)
tasks = [func_meta(name="python")(lambda: 1), func_meta(name="executable")(Executable(["true"]))]
results = list(Sched(tasks, journal=path).run({pool}(2)))
os.write(50, " ".join(sorted(result.key + "=" + result.verdict for result in results)).encode())
"""


@pytest.mark.parametrize("pool", ["ThreadWorkerPool", "ProcessWorkerPool"])
def test_a_program_without_standard_input_and_output_can_run_tasks(pool, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CLOSED.format(pool=pool), tmp_path / "j.db"], stdout=subprocess.PIPE, timeout=120
    )

    assert done.stdout == b"executable=pass python=pass"


# -- what is asked when the run is over


def test_what_is_asked_after_the_end_reaches_no_descriptor():
    inbox = Inbox()
    number = inbox.fileno()
    reading, writing = os.pipe()
    inbox.close()
    os.dup2(writing, number)

    inbox.put(StopAsked("too late"))

    os.set_blocking(reading, False)
    with pytest.raises(BlockingIOError):
        os.read(reading, 8)
    for descriptor in {reading, writing, number}:
        os.close(descriptor)
