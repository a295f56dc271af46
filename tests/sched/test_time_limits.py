"""Limits that outlast an attempt: of all attempts of a task together, and of the run."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from pexen_state import Sched, current, task
from pexen_state.core.inputs import Ending, RunTimedOut
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, Verdict
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from pexen_state.sched.time_limits import RunClock, TimeSpent
from tests.journal.telling import sql

POOLS = pytest.mark.parametrize("kind", [ProcessWorkerPool, ThreadWorkerPool], ids=["process", "thread"])
LIMITED = TaskSpec("a", timeout=60.0, total_timeout=100.0)
TIMED_OUT = Ending(Cause.TIMED_OUT, Verdict.TIMEOUT, reason="over its time limit of 60 s")
FAILED = Ending(Cause.RAISED, Verdict.ERROR)


def sh(name: str, script: str, **meta) -> Executable:
    executable = Executable(["/bin/sh", "-c", script])
    assign_val(executable, name=name, **meta)
    return executable


def test_an_attempt_has_what_the_others_have_left():
    spent = TimeSpent({1: 30.0})

    assert spent.limits_of(1, LIMITED)[::3] == (60.0, 70.0)
    assert spent.ended(1, LIMITED, 60.0, TIMED_OUT) is TIMED_OUT  # it may be tried again
    assert spent.limits_of(1, LIMITED)[::3] == (10.0, 10.0)
    assert spent.ended(1, LIMITED, 1.0, FAILED) is FAILED
    over = spent.ended(1, LIMITED, 9.0, TIMED_OUT)
    assert over.cause is Cause.OUT_OF_TIME
    assert over.reason == "over the time limit of 100 s that all its attempts have together"


def test_the_run_says_once_that_its_time_is_over():
    now = 1000.0
    clock = RunClock(60.0, 15.0, clock=lambda: now)
    assert clock.due == 1045.0
    assert clock.take() == []

    now = 1045.0
    assert clock.take() == [RunTimedOut("the run took longer than 60 s, its time limit")]
    assert clock.take() == []


@POOLS
def test_attempts_share_a_limit_and_the_last_is_not_tried_again(kind, tmp_path: Path):
    hang = "test $PEXEN_ATTEMPT = 1 && exit 1; sleep 60"
    journal = tmp_path / "journal.db"

    (found,) = Sched([sh("a", hang, total_timeout=0.4, retries=5)], journal=journal).run(kind(workers=1))

    assert (found.verdict, found.attempt) == ("timeout", 2)
    assert "all its attempts have together" in found.reason
    assert sql(journal, "SELECT attempt, cause FROM attempts") == [(1, "exited"), (2, "out_of_time")]


def test_who_ran_out_of_all_its_time_is_replayed_like_anybody_who_ran(tmp_path: Path):
    def sched() -> Sched:
        return Sched(
            [sh("slow", "sleep 60", total_timeout=0.3), sh("b", "true", after=["slow"])], journal=tmp_path / "j"
        )

    for result in sched().run(ProcessWorkerPool(workers=1)):
        assert result.key == "slow"
        break

    again = [(one.key, one.state, one.replayed) for one in sched().run(ProcessWorkerPool(workers=1))]

    assert again == [("slow", "timed_out", True), ("b", "succeeded", False)]


@POOLS
def test_nobody_gets_more_than_that_by_asking(kind):
    @task(name="asks", total_timeout=0.3)
    def asks(shared):
        until = current().deadline("+1h")
        assert until < time.time() + 10
        threading.Event().wait(1.0)  # a thread goes on, and is not heard

    (found,) = Sched([asks]).run(kind(workers=1))

    assert (found.verdict, found.state) == ("timeout", "timed_out")


def test_what_earlier_sessions_took_is_remembered(tmp_path: Path):
    journal = tmp_path / "journal.db"
    slow = sh("slow", "sleep 0.3; exit 1", total_timeout="1h", retries=1)
    later = sh("later", "true", after=["slow"])
    results = Sched([slow, later], journal=journal, max_fail=None).run(ProcessWorkerPool(workers=1))
    next(results)
    results.close()

    from pexen_state.journal.lives import time_spent, time_worked

    def fetch(query, values):
        return sql(journal, query, *values)

    took = sum(seconds for (seconds,) in sql(journal, "SELECT seconds FROM attempts WHERE task = 'slow'"))
    assert time_spent(fetch, 1, [1]) == {1: pytest.approx(took)}
    assert took <= time_worked(fetch, 1)


@POOLS
@pytest.mark.parametrize("journaled", [True, False], ids=["journal", "memory"])
def test_a_run_that_takes_too_long_is_ended_and_cleaned_up(kind, journaled, tmp_path: Path):
    journal = tmp_path / "journal.db" if journaled else None
    tasks = [
        sh("hangs", "sleep 60", retries=3),
        sh("next", "true", after=["hangs"]),
        sh("cleanup", "true", always=True, after=["next"]),
    ]

    sched = Sched(tasks, journal=journal, run_timeout=0.5)
    found = {one.key: one for one in sched.run(kind(workers=1))}

    assert {key: one.verdict for key, one in found.items()} == {"hangs": "timeout", "cleanup": "pass"}
    assert found["hangs"].reason == "the run took longer than 0.5 s, its time limit"
    assert sched.plan.is_over
    if journal is not None:
        assert sql(journal, "SELECT task, state, verdict FROM tasks ORDER BY number") == [
            ("hangs", "timed_out", "timeout"),
            ("next", "skipped", "not_run"),
            ("cleanup", "succeeded", "pass"),
        ]
        assert sql(journal, "SELECT state FROM runs") == [("cancelled",)]


def test_a_run_that_had_its_time_before_does_nothing_more_than_clean_up(tmp_path: Path):
    journal = tmp_path / "journal.db"
    tasks = [sh("a", "sleep 0.2"), sh("b", "true", after=["a"]), sh("c", "true", always=True, after=["b"])]
    results = Sched(tasks, journal=journal).run(ProcessWorkerPool(workers=1))
    next(results)
    results.close()

    found = {one.key: one.verdict for one in Sched(tasks, journal=journal, run_timeout=0.1).run(ProcessWorkerPool())}

    assert found == {"a": "pass", "c": "pass"}
    assert sql(journal, "SELECT task, cause FROM transitions WHERE new = 'skipped'") == [("b", "given_up")]
