"""A resume that runs again what has changed since it ended: once, with all that hangs on it, and nothing else."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from pexen_state.journal.care.check import check
from pexen_state.sched import Sched, TaskRes, func_meta
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from pexen_state.util import PexenWarning
from tests.journal.telling import change, sql
from tests.sched.originals import on_both_pools

Tasks = list[Callable[..., Any]]


def good(**fields: Any) -> Callable[..., Any]:
    def body(shared: dict[str, Any]) -> str:
        shared["made by"] = "good"
        return "good"

    return func_meta(**fields)(body)


def better(**fields: Any) -> Callable[..., Any]:
    def body(shared: dict[str, Any]) -> str:
        shared["made by"] = "better"
        return "better"

    return func_meta(**fields)(body)


def broken(**fields: Any) -> Callable[..., Any]:
    def body() -> None:
        raise ValueError("broken")

    return func_meta(**fields)(body)


def child(**fields: Any) -> Callable[..., Any]:
    def body(shared: dict[str, Any]) -> Any:
        return shared.get("made by")

    return func_meta(**fields)(body)


def last() -> Callable[..., Any]:
    """So that a run is not over when its caller leaves."""
    return func_meta(name="last", priority=100)(lambda: None)


def until(key: str, tasks: Tasks, path: Path, **how: Any) -> None:
    """Run up to the result of that task, and leave."""
    run = Sched(tasks, journal=path, **how).run(ThreadWorkerPool(1, spare=0))
    for result in run:
        if result.key == key:
            break
    run.close()


def again(tasks: Tasks, path: Path, pool: Any = None, **how: Any) -> list[TaskRes]:
    return list(Sched(tasks, journal=path, rerun_changed=True, **how).run(pool or ThreadWorkerPool(1, spare=0)))


def told(results: Iterable[TaskRes]) -> list[tuple[str | None, Any, bool]]:
    return [(result.key, result.ret, result.replayed) for result in results]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.db"


@on_both_pools
def test_what_changed_runs_again_and_children_that_have_not_begun_get_what_it_leaves_then(path, pool):
    parent, old = {"name": "parent", "provides": ["x"]}, child(name="old", requires=["x"])
    new = child(name="new", requires=["x"], priority=1)
    until("old", [good(**parent), old, new, last()], path)

    with pytest.warns(PexenWarning, match="1 tasks changed since they ended, and run again: parent"):
        results = again([better(**parent), old, new, last()], path, pool(1, spare=0))

    assert told(results) == [
        ("old", "good", True),  # it has ended, and keeps its result
        ("parent", "better", False),
        ("new", "better", False),
        ("last", None, False),
    ]
    assert results[1].attempt == 2
    assert sql(path, "SELECT old, new, cause FROM transitions WHERE task = 'parent' AND new = 'waiting'") == [
        ("succeeded", "waiting", "changed")
    ]
    assert sql(path, "SELECT attempts, flaky FROM tasks WHERE task = 'parent'") == [(2, 0)]
    assert check(path) == []


def test_it_is_sent_back_once_and_not_at_every_resume(path):
    tasks = [good(name="one", priority=-1), child(name="two"), last()]
    until("two", tasks, path)
    changed = [better(name="one", priority=-1), *tasks[1:]]
    with pytest.warns(PexenWarning, match="run again: one"):
        until("one", changed, path, rerun_changed=True)

    results = again(changed, path)

    assert told(results) == [("two", None, True), ("one", "better", True), ("last", None, False)]
    assert check(path) == []


def test_without_being_asked_for_it_results_are_kept_and_that_is_told(path):
    tasks = [good(name="one", priority=-1), last()]
    until("one", tasks, path)

    with pytest.warns(PexenWarning, match="1 tasks changed since the run began; results that are there are kept"):
        results = list(Sched([better(name="one", priority=-1), last()], journal=path).run())

    assert told(results)[0] == ("one", "good", True)


def test_a_task_that_changed_before_it_ran_is_what_it_was_when_it_ran(path):
    first = func_meta(name="first", priority=-1)(lambda: None)
    until("first", [first, good(name="one"), last()], path)
    now = [first, better(name="one"), last()]
    with pytest.warns(PexenWarning, match="1 tasks changed since the run began"):
        until("one", now, path)

    assert told(again(now, path))[1] == ("one", "better", True)


def test_who_was_kept_from_running_by_it_gets_a_chance_and_so_do_those_behind(path):
    def suite(setup: Callable[..., Any]) -> Tasks:
        return [
            setup,
            child(name="middle", requires=["x"], provides=["y"]),
            child(name="end", requires_all=["y"]),
            func_meta(name="other", priority=5)(lambda: None),
            func_meta(name="sweep", after=["other"], always=True, requires=["z"])(lambda: None),
            broken(name="breaks", provides=["z"], priority=6),
        ]

    setup = {"name": "setup", "provides": ["x"], "priority": -1}
    run = Sched([*suite(broken(**setup)), last()], journal=path).run(ThreadWorkerPool(1, spare=0))
    with pytest.warns(PexenWarning, match="2 tasks skipped due to unmet deps"):
        assert {result.key for result in run} == {"setup", "other", "breaks", "sweep", "last"}
    reopen(path)

    with pytest.warns(PexenWarning, match="run again: setup"):
        results = again([*suite(good(**setup)), last()], path)

    assert [one for one in told(results) if not one[2]] == [
        ("setup", "good", False),
        ("middle", "good", False),
        ("end", "good", False),
    ]
    assert sql(path, "SELECT task, cause FROM transitions WHERE new = 'waiting' ORDER BY seq") == [
        ("setup", "changed"),
        ("middle", "reopened"),
        ("end", "reopened"),
    ]
    assert check(path) == []


def reopen(path: Path) -> None:
    """As if the runner had been killed between the last turn and the end of the session."""
    change(path, "UPDATE run SET state = 0, verdict = 0, ended_us = NULL")
    change(path, "UPDATE session SET how_ended = NULL, ended_us = NULL, last_seq = NULL")


def test_a_lock_that_it_left_held_is_freed_and_who_waited_for_that_runs(path):
    breaks = {"name": "breaks", "claims": ["/dev/vda"], "priority": -1}
    tasks = [child(name="wants", uses=["/dev/vda/1"])]
    with pytest.warns(PexenWarning):
        assert [result.key for result in Sched([broken(**breaks), *tasks], journal=path).run()] == ["breaks"]
    reopen(path)
    assert sql(path, "SELECT state, reason FROM tasks WHERE task = 'wants'") == [
        ("skipped", "lock '/dev/vda/1' is still held by breaks")
    ]

    with pytest.warns(PexenWarning, match="run again: breaks"):
        results = again([good(**breaks), *tasks], path)

    assert [(result.key, result.state) for result in results] == [("breaks", "succeeded"), ("wants", "succeeded")]
    assert check(path) == []


def test_the_second_provider_takes_its_place_until_it_has_ended_again(path):
    def suite(first: Callable[..., Any]) -> Tasks:
        second = func_meta(name="second", provides=["x"], priority=-1)(lambda shared: shared.update({"made by": "2nd"}))
        return [first, second, child(name="child", requires=["x"], priority=1), last()]

    first = {"name": "first", "provides": ["x"], "priority": -2}
    until("second", suite(good(**first)), path)

    with pytest.warns(PexenWarning, match="run again: first"):
        results = again(suite(better(**first)), path)

    assert told(results)[1:3] == [("first", "better", False), ("child", "2nd", False)]
    assert check(path) == []


class Left(Exception):
    """Raised by a caller who leaves."""


def test_who_was_running_on_what_it_left_begins_anew_after_it(path, tmp_path):
    began = tmp_path / "began"

    def suite(parent: Callable[..., Any]) -> Tasks:
        def waits(shared: dict[str, Any]) -> Any:
            if shared["made by"] == "good":
                began.touch()
                signal.pause()
            return shared["made by"]

        return [parent, func_meta(name="child", requires=["x"], claims=["disk"])(waits), last()]

    def leave() -> None:
        if began.exists():
            raise Left

    parent = {"name": "parent", "provides": ["x"]}
    with pytest.raises(Left):
        list(Sched(suite(good(**parent)), journal=path, pulse=leave).run(ProcessWorkerPool(1, spare=0)))
    assert sql(path, "SELECT state, attempts FROM tasks WHERE task = 'child'") == [("ready", 1)]

    with pytest.warns(PexenWarning, match="run again: parent"):
        results = again(suite(better(**parent)), path)

    assert told(results) == [("parent", "better", False), ("child", "better", False), ("last", None, False)]
    assert sql(path, "SELECT old, cause FROM transitions WHERE task = 'child' AND new = 'waiting'") == [
        ("ready", "reopened")
    ]
    assert check(path) == []


def test_a_run_that_was_given_up_sends_nothing_back(path):
    def suite(bad: Callable[..., Any]) -> Tasks:
        return [
            bad,
            func_meta(name="never", priority=1)(lambda: None),
            func_meta(name="end", always=True)(lambda: None),
        ]

    run = Sched(suite(broken(name="bad", priority=-1)), journal=path, max_fail=1).run(ThreadWorkerPool(1, spare=0))
    next(run)
    run.close()

    with pytest.warns(PexenWarning, match="results that are there are kept"):
        results = again(suite(good(name="bad", priority=-1)), path)

    assert [(result.key, result.state, result.replayed) for result in results] == [
        ("bad", "failed", True),
        ("end", "succeeded", False),
    ]
