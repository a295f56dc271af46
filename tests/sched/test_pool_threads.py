"""What is particular to threads: they share memory, and cannot be killed."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from contextlib import ExitStack
from types import FrameType

import pytest

from pexen_state.core.plan import Mood
from pexen_state.sched import Sched, func_meta
from pexen_state.sched.executable import Executable
from pexen_state.sched.pool.todo import Todo
from tests.sched.bodies import noop
from tests.sched.pools import (
    FOREVER,
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


def test_a_task_that_is_stopped_may_come_to_its_end_within_the_grace():
    asked = threading.Event()

    def wait():
        asked.wait()
        return "in time"

    with opened([wait], ThreadWorkerPool) as pool:
        pool.hand_over(jobs(wait))
        wait_until_begun(pool, 1)
        pool.kill(1, 1, Cause.STOPPED, grace=FOREVER)
        asked.set()
        report = reports_until_all_ended(pool, 1)[-1]

    assert said(report) == (Cause.RETURNED, Verdict.PASS, None)
    assert report.outcome.ret == "in time"


def test_who_asks_again_with_less_patience_is_obeyed():
    gate = threading.Event()

    def wait():
        gate.wait()

    with opened([wait], ThreadWorkerPool) as pool:
        pool.hand_over(jobs(wait))
        wait_until_begun(pool, 1)
        pool.kill(1, 1, Cause.STOPPED, grace=10 * FOREVER)
        pool.kill(1, 1, Cause.STOPPED, grace=0)
        report = reports_until_all_ended(pool, 1)[-1]
        gate.set()

    assert (report.cause, report.surely_dead) == (Cause.STOPPED, False)


def test_a_pool_that_is_closed_waits_for_the_task_that_runs():
    ended = []

    def wait():
        wait_for(lambda: not pool.alive(), "the pool is being closed")
        ended.append(True)

    pool = ThreadWorkerPool()
    pool.open(False)
    pool.hand_over(jobs(wait))
    wait_until_begun(pool, 1)
    pool.close(FOREVER)

    assert ended == [True]


def test_what_an_abandoned_task_brings_is_not_taken_for_the_result_of_a_later_run():
    old_gate, new_gate = threading.Event(), threading.Event()

    def old():
        old_gate.wait()
        return "old"

    def new():
        new_gate.wait()
        return "new"

    pool = ThreadWorkerPool()
    pool.open(False)
    pool.hand_over(jobs(old))
    wait_until_begun(pool, 1)
    (left,) = [thread for thread in threading.enumerate() if thread.name.startswith("pexen worker")]
    pool.close(0)
    pool.open(False)
    pool.hand_over(jobs(new))
    wait_until_begun(pool, 1)
    old_gate.set()
    left.join()
    new_gate.set()
    report = reports_until_all_ended(pool, 1)[-1]
    pool.close(0)

    assert report.outcome.ret == "new"


def test_a_task_that_runs_when_its_caller_leaves_may_end_and_its_result_is_kept(tmp_path):
    begun, is_leaving = threading.Event(), threading.Event()

    def first():
        begun.wait()

    def second():
        begun.set()
        wait_for(lambda: sched.plan.mood is not Mood.RUNNING, "the run is being left")
        is_leaving.set()
        return "in time"

    tasks = [func_meta(name="first")(first), func_meta(name="second")(second)]
    sched = Sched(tasks, journal=tmp_path / "j.db")
    run = sched.run(ThreadWorkerPool(2))
    assert next(run).key == "first"
    run.close()

    assert is_leaving.is_set()
    again = Sched(tasks, journal=tmp_path / "j.db").run(ThreadWorkerPool())
    assert [(result.key, result.ret, result.replayed) for result in again if result.key == "second"] == [
        ("second", "in time", True)
    ]


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


def test_threads_take_turns_more_often_only_while_a_pool_of_them_is_open():
    before = sys.getswitchinterval()
    with opened([noop], ThreadWorkerPool):
        assert sys.getswitchinterval() < before
        with opened([noop], ThreadWorkerPool):
            pass
        assert sys.getswitchinterval() < before

    assert sys.getswitchinterval() == before


def test_what_somebody_else_has_set_meanwhile_is_left_as_it_is():
    before = sys.getswitchinterval()
    try:
        with opened([noop], ThreadWorkerPool):
            sys.setswitchinterval(0.02)
        assert sys.getswitchinterval() == 0.02
    finally:
        sys.setswitchinterval(before)


def test_a_pool_that_runs_executables_alone_changes_nothing_of_the_interpreter():
    before = sys.getswitchinterval()
    with opened([Executable("/bin/true")], ThreadWorkerPool):
        assert sys.getswitchinterval() == before


def test_a_thread_that_sleeps_is_woken_once_for_what_is_new_and_all_of_them_at_the_end():
    todo, taken = Todo(), queue.SimpleQueue()

    def work():
        while (job := todo.take()) is not None:
            taken.put(job.task)
        taken.put("home")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for first in range(1, 300, 3):
        todo.put([Job(first + n, 1, noop, {}) for n in range(3)])
    found = {taken.get(timeout=FOREVER) for _ in range(300)}
    todo.close()
    for thread in threads:
        thread.join(FOREVER)

    assert found == set(range(1, 301))
    assert [taken.get(timeout=FOREVER) for _ in range(3)] == ["home"] * 3


def test_one_job_can_be_taken_out_and_the_others_keep_their_order():
    todo = Todo()
    one, two, three = jobs(noop, noop, noop)
    todo.put([one, two, three])

    assert todo.take_out(two)
    assert not todo.take_out(two)
    assert todo.take_back() == [one, three]


# -- an interrupt from the keyboard


def test_a_thread_that_outlives_an_interrupted_pool_writes_into_nobodys_file(tmp_path):
    let_it_end = threading.Event()

    def wait():
        let_it_end.wait()

    pool = ThreadWorkerPool(1)
    pool.register([wait])
    pool.open(journaled=False)
    pool.hand_over([Job(1, 1, wait, {})])
    thread = next(one for one in threading.enumerate() if one.name == "pexen worker 0")
    interrupt = threading.Timer(0.1, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        list(iter(pool.wait, None))
    pool.close(0)

    with ExitStack() as stack:
        for number in range(8):  # one of them has the number of its descriptor
            stack.enter_context(open(tmp_path / str(number), "wb"))
        let_it_end.set()
        thread.join()

    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0] * 8


def test_an_interrupt_while_threads_are_started_leaves_no_pool_open_and_no_setting_changed():
    pool = ThreadWorkerPool(2)
    pool.register([print])
    before = sys.getswitchinterval()
    tracer = sys.gettrace()

    def interrupt(frame: FrameType, event: str, arg: object) -> None:
        if frame.f_code.co_name == "_hire":
            sys.settrace(None)
            raise KeyboardInterrupt

    sys.settrace(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            pool.open(journaled=False)
    finally:
        sys.settrace(tracer)

    assert not pool.alive()
    assert sys.getswitchinterval() == before
