"""Tasks that run only where their condition is true: in memory, under a journal, over resumes on boxes that differ."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pexen_state import Sched, task
from pexen_state.journal.care.check import check
from pexen_state.journal.event_kinds import EventKind
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.pool import ThreadWorkerPool
from pexen_state.util import PexenWarning
from tests.journal.telling import change, sql
from tests.sched.originals import on_both_pools

Tasks = list[Callable[..., Any]]

DEBIAN = {"os.id": "debian", "os.version": "11", "cpus": 4}
FEDORA = {"os.id": "fedora", "os.version": "40", "cpus": 4}


def named(name: str, **meta: Any) -> Callable[..., Any]:
    return task(name=name, **meta)(lambda: name)


def suite() -> Tasks:
    """`first` is there to be left after."""
    return [
        named("first", priority=-1),
        named("apt", when="os.id == 'debian'", provides=["package"]),
        named("dnf", when="os.id == 'fedora'", provides=["package"]),
        named("new", when="os.version >= '12'"),
        named("after", requires=["package"]),
    ]


def ran(sched: Sched, pool: Any = None) -> list[str]:
    return [result.key or "" for result in sched.run(pool or ThreadWorkerPool(1, spare=0)) if not result.replayed]


def leave(path: Path, tasks: Tasks, after: str = "first", **how: Any) -> None:
    run = Sched(tasks, journal=path, **how).run(ThreadWorkerPool(1, spare=0))
    for result in run:
        if result.key == after:
            break
    run.close()


def told(path: Path) -> dict[str, tuple[str, str | None]]:
    return {key: (verdict, reason) for key, verdict, reason in sql(path, "SELECT task, verdict, reason FROM tasks")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.db"


@on_both_pools
@pytest.mark.parametrize("journaled", [True, False])
def test_a_task_runs_only_where_its_condition_is_true(path: Path, pool: Any, journaled: bool) -> None:
    sched = Sched(suite(), journal=path if journaled else None, facts=DEBIAN)

    assert sorted(ran(sched, pool(1))) == ["after", "apt", "first"]
    assert sched.plan is not None
    skipped = {task.spec.key: task.reason for task in sched.plan.tasks.values() if task.state.word == "skipped"}
    assert skipped == {
        "dnf": "when: os.id == 'fedora' (os.id is 'debian')",
        "new": "when: os.version >= '12' (os.version is '11')",
    }
    if journaled:
        assert check(path) == []


def test_a_run_in_which_nothing_applies_is_over_and_good(path: Path) -> None:
    assert ran(Sched([named("new", when="os.version >= 12")], journal=path, facts=DEBIAN)) == []

    assert sql(path, "SELECT state, verdict FROM runs") == [("finished", "skip")]


def test_a_recorded_condition_that_nobody_understands_is_an_error_with_the_task(path: Path) -> None:
    leave(path, suite(), facts=DEBIAN)
    change(path, "UPDATE task SET spec = replace(spec, 'os.version >= ''12''', 'os.version ~ 12') WHERE key = 'new'")

    with pytest.warns(PexenWarning, match="1 tasks changed"), pytest.raises(SchedulerError) as refused:
        ran(Sched(suite(), journal=path, facts=DEBIAN))

    assert str(refused.value) == (
        "the condition of new, 'os.version ~ 12', is not understood, column 12: '~' means nothing here"
    )


@pytest.mark.parametrize("facts", [{"os.di": "x"}, {"os.id": None}, {"cpus": 1.5}, {"os.like": [1]}])
def test_facts_are_those_that_a_box_may_have(facts: Any) -> None:
    with pytest.raises(SchedulerError, match="fact"):
        Sched([], facts=facts)


def test_who_has_neither_a_journal_nor_a_condition_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: Any) -> Any:
        raise AssertionError("nobody asked")

    monkeypatch.setattr("pexen_state.sched.planner.box_facts", read)

    assert ran(Sched([named("a")])) == ["a"]
    with pytest.raises(AssertionError, match="nobody asked"):
        ran(Sched([named("a", when="root")]))


def test_what_is_known_of_this_box_is_kept_if_nobody_says_anything_else(path: Path) -> None:
    ran(Sched([named("a")], journal=path))

    assert dict(sql(path, "SELECT name, value FROM facts"))["kernel"] == os.uname().release


def test_on_a_resume_what_was_decided_stays_and_what_it_would_be_now_is_told(path: Path) -> None:
    leave(path, suite(), facts=DEBIAN)

    with pytest.warns(PexenWarning) as warned:
        assert ran(Sched(suite(), journal=path, facts=FEDORA)) == ["apt", "after"]

    (one,) = warned
    assert str(one.message) == (
        "the conditions of 3 tasks would be decided otherwise on the box as it is now, and what was decided holds: "
        "apt, dnf, new. With --rerun-changed (rerun_changed=True) it is decided anew"
    )
    assert told(path)["dnf"] == ("skip", "when: os.id == 'fedora' (os.id is 'debian')")
    assert check(path) == []


def test_with_rerun_changed_it_is_decided_anew_and_that_stays_so(path: Path) -> None:
    leave(path, suite(), facts=DEBIAN)

    with pytest.warns(PexenWarning, match="of 3 tasks it is decided anew whether they apply here: apt, dnf, new"):
        leave(path, suite(), facts=FEDORA, rerun_changed=True, after="dnf")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sorted(ran(Sched(suite(), journal=path, facts=FEDORA))) == ["after", "new"]

    assert told(path)["apt"] == ("skip", "when: os.id == 'debian' (os.id is 'fedora')")
    assert check(path) == []
    events = sql(path, f"SELECT data FROM run_event WHERE kind = {int(EventKind.CONDITIONS)} ORDER BY seq")
    assert events == [('{"tasks": 5}',), ('{"tasks": 5}',)]


def test_what_has_ended_keeps_its_result_whatever_its_condition_says_now(path: Path) -> None:
    leave(path, suite(), after="apt", facts=DEBIAN)

    with pytest.warns(PexenWarning):
        assert sorted(ran(Sched(suite(), journal=path, facts=FEDORA, rerun_changed=True))) == ["after", "dnf", "new"]

    assert told(path)["apt"] == ("pass", None)


def test_who_does_not_apply_does_not_run_because_its_code_changed(path: Path) -> None:
    leave(path, [named("first", priority=-1), named("new", when="os.version >= 12"), named("last")], facts=DEBIAN)

    tasks = [named("first", priority=-1), task(name="new", when="os.version >= 12")(lambda: "another"), named("last")]
    with pytest.warns(PexenWarning, match="changed since"):
        assert ran(Sched(tasks, journal=path, facts=DEBIAN, rerun_changed=True)) == ["last"]

    assert told(path)["new"][0] == "skip"


def test_of_a_task_that_joins_on_a_resume_it_is_decided_then(path: Path) -> None:
    leave(path, suite(), facts=DEBIAN)

    more = [named("joins", when="os.id == 'fedora'"), named("does not", when="os.id == 'debian'")]
    with pytest.warns(PexenWarning):
        assert ran(Sched([*suite(), *more], journal=path, facts=FEDORA)) == ["apt", "after", "joins"]

    assert told(path)["does not"][0] == "skip"


@pytest.mark.parametrize("journaled", [True, False])
def test_of_a_task_that_is_added_while_the_run_goes_on_it_is_decided_then(path: Path, journaled: bool) -> None:
    sched = Sched([named("first")], journal=path if journaled else None, facts=DEBIAN)
    keys = []
    for result in sched.run(ThreadWorkerPool(1)):
        keys.append(result.key)
        if result.key == "first":
            sched.add_tasks([named("apt", when="os.id == 'debian'"), named("dnf", when="os.id == 'fedora'")])

    assert keys == ["first", "apt"]


def test_parameters_of_a_resume_that_differ_are_told_and_the_recorded_ones_win(path: Path) -> None:
    tasks = [named("first", priority=-1), named("new"), named("fast", when="param.disk == 'nvme'")]
    leave(path, tasks, params={"disk": "sata"})

    more = named("slow", when="param.disk == 'sata'")
    with pytest.warns(PexenWarning) as warned:
        assert ran(Sched([*tasks, more], journal=path, params={"disk": "nvme", "n": 1})) == ["new", "slow"]

    assert str(warned[-1].message) == (
        "2 parameters stay as when the run began: disk is 'sata', not 'nvme', n is not set, not 1"
    )
