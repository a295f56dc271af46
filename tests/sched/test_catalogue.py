"""Tasks that are there on demand: which of them a run has, and that a resume has the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from pexen_state.sched import DepcheckError, Sched, func_meta
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool


def task(name: str, **fields: Any) -> Callable[[dict[str, Any]], str]:
    @func_meta(name=name, **fields)
    def body(shared: dict[str, Any]) -> str:
        shared["by"] = name
        return str(sorted(shared.get("all", [])))

    return body


def keys(sched: Sched) -> list[str | None]:
    return [result.key for result in sched.run(ThreadWorkerPool(1, spare=0))]


LOGIN = task("login", requires=["httpd | nginx"])


def test_a_name_that_is_missing_is_filled_from_the_catalogue_and_nobody_else_runs():
    sched = Sched([LOGIN], catalogue=[task("apache", provides=["httpd"], requires=["disk"]), task("other")])
    sched.add_tasks([task("disk", provides=["disk"], on_demand=True), task("tape", on_demand=True)])

    assert keys(sched) == ["disk", "apache", "login"]


def test_what_an_ordinary_task_provides_is_not_filled():
    server = task("server", provides=["nginx"])

    assert keys(Sched([LOGIN, server], catalogue=[task("apache", provides=["httpd"])])) == ["server", "login"]


def test_preference_and_cost_decide():
    fond = task("fond", requires=["httpd"], prefers=["dear"])
    cheap, dear = task("cheap", provides=["httpd"], cost=1), task("dear", provides=["httpd"], cost=2)

    assert keys(Sched([fond], catalogue=[cheap, dear])) == ["dear", "fond"]
    assert keys(Sched([LOGIN], catalogue=[dear, cheap])) == ["cheap", "login"]


@pytest.mark.parametrize("pool", [ThreadWorkerPool, ProcessWorkerPool])
def test_who_was_taken_hands_on_what_it_left_as_any_parent_does(pool: Any):
    @func_meta(name="child", requires=["httpd | nginx"])
    def child(shared: dict[str, Any]) -> str:
        return str(shared["by"])

    results = list(Sched([child], catalogue=[task("nginx", provides=["nginx"])]).run(pool(workers=2)))

    assert [result.ret for result in results if result.key == "child"] == ["nginx"]


def test_nothing_that_is_on_demand_runs_alone_unless_it_is_chosen():
    extra = task("extra", on_demand=True)

    assert keys(Sched([extra])) == []
    assert keys(Sched([extra], chosen=["extra"])) == ["extra"]


def test_what_nobody_can_fill_is_told_with_the_reason_of_each_candidate():
    offers = [
        task("apache", provides=["httpd"], requires=["disk"]),
        task("hen", provides=["nginx"], requires=["nginx"]),
    ]
    with pytest.raises(DepcheckError) as caught:
        list(Sched([LOGIN], catalogue=offers).run())

    assert str(caught.value).splitlines() == [
        "Unsatisfied requires remain: ['httpd | nginx']",
        "  login requires 'httpd | nginx', but no task provides it.",
        "  apache requires 'disk', which nobody provides.",
        "  hen waits for itself: hen -> hen.",
    ]
    with pytest.raises(DepcheckError):
        Sched([task("a", requires=["unknown"])], catalogue=offers)


def test_without_dependencies_what_is_missing_is_taken_as_provided_and_the_rest_waits_as_ever():
    first, last = task("first", provides=["x"], priority=1), task("last", requires=["x", "missing", "a | b"])

    assert keys(Sched([last, first], no_deps=True, catalogue=[task("m", provides=["missing"])])) == ["first", "last"]
    egg, hen = task("egg", requires=["hen"], provides=["egg"]), task("hen", requires=["egg"], provides=["hen"])
    with pytest.raises(DepcheckError, match="These wait for each other: egg -> hen -> egg"):
        keys(Sched([egg, hen], no_deps=True))


def test_nobody_is_warned_of_a_name_that_only_tasks_on_demand_require():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Sched([task("disk", provides=["disk"])], catalogue=[task("web", provides=["web"], requires=["disk"])])


def test_a_resume_takes_whom_the_run_has_whatever_would_be_taken_today(tmp_path):
    journal = tmp_path / "j.db"
    cheap, dear = task("cheap", provides=["httpd"], cost=1), task("dear", provides=["httpd"], cost=2)
    first = task("first", priority=-1)
    for result in Sched([first, LOGIN], catalogue=[dear], journal=journal).run(ThreadWorkerPool(1, spare=0)):
        assert result.key == "first"
        break

    again = Sched([first, LOGIN], catalogue=[cheap, dear], journal=journal)
    assert keys(again) == ["first", "dear", "login"]
    assert keys(Sched([first, LOGIN], catalogue=[cheap, dear], journal=journal)) == ["first", "cheap", "login"]


@pytest.mark.filterwarnings("ignore:1 unfinished tasks are no longer there", "ignore:1 tasks are new")
def test_whoever_is_no_longer_in_the_catalogue_is_replaced_on_resume(tmp_path):
    journal = tmp_path / "j.db"
    first = task("first", priority=-1)
    for _ in Sched([first, LOGIN], catalogue=[task("old", provides=["httpd"])], journal=journal).run(
        ThreadWorkerPool(1, spare=0)
    ):
        break

    again = Sched([first, LOGIN], catalogue=[task("new", provides=["nginx"])], journal=journal)

    assert keys(again) == ["first", "new", "login"]


def test_tasks_that_are_added_one_by_one_may_wait_for_the_catalogue():
    sched = Sched(catalogue=[task("apache", provides=["httpd"])])
    for number in range(5):
        sched.add_tasks([task(f"t{number}", requires=["httpd | nginx"])])

    assert keys(sched) == ["apache", *(f"t{number}" for number in range(5))]
