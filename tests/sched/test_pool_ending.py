"""How attempts in process workers are ended: over a limit, when somebody asks, or with what they left behind."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from pexen_state.sched.executable import Executable
from pexen_state.sched.pool import tree
from tests.sched.bodies import (
    clean_up_on_term,
    detach_a_sleeper,
    fork_a_tree,
    ignore_term,
    noop,
    sleep_for_ever,
    stop_itself,
)
from tests.sched.pools import (
    Cause,
    Dropped,
    Job,
    Limits,
    Verdict,
    die_of,
    is_alive,
    jobs,
    opened,
    reports_until_all_ended,
    run,
    said,
    wait_for,
    wait_until_begun,
)


def test_a_task_over_its_time_limit_is_ended_with_all_that_it_started():
    with opened([fork_a_tree, noop]) as pool:
        pool.hand_over([Job(1, 1, fork_a_tree, {}, Limits(timeout=1, grace=0.1)), Job(2, 1, noop, {})])
        worker = wait_until_begun(pool, 1)[1].pid
        wait_for(lambda: len(tree.descendants(worker)) == 6, "the tree has grown")
        grown = tree.descendants(worker)
        ends = {report.task: report for report in reports_until_all_ended(pool, 2)}

        assert [process for process in grown if is_alive(process.pid)] == []
    assert said(ends[1]) == (Cause.TIMED_OUT, Verdict.TIMEOUT, "over its time limit of 1 s")
    assert said(ends[2]) == (Cause.RETURNED, Verdict.PASS, None)


@pytest.mark.parametrize("body", [stop_itself, ignore_term, sleep_for_ever])
def test_a_task_that_does_not_want_to_end_is_ended(body):
    with opened([body, noop]) as pool:
        ends = run(pool, [Job(1, 1, body, {}, Limits(timeout=0.2, grace=0.1)), Job(2, 1, noop, {})])

    assert said(ends[1])[0] is Cause.TIMED_OUT
    assert said(ends[2])[0] is Cause.RETURNED


def test_a_task_may_clean_up_when_its_time_is_over():
    with opened([clean_up_on_term]) as pool:
        ends = run(pool, [Job(1, 1, clean_up_on_term, {}, Limits(timeout=0.2, grace=60))])

    assert said(ends[1])[0] is Cause.TIMED_OUT
    assert ends[1].outcome.shared == {"cleaned up": True}


def test_a_silent_task_is_over_its_idle_limit_and_a_talking_one_is_not(tmp_path):
    def talk():
        for _ in range(20):
            print("still here", flush=True)
            time.sleep(0.05)

    def fall_silent():
        print("hello", flush=True)
        sleep_for_ever()

    limits = Limits(idle_timeout=0.4, grace=0.1)
    with opened([talk, fall_silent], workers=2) as pool:
        ends = run(
            pool,
            [
                Job(1, 1, talk, {}, limits, output=str(tmp_path / "talk.log")),
                Job(2, 1, fall_silent, {}, limits, output=str(tmp_path / "silent.log")),
            ],
        )

    assert said(ends[1])[0] is Cause.RETURNED
    assert said(ends[2]) == (Cause.IDLE, Verdict.TIMEOUT, "wrote nothing for 0.4 s, its limit for that")
    assert (tmp_path / "silent.log").read_text() == "hello\n"


def test_what_a_task_leaves_behind_is_killed_and_named():
    with opened([detach_a_sleeper]) as pool:
        ends = run(pool, jobs(detach_a_sleeper))

    cause, verdict, reason = said(ends[1])
    sleeper = ends[1].outcome.ret
    assert (cause, verdict) == (Cause.RETURNED, Verdict.WARN)
    assert reason == f"left running, and killed: sleep (pid {sleeper})"
    assert not is_alive(sleeper)


def test_what_a_dead_workers_task_had_detached_dies_with_it(tmp_path):
    pids = tmp_path / "pids"

    def detach_and_die():
        pids.write_text(str(detach_a_sleeper()))
        die_of(signal.SIGKILL)

    with opened([detach_and_die]) as pool:
        ends = run(pool, jobs(detach_and_die))

        assert said(ends[1]) == (Cause.WORKER_DIED, None, "killed by SIGKILL")
        assert not is_alive(int(pids.read_text()))


@pytest.mark.parametrize("cause", [Cause.STOPPED, Cause.CANCELLED])
def test_an_attempt_can_be_killed_and_the_next_one_runs(cause):
    with opened([ignore_term, noop]) as pool:
        pool.hand_over([Job(1, 1, ignore_term, {}), Job(2, 1, noop, {})])
        wait_until_begun(pool, 1)
        pool.kill(1, 1, cause, grace=0.1)
        ends = {report.task: report for report in reports_until_all_ended(pool, 2)}

    assert isinstance(ends[1], Dropped)
    assert (ends[1].cause, ends[1].surely_dead) == (cause, True)
    assert said(ends[2])[0] is Cause.RETURNED


def test_an_attempt_that_is_killed_before_it_began_is_given_back():
    with opened([sleep_for_ever, noop]) as pool:
        pool.hand_over([Job(1, 1, sleep_for_ever, {}), Job(2, 1, noop, {}), Job(3, 1, noop, {})])
        wait_until_begun(pool, 1)
        pool.kill(2, 1, Cause.CANCELLED, grace=0)
        assert pool.wait() == [Dropped(2, 1, Cause.WITHDRAWN)]
        pool.kill(1, 1, Cause.STOPPED, grace=0)
        ends = {report.task: report for report in reports_until_all_ended(pool, 2)}

    assert ends[1].cause is Cause.STOPPED
    assert said(ends[3])[0] is Cause.RETURNED


def test_what_no_worker_began_can_be_taken_back():
    with opened([sleep_for_ever, noop], workers=2) as pool:
        pool.hand_over([Job(n, 1, sleep_for_ever if n < 3 else noop, {}) for n in range(1, 10)])
        wait_until_begun(pool, 1, 2)
        pool.withdraw()
        taken_back = reports_until_all_ended(pool, 7)

        assert [(report.task, report.cause) for report in taken_back] == [(n, Cause.WITHDRAWN) for n in range(3, 10)]
        pool.hand_over([Job(3, 2, noop, {})])
        pool.kill(1, 1, Cause.STOPPED, grace=0)
        again = {report.task: report for report in reports_until_all_ended(pool, 2)}
        assert said(again[3])[0] is Cause.RETURNED  # what is handed over afterwards is not meant


@pytest.fixture
def immune(tmp_path, monkeypatch) -> Path:
    """While this file is there, no signal reaches a `sleep`: as in state D, which a test cannot make."""
    file = tmp_path / "immune"
    file.touch()
    send = tree.send

    def send_in_vain(pid: int, number: int) -> bool:
        process = tree.look_at(pid)
        return (process is not None and process.name == "sleep" and file.exists()) or send(pid, number)

    monkeypatch.setattr(tree, "send", send_in_vain)  # before the keeper is forked, which then has it too
    return file


def test_a_process_that_no_signal_ends_is_given_up_and_named(immune):
    stuck, quick = Executable(["sleep", "1000"]), Executable(["true"])
    with opened([stuck, quick]) as pool:
        ends = run(pool, [Job(1, 1, stuck, {}, Limits(timeout=0.1, grace=0.1)), Job(2, 1, quick, {})])
        cause, verdict, reason = said(ends[1])
        immune.unlink()

    assert (cause, verdict) == (Cause.TIMED_OUT, Verdict.TIMEOUT)
    assert reason.startswith("over its time limit of 0.1 s; could not be killed: sleep (pid ")
    assert said(ends[2])[0] is Cause.RETURNED


def test_a_process_that_could_not_be_killed_is_not_surely_dead(immune):
    stuck = Executable(["sleep", "1000"])
    with opened([stuck]) as pool:
        pool.hand_over(jobs(stuck))
        wait_until_begun(pool, 1)
        pool.kill(1, 1, Cause.CANCELLED, grace=0)
        report = reports_until_all_ended(pool, 1)[-1]
        immune.unlink()

    assert (report.cause, report.surely_dead) == (Cause.CANCELLED, False)
    assert "could not be killed: sleep (pid " in report.reason
