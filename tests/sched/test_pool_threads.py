"""What is particular to threads: they share memory, and cannot be killed."""

from __future__ import annotations

import os
import threading

from pexen_state.sched.executable import Executable
from tests.sched.pools import (
    Cause,
    Job,
    Limits,
    ThreadWorkerPool,
    Verdict,
    is_alive,
    jobs,
    opened,
    reports_until_all_ended,
    run,
    said,
    wait_for,
    wait_until_begun,
)


def test_a_task_over_its_limit_is_abandoned_and_its_late_result_dropped():
    gate, late = threading.Event(), threading.Event()

    def wait():
        gate.wait()
        late.set()
        return "late"

    def quick():
        return "quick"

    with opened([wait, quick], ThreadWorkerPool) as pool:
        ends = run(pool, [Job(1, 1, wait, {}, Limits(timeout=0.05)), Job(2, 1, quick, {})])
        gate.set()
        late.wait()
        after = run(pool, [Job(3, 1, quick, {})])

    assert said(ends[1]) == (
        Cause.TIMED_OUT,
        Verdict.TIMEOUT,
        (
            "over its time limit of 0.05 s; a thread cannot be killed, so it still runs: "
            "use the process pool for tasks like this"
        ),
    )
    assert ends[1].outcome.ret is None
    assert ends[2].outcome.ret == "quick"
    assert after.keys() == {3}


def test_a_task_that_is_stopped_is_not_surely_dead():
    gate = threading.Event()

    def wait():
        gate.wait()

    with opened([wait], ThreadWorkerPool) as pool:
        pool.hand_over(jobs(wait))
        wait_until_begun(pool, 1)
        pool.kill(1, 1, Cause.STOPPED, grace=0)
        report = reports_until_all_ended(pool, 1)[-1]
        gate.set()

    assert (report.cause, report.surely_dead) == (Cause.STOPPED, False)


def test_tasks_share_the_memory_of_their_caller():
    seen = []

    def append():
        seen.append(os.getpid())

    with opened([append], ThreadWorkerPool) as pool:
        run(pool, jobs(append))

    assert seen == [os.getpid()]


def test_a_task_may_be_handed_over_without_being_registered():
    with opened([], ThreadWorkerPool) as pool:
        assert run(pool, jobs(lambda: 5))[1].outcome.ret == 5


def test_without_executables_there_is_no_keeper():
    with opened([os.getpid], ThreadWorkerPool) as pool:
        assert pool.keeper_pid is None


def test_a_closed_pool_leaves_no_process_and_no_thread():
    before = threading.active_count()
    slow = Executable(["sleep", "1000"])
    with opened([slow], ThreadWorkerPool, workers=3) as pool:
        pool.hand_over([Job(number, 1, slow, {}) for number in range(1, 6)])
        wait_until_begun(pool, 1, 2, 3)
        keeper = pool.keeper_pid

    assert not is_alive(keeper)
    wait_for(lambda: threading.active_count() == before, "the threads have ended")


def test_a_task_may_raise_anything_and_its_traceback_is_there():
    def fail():
        raise ValueError("no such world")

    with opened([fail], ThreadWorkerPool) as pool:
        excinfo = run(pool, jobs(fail))[1].outcome.excinfo

    assert excinfo.tb.tb_frame.f_code is fail.__code__
