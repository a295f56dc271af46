"""Runs that skip what passed in another run of the journal: which tasks those are, on both pools, over resumes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pexen_state import Sched, task
from pexen_state.journal.care.check import check
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.pool import ThreadWorkerPool
from pexen_state.util import PexenWarning
from tests.journal.telling import change, sql
from tests.sched.originals import on_both_pools

Tasks = list[Callable[..., Any]]


def named(name: str, body: Callable[..., Any] | None = None, **meta: Any) -> Callable[..., Any]:
    return task(name=name, **meta)(body or (lambda: name))


def fails() -> Callable[..., Any]:
    def body() -> None:
        raise AssertionError("no")

    return body


def mended() -> Callable[..., Any]:
    def body() -> None:
        pass

    return body


def suite(broken: Callable[[], Callable[..., Any]] = fails) -> Tasks:
    return [
        named("setup", provides=["net"]),
        named("broken", broken(), requires=["net"], provides=["web"]),
        named("behind", requires=["web"]),
        named("cleanup", always=True, after=["*"]),
    ]


def ran(path: Path, tasks: Tasks, pool: Any = None, **how: Any) -> list[str]:
    sched = Sched(tasks, journal=path, **how)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PexenWarning)
        return [result.key or "" for result in sched.run(pool or ThreadWorkerPool(1)) if not result.replayed]


def told(path: Path, run: int) -> dict[str, tuple[str, str | None]]:
    found = sql(path, f"SELECT task, verdict, reason FROM tasks WHERE run = {run}")
    return {key: (verdict, reason) for key, verdict, reason in found}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.db"


@on_both_pools
def test_what_passed_there_and_is_what_it_was_is_skipped(path: Path, pool: Any) -> None:
    assert ran(path, suite(), pool(1)) == ["setup", "broken", "cleanup"]

    assert ran(path, suite(mended), pool(1), skip_passed_in=1) == ["broken", "behind", "cleanup"]

    assert told(path, 2) == {
        "setup": ("skip", "passed in run 1"),
        "broken": ("pass", None),
        "behind": ("pass", None),
        "cleanup": ("pass", None),
    }
    assert check(path) == []


def test_what_is_skipped_once_is_skipped_again_with_the_run_in_which_it_passed(path: Path) -> None:
    ran(path, suite())
    ran(path, suite(), skip_passed_in=1)

    assert ran(path, suite(mended), skip_passed_in=2) == ["broken", "behind", "cleanup"]

    assert told(path, 3)["setup"] == ("skip", "passed in run 1")


def test_another_code_of_the_same_name_runs(path: Path) -> None:
    ran(path, [named("a", mended()), named("b")])

    assert ran(path, [named("a", lambda: 1), named("b")], skip_passed_in=1) == ["a"]


def test_where_no_fingerprint_is_kept_that_is_said(path: Path) -> None:
    ran(path, [named("a")])
    change(path, "UPDATE task SET fingerprint = NULL")

    assert ran(path, [named("a")], skip_passed_in=1) == []

    assert told(path, 2)["a"] == ("skip", "passed in run 1; what its code was then is not known")


def test_a_run_that_the_journal_does_not_have_is_an_error_before_anything_is_written(path: Path) -> None:
    ran(path, [named("a")])

    with pytest.raises(SchedulerError, match=r"there is no run 9 in .*`pexen runs` lists them"):
        ran(path, [named("a")], skip_passed_in=9)

    assert sql(path, "SELECT count(*) FROM runs") == [(1,)]


def test_a_run_that_is_left_goes_on_as_it_began_and_who_joins_is_looked_at(path: Path) -> None:
    ran(path, [*suite(), named("late")])
    tasks = [named("first", priority=-1), *suite(mended)]
    sched = Sched(tasks, journal=path, skip_passed_in=1)
    run = sched.run(ThreadWorkerPool(1, spare=0))
    assert next(run).key == "first"
    run.close()

    again = ran(path, [*tasks, named("late")], skip_passed_in=1)

    assert again == ["broken", "behind", "cleanup"]
    assert told(path, 2)["setup"] == told(path, 2)["late"] == ("skip", "passed in run 1")
    assert check(path) == []


def test_what_was_skipped_and_changed_since_runs_if_that_is_asked_for(path: Path) -> None:
    first, last = named("first", priority=-1), named("last", priority=1)
    ran(path, [named("a", mended(), provides=["x"]), named("b", requires=["x"])])
    again = [first, named("a", mended(), provides=["x"]), named("b", requires=["x"]), last]
    run = Sched(again, journal=path, skip_passed_in=1).run(ThreadWorkerPool(1, spare=0))
    next(run)
    run.close()
    changed = [first, named("a", lambda: 2, provides=["x"]), named("b", requires=["x"]), last]

    assert ran(path, changed, skip_passed_in=1, rerun_changed=True) == ["a", "last"]

    assert told(path, 2)["b"] == ("skip", "passed in run 1")
    assert check(path) == []


def test_a_finish_is_told_once_under_the_lock_when_the_end_is_in_the_journal(path: Path) -> None:
    from pexen_state.journal.errors import JournalBusy
    from pexen_state.journal.lock import RunLock

    seen: list[Any] = []

    def finish(lock: RunLock, run: int) -> None:
        with pytest.raises(JournalBusy):
            RunLock.acquire(path, wait_s=0.0, patience_s=0.0)
        seen.append((run, sql(path, "SELECT state, ended_at IS NOT NULL FROM runs")))

    tasks = [named("a"), named("b", after=["a"])]
    run = Sched(tasks, journal=path, finish=finish).run(ThreadWorkerPool(1, spare=0))
    next(run)
    run.close()
    assert seen == [], "the run is not over"

    ran(path, tasks, finish=finish)

    assert seen == [(1, [("finished", 1)])]
