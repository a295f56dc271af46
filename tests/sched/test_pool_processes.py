"""Process workers that die, and what they are given: what the others and the runner see of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from pexen_state.sched.common import PoolError
from pexen_state.sched.executable import Executable
from tests.sched.bodies import (
    leave_early,
    noop,
    segfault,
    sleep_for_ever,
)
from tests.sched.pools import (
    Began,
    Cause,
    Ended,
    Job,
    Verdict,
    jobs,
    opened,
    reports_until_all_ended,
    run,
    said,
    wait_until_begun,
)


def test_a_worker_that_dies_is_one_lost_attempt_and_its_neighbours_do_not_notice():
    bodies = [noop, segfault, noop, noop, leave_early, noop, noop]
    with opened(bodies, workers=2) as pool:
        ends = run(pool, jobs(*bodies))

    assert said(ends[2]) == (Cause.WORKER_DIED, None, "killed by SIGSEGV")
    assert said(ends[5]) == (Cause.WORKER_DIED, None, "exited with status 3")
    assert ends[2].surely_dead
    assert ends[2].outcome.signal == signal.SIGSEGV
    assert ends[5].outcome.exit_code == 3
    assert {ends[number].ending.cause for number in (1, 3, 4, 6, 7)} == {Cause.RETURNED}


def test_what_is_queued_behind_a_worker_that_dies_runs_all_the_same():
    with opened([noop, segfault]) as pool:
        run(pool, jobs(*[noop] * 50))  # short ones: from now on they travel in chunks
        ends = run(pool, [Job(100 + n, 1, segfault if n % 7 == 3 else noop, {}) for n in range(200)])

    for task, report in ends.items():
        assert report.ending.cause is Cause.RETURNED if task % 7 != 5 else report.cause is Cause.WORKER_DIED


def test_what_a_worker_took_and_never_began_is_found_and_run_by_another():
    with opened([sleep_for_ever, noop], workers=2) as pool:
        pool.hand_over([Job(1, 1, sleep_for_ever, {})])
        busy = wait_until_begun(pool, 1)[1]
        while len(pool._staff.hired) < 2:  # the keeper may be in no hurry
            assert pool.wait(time.monotonic() + 0.01) == []
        idle = next(hired for hired in pool._staff.hired.values() if hired.pid != busy.pid)
        os.kill(idle.pid, signal.SIGSTOP)
        pool.hand_over([Job(2, 1, noop, {}), Job(3, 1, noop, {})])
        taken = pool._staff._untaken.receive()  # as a worker does
        assert taken
        os.kill(idle.pid, signal.SIGKILL)  # before it could say so

        ends = {report.task: report for report in reports_until_all_ended(pool, 2) if isinstance(report, Ended)}

    assert ends.keys() == {2, 3}


def test_an_attempt_that_takes_a_while_is_reported_to_have_begun():
    with opened([sleep_for_ever]) as pool:
        pool.hand_over(jobs(sleep_for_ever))
        began = wait_until_begun(pool, 1)[1]

        assert isinstance(began, Began)
        assert began.pid == pool._staff.hired[began.worker].pid
        assert abs(began.at_us / 1e6 - time.time()) < 3600


def test_large_tasks_and_large_results_pass_each_other():
    size = 64 * 1024 * 1024

    def double(shared):
        return shared["in"] * 2

    with opened([double], workers=2) as pool:
        ends = run(pool, [Job(n, 1, double, {"in": bytes([n]) * (size // 2)}) for n in range(1, 4)])

    for n in range(1, 4):
        assert len(ends[n].outcome.ret) == size
        assert ends[n].outcome.ret[:1] == bytes([n])


def test_many_tasks_fit_in_flight_at_once():
    with opened([noop], workers=2) as pool:
        ends = run(pool, jobs(*[noop] * 4096))
        assert len(ends) == 4096
        with pytest.raises(PoolError, match="no more than 4096 tasks at once"):
            pool.hand_over(jobs(*[noop] * 4097))


def test_an_importable_task_that_is_added_later_is_imported_by_the_worker():
    with opened([noop]) as pool:
        before = pool.keeper_pid
        ends = run(pool, jobs(os.getcwd))

        assert ends[1].outcome.ret == str(Path.cwd())
        assert pool.keeper_pid == before


def test_shared_that_cannot_be_pickled_fails_its_task_only():
    with opened([noop]) as pool:
        ends = run(pool, [Job(1, 1, noop, {"lock": lambda: None}), Job(2, 1, noop, {})])

    assert said(ends[1])[:2] == (Cause.RAISED, Verdict.ERROR)
    assert "Can't pickle shared" in said(ends[1])[2]
    assert said(ends[2])[0] is Cause.RETURNED


def test_a_task_may_use_multiprocessing():
    def squares():
        with multiprocessing.get_context("fork").Pool(2) as pool:
            return pool.map(abs, [-1, -2, 3])

    with opened([squares]) as pool:
        ends = run(pool, jobs(squares))

    assert ends[1].outcome.ret == [1, 2, 3]


def test_a_broken_start_of_an_executable_is_that_tasks_error(tmp_path):
    missing = Executable([str(tmp_path / "missing")])
    with opened([missing, noop]) as pool:
        ends = run(pool, jobs(missing, noop))

    assert said(ends[1])[:2] == (Cause.EXITED, Verdict.ERROR)
    assert "No such file" in said(ends[1])[2]
    assert said(ends[2])[0] is Cause.RETURNED


def test_the_keeper_holds_no_descriptor_of_its_parent(tmp_path):
    with open(tmp_path / "journal.db", "w") as journal, open(tmp_path / "lock", "w") as lock:
        os.set_inheritable(journal.fileno(), True)
        with opened([sleep_for_ever], keep_fds=[lock.fileno()]) as pool:
            pool.hand_over(jobs(sleep_for_ever))
            worker = wait_until_begun(pool, 1)[1].pid

            assert (journal.name in _open_files(pool.keeper_pid), lock.name in _open_files(pool.keeper_pid)) == (
                False,
                True,
            )
            assert not {journal.name, lock.name} & _open_files(worker)


def _open_files(pid: int) -> set[str]:
    return {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}


def test_after_a_worker_has_died_jobs_go_out_one_by_one():
    with opened([noop, segfault]) as pool:
        run(pool, jobs(*[noop] * 50))
        pool.hand_over([Job(100 + n, 1, noop, {}) for n in range(20)])
        assert pool._flights._chunks
        reports_until_all_ended(pool, 20)

        run(pool, [Job(200, 1, segfault, {})])
        pool.hand_over([Job(300 + n, 1, noop, {}) for n in range(20)])
        assert not pool._flights._chunks
        reports_until_all_ended(pool, 20)
