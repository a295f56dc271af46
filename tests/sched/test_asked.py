"""What a caller may ask beside the tasks: limits, a parent, patience, and what holds on resume."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from pexen_state.journal.errors import JournalBusy
from pexen_state.sched import Sched, SchedulerError, func_meta
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from pexen_state.sched.specs import Defaults
from pexen_state.util import PexenWarning
from tests.journal.telling import sql
from tests.sched.originals import on_both_pools


def named(name: str, **fields):
    return func_meta(name=name, **fields)(lambda: name)


def failing(name: str, **fields):
    def body() -> None:
        raise AssertionError("it is broken")

    return func_meta(name=name, **fields)(body)


# -- max_fail


@on_both_pools
@pytest.mark.parametrize("journaled", [False, True])
def test_a_run_is_given_up_after_so_many_failures_and_cleanups_still_run(pool, journaled, tmp_path):
    path = tmp_path / "j.db" if journaled else None
    tasks = [
        failing("one", priority=1),
        failing("two", priority=2),
        named("three", priority=3),
        named("sweep", priority=4, always=True, after=["*"]),
    ]
    sched = Sched(tasks, journal=path, max_fail=2)

    results = list(sched.run(pool(1, spare=0)))

    assert [(result.key, result.state) for result in results] == [
        ("one", "failed"),
        ("two", "failed"),
        ("sweep", "succeeded"),
    ]
    assert sched.plan.given_up == "the run was given up after 2 tasks had failed"
    if journaled:
        assert sql(path, "SELECT state, verdict, not_run FROM runs") == [("cancelled", "fail", 1)]
        assert sql(path, "SELECT state, verdict, reason FROM tasks WHERE task = 'three'") == [
            ("skipped", "not_run", sched.plan.given_up)
        ]
        assert sql(path, "SELECT cause FROM transitions WHERE task = 'three'") == [("given_up",)]
        assert check(path) == []


def test_a_run_that_was_given_up_and_then_left_goes_on_being_given_up(tmp_path):
    path = tmp_path / "j.db"
    tasks = [failing("bad", priority=1), named("never", priority=2), named("sweep", priority=3, always=True)]
    run = Sched(tasks, journal=path, max_fail=1).run(ThreadWorkerPool(1, spare=0))
    next(run)
    run.close()

    again = Sched(tasks, journal=path)
    results = list(again.run(ThreadWorkerPool(1, spare=0)))

    assert [(result.key, result.replayed) for result in results] == [("bad", True), ("sweep", False)]
    assert again.plan.given_up == "the run was given up after 1 task had failed"
    assert sql(path, "SELECT state FROM runs") == [("cancelled",)]
    assert check(path) == []


def test_what_was_loaded_ahead_and_not_begun_does_not_begin_when_the_run_is_given_up(tmp_path):
    began = tmp_path / "began"
    began.mkdir()

    def touches(name):
        return func_meta(name=name)(lambda: (began / name).touch())

    others = [touches(f"t{number}") for number in range(50)]
    plan = Sched([failing("bad", priority=-1), *others], max_fail=1)

    list(plan.run(ProcessWorkerPool(1, spare=40)))

    ran = sum(task.state.word == "succeeded" for task in plan.plan.tasks.values())
    assert len(list(began.iterdir())) == ran < 40


@on_both_pools
def test_what_was_loaded_ahead_does_not_begin_if_nothing_else_is_left(pool, tmp_path):
    def slow_to_fail() -> None:
        time.sleep(0.3)
        raise AssertionError("it is broken")

    def slow() -> None:
        time.sleep(0.3)

    slowly = [func_meta(name=f"t{number}")(slow) for number in range(6)]
    sched = Sched([func_meta(name="bad", priority=-1)(slow_to_fail), *slowly], max_fail=1)

    results = list(sched.run(pool(1, spare=10)))

    assert len(results) < 7  # one may begin before it is told that the first has failed
    assert sched.plan.given_up == "the run was given up after 1 task had failed"
    assert sched.plan.is_over


@on_both_pools
@pytest.mark.parametrize("limit", [1, 3])
def test_a_pool_that_chooses_its_spare_begins_nothing_after_the_last_failure_that_is_allowed(pool, limit, tmp_path):
    began = tmp_path / "began"
    began.mkdir()

    def fails(name):
        def body() -> None:
            (began / name).touch()
            raise AssertionError("it is broken")

        return func_meta(name=name)(body)

    for number, journal in enumerate((None, tmp_path / "j.db")):
        sched = Sched([fails(f"{number}-{one}") for one in range(40)], journal=journal, max_fail=limit)
        results = list(sched.run(pool(1)))

        assert len(results) == limit
        assert len(list(began.glob(f"{number}-*"))) == limit


def test_no_more_than_the_other_workers_are_at_it_when_the_run_is_given_up(tmp_path):
    go = tmp_path / "go"

    def waits(name):
        def body() -> None:
            (tmp_path / name).touch()
            while not go.exists():
                time.sleep(0.01)

        return func_meta(name=name)(body)

    def bad() -> None:
        while sum((tmp_path / f"t{number}").exists() for number in range(9)) < 2:
            time.sleep(0.01)
        raise AssertionError("it is broken")

    sched = Sched([func_meta(name="bad", priority=-1)(bad), *(waits(f"t{number}") for number in range(9))], max_fail=1)
    for result in sched.run(ProcessWorkerPool(3)):
        if result.key == "bad":
            go.touch()

    assert len(list(tmp_path.glob("t*"))) == 2


def test_a_pool_has_its_spare_again_when_the_next_run_has_no_limit():
    pool = ThreadWorkerPool(2)
    list(Sched([named("one")], max_fail=1).run(pool))
    assert pool.window == 2

    list(Sched([named("one")]).run(pool))

    assert pool.window > 2


@on_both_pools
def test_a_limit_that_is_said_anew_on_resume_is_on_what_fails_from_then_on(pool, tmp_path):
    path = tmp_path / "j.db"
    tasks = [failing(f"bad{number}", priority=number) for number in range(6)]
    first = Sched(tasks, journal=path).run(pool(1, spare=0))
    assert [next(first).key, next(first).key] == ["bad0", "bad1"]
    first.close()

    again = Sched(tasks, journal=path, max_fail=2, overrides={"max_fail"})
    results = list(again.run(pool(1)))

    assert [(result.key, result.replayed) for result in results] == [
        ("bad0", True),
        ("bad1", True),
        ("bad2", False),
        ("bad3", False),
    ]
    assert again.plan.given_up == "the run was given up after 4 tasks had failed"
    assert check(path) == []


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "2"])
def test_a_limit_that_is_none_is_refused(limit):
    with pytest.raises(SchedulerError, match=f"1 or more, not {limit!r}"):
        Sched(max_fail=limit)


# -- parent


def test_a_run_knows_whose_tasks_it_runs_again(tmp_path):
    path = tmp_path / "j.db"
    list(Sched([named("one")], journal=path).run())

    list(Sched([named("one")], journal=path, parent=1).run())

    assert sql(path, "SELECT id, parent FROM runs ORDER BY id") == [(1, None), (2, 1)]
    with pytest.raises(SchedulerError, match="there is no run 9 in"):
        list(Sched([named("one")], journal=path, parent=9).run())


# -- overrides


def flaky(counts: Path, **fields):
    """Fails twice, then passes."""

    @func_meta(name="flaky", **fields)
    def task() -> None:
        before = len(counts.read_text()) if counts.exists() else 0
        counts.write_text("x" * (before + 1))
        assert before >= 2

    return task


def test_a_resume_may_raise_the_retries_and_the_run_keeps_what_it_recorded(tmp_path):
    path = tmp_path / "j.db"
    tasks = [named("first", priority=-1), flaky(tmp_path / "counts")]
    run = Sched(tasks, journal=path).run(ThreadWorkerPool(1, spare=0))
    next(run)
    run.close()
    recorded = sql(path, "SELECT key, spec FROM task")

    again = Sched(tasks, journal=path, defaults=Defaults(retries=2, timeout=60), overrides=["retries"])
    with pytest.warns(PexenWarning, match="2 tasks changed since the run began"):  # their timeout did
        results = list(again.run(ThreadWorkerPool(1, spare=0)))

    assert [(result.key, result.attempt, result.state) for result in results] == [
        ("first", 1, "succeeded"),
        ("flaky", 3, "succeeded"),
    ]
    assert {task.spec.timeout for task in again.plan.tasks.values()} == {None}
    assert sql(path, "SELECT key, spec FROM task") == recorded
    assert check(path) == []


def test_what_is_overridden_is_no_change_but_what_is_not_is_told(tmp_path):
    path = tmp_path / "j.db"
    tasks = [named("first", priority=-1), named("second")]
    run = Sched(tasks, journal=path).run(ThreadWorkerPool(1, spare=0))
    next(run)
    run.close()

    again = Sched(tasks, journal=path, defaults=Defaults(retries=2, timeout=60), overrides=["retries", "timeout"])
    assert len(list(again.run(ThreadWorkerPool(1, spare=0)))) == 2

    with pytest.raises(SchedulerError, match=r"'priority' cannot be said anew .* only max_fail, retries, timeout"):
        Sched(overrides=["retries", "priority"])


# -- a journal that somebody else holds


def test_who_waits_for_the_journal_gets_it_when_it_is_free(tmp_path, monkeypatch):
    path = tmp_path / "j.db"
    monkeypatch.setattr("pexen_state.journal.lock._PATIENCE_S", 0.0)
    monkeypatch.setattr("pexen_state.journal.lock.RunLock.acquire.__func__.__defaults__", (0.1, 0.0))
    holder = (
        "import sys; from pexen_state.journal.lock import RunLock\n"
        "with RunLock.acquire(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(JournalBusy):
            list(Sched([named("one")], journal=path).run())

        looks = []

        def look(holder) -> bool:
            looks.append(holder)
            if len(looks) == 5:
                process.stdin.close()
            return True

        monkeypatch.setattr("pexen_state.journal.lock.is_alive", look)
        results = list(Sched([named("one")], journal=path, wait_for_journal=True).run())

    assert [result.state for result in results] == ["succeeded"]
    assert len(looks) >= 5


# -- what a dead runner left


def test_strays_of_the_last_session_are_ended_also_if_its_run_is_over_by_now(tmp_path):
    path = tmp_path / "j.db"
    list(Sched([named("one")], journal=path).run())
    (uuid,) = sql(path, "SELECT uuid FROM runs")[0]
    with subprocess.Popen(["sleep", "1000"], env={**os.environ, "PEXEN_ATTEMPT_ID": f"{uuid}-1-1"}) as stray:
        list(Sched([named("one")], journal=path, name="another").run())

        assert stray.wait(60) == -9
