"""Executables that take too long, leave something behind, print a lot, or are too many."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from pexen_state.sched.common import PoolError
from tests.sched.executables import both, end_of, sh
from tests.sched.pools import (
    Cause,
    Job,
    Limits,
    ThreadWorkerPool,
    Verdict,
    alive_with,
    context,
    opened,
    reports_until_all_ended,
    run,
    said,
    wait_for,
    wait_until_begun,
)


@both
def test_an_executable_over_its_limit_is_ended_even_if_it_ignores_term(kind, tmp_path):
    stubborn = sh("trap '' TERM; echo ready; while :; do sleep 1000; done")
    with opened([stubborn], kind) as pool:
        limits = Limits(timeout=0.3, grace=0.1)
        report = run(pool, [Job(1, 1, stubborn, {}, limits, context(tmp_path, "stubborn"), str(tmp_path / "log"))])[1]

    assert said(report) == (Cause.TIMED_OUT, Verdict.TIMEOUT, "over its time limit of 0.3 s")
    assert report.outcome.signal == signal.SIGKILL
    assert (tmp_path / "log").read_text() == "ready\n"
    assert alive_with("stubborn") == []


def test_an_executable_that_cleans_up_within_its_grace_is_not_killed(tmp_path):
    tidy = sh("trap 'echo cleaned up; exit 0' TERM; while :; do sleep 0.05; done")
    report = end_of(tidy, limits=Limits(timeout=0.3, grace=60), output=str(tmp_path / "log"))

    assert said(report)[0] is Cause.TIMED_OUT
    assert report.outcome.exit_code == 0
    assert "cleaned up" in (tmp_path / "log").read_text()


def test_an_executable_that_stops_itself_is_ended():
    report = end_of(sh("kill -STOP $$"), limits=Limits(timeout=0.2, grace=0.1))

    assert said(report)[0] is Cause.TIMED_OUT


def test_a_silent_executable_is_over_its_idle_limit(tmp_path):
    report = end_of(
        sh("echo hello; sleep 1000"), limits=Limits(idle_timeout=0.3, grace=0.1), output=str(tmp_path / "log")
    )

    assert said(report)[0] is Cause.IDLE


def test_the_worker_survives_its_executables_time_out():
    slow, quick = sh("sleep 1000"), sh(":")
    with opened([slow, quick]) as pool:
        ends = run(pool, [Job(1, 1, slow, {}, Limits(timeout=0.2, grace=1)), Job(2, 1, quick, {})])

    assert ends[1].outcome.pid == ends[2].outcome.pid


@both
def test_a_daemon_that_it_leaves_behind_is_killed_and_named(kind, tmp_path):
    daemon = sh("setsid sh -c 'echo $$; exec sleep 1000' & sleep 0.1")
    with opened([daemon], kind) as pool:
        report = run(pool, [Job(1, 1, daemon, {}, context=context(tmp_path, "daemon"), output=str(tmp_path / "log"))])[
            1
        ]

    pid = int((tmp_path / "log").read_text())
    assert said(report) == (Cause.RETURNED, Verdict.WARN, f"left running, and killed: sleep (pid {pid})")
    assert alive_with("daemon") == []


@both
def test_an_executable_can_be_cancelled(kind):
    slow = sh("sleep 1000")
    with opened([slow], kind) as pool:
        pool.hand_over([Job(1, 1, slow, {})])
        wait_until_begun(pool, 1)
        pool.kill(1, 1, Cause.CANCELLED, grace=5)
        report = reports_until_all_ended(pool, 1)[-1]

    assert (report.cause, report.surely_dead, report.outcome.signal) == (Cause.CANCELLED, True, signal.SIGTERM)


def test_a_gigabyte_of_output_passes_through_nobody(tmp_path):
    flood = sh("head -c 1G /dev/zero")
    log = tmp_path / "log"
    with opened([flood]) as pool:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        keeper_before = _peak_kib(pool.keeper_pid)
        try:
            report = run(pool, [Job(1, 1, flood, {}, output=str(log))])[1]
            size = log.stat().st_size
        finally:
            log.unlink(missing_ok=True)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        keeper_grown = _peak_kib(pool.keeper_pid) - keeper_before

    assert said(report) == (Cause.RETURNED, Verdict.PASS, None)
    assert size == 1 << 30
    assert grown < 50 * 1024
    assert keeper_grown < 50 * 1024


def _peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def test_no_more_than_the_pools_workers_run_at_once_whoever_runs_them(tmp_path):
    def enter(shared):
        with open(tmp_path / "witness", "a") as witness:
            witness.write("in\n")
        subprocess.run(["sleep", "0.02"], check=True)
        with open(tmp_path / "witness", "a") as witness:
            witness.write("out\n")

    also = sh(f"echo in >> {tmp_path}/witness; sleep 0.02; echo out >> {tmp_path}/witness")
    with opened([enter, also], ThreadWorkerPool) as pool:
        run(pool, [Job(n, 1, enter if n % 2 else also, {}) for n in range(1, 9)])

    assert (tmp_path / "witness").read_text() == "in\nout\n" * 8


def test_the_thread_pool_says_why_it_can_run_no_more_executables():
    quick = sh(":")
    with opened([quick], ThreadWorkerPool) as pool:
        run(pool, [Job(1, 1, quick, {})])
        os.kill(pool.keeper_pid, signal.SIGKILL)
        wait_for(lambda: pool._elsewhere.broken is not None, "the pool knows that its keeper is dead")
        with pytest.raises(PoolError, match=r"keeper was killed by SIGKILL.*start a new pool"):
            pool.hand_over([Job(2, 1, quick, {})])
