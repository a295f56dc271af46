"""What a resumed run has of the first one, when the caller's tasks, values or place are not what they were."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from pexen_state.journal.control import ask
from pexen_state.sched import DepcheckError, Sched, SchedulerError, func_meta
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from pexen_state.util import PexenWarning
from tests.sched.originals import on_both_pools


@func_meta(name="parent", provides=["a"], priority=-1)
def parent(shared: dict[str, Any]) -> None:
    shared["word"] = "parent"


def child(name: str, **fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    @func_meta(name=name, requires=["a"], **fields)
    def body(shared: dict[str, Any]) -> dict[str, Any]:
        return dict(shared)

    return body


def first_result_only(*args: Any, **how: Any) -> Sched:
    sched = Sched(*args, **how)
    for _ in sched.run(ThreadWorkerPool(1, spare=0)):
        break
    return sched


@pytest.mark.filterwarnings("ignore:1 tasks are new")
@pytest.mark.parametrize("first", ["old", "new"])
@pytest.mark.parametrize("wants", [{}, {"requires": [], "requires_all": ["a"]}])
def test_a_task_that_joins_gets_what_its_parents_left_in_an_earlier_session_and_so_do_the_others(
    tmp_path, first, wants
):
    old, new = child("old", priority=int(first == "new")), child("new", priority=int(first == "old"))
    func_meta(**wants)(new)
    first_result_only([parent, old], journal=tmp_path / "j.db")

    results = list(Sched([parent, old, new], journal=tmp_path / "j.db").run(ThreadWorkerPool(1, spare=0)))

    assert results[1].key == first
    assert [result.ret for result in results[1:]] == [{"word": "parent"}, {"word": "parent"}]


def test_what_a_task_provided_counts_when_it_is_no_longer_among_the_tasks(tmp_path):
    first_result_only([parent, child("one")], journal=tmp_path / "j.db")

    gone, result = Sched([child("one")], journal=tmp_path / "j.db").run(ThreadWorkerPool())

    assert (gone.key, gone.task, gone.replayed) == ("parent", None, True)
    assert result.ret == {"word": "parent"}


def test_what_nothing_ever_provided_is_an_error_with_a_journal_too(tmp_path):
    journal = tmp_path / "j.db"
    with pytest.raises(DepcheckError):
        Sched([child("one")], journal=journal)
    list(Sched([func_meta(name="other")(lambda: 1)], journal=journal).run())

    with pytest.raises(DepcheckError):
        list(Sched([child("one")], journal=journal).run(ThreadWorkerPool()))


def test_values_of_shared_that_are_not_what_they_were_are_told_and_those_of_the_beginning_hold(tmp_path):
    tasks = [parent, child("one")]
    sched = Sched(tasks, journal=tmp_path / "j.db")
    sched.add_shared(size=1, place="here")
    next(sched.run(ThreadWorkerPool(1, spare=0)))

    again = Sched(tasks, journal=tmp_path / "j.db")
    again.add_shared(size=2, place="here")
    with pytest.warns(PexenWarning, match="1 values of shared are not what they were .*: size"):
        results = list(again.run(ThreadWorkerPool()))

    assert results[-1].ret == {"size": 1, "place": "here", "word": "parent"}


def test_a_journal_stays_where_it_was_named_wherever_the_program_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sched = Sched([func_meta(name="one")(lambda: 1)], journal="j.db")
    (tmp_path / "elsewhere").mkdir()
    os.chdir("elsewhere")

    list(sched.run())

    assert (tmp_path / "j.db").exists()


@on_both_pools
@pytest.mark.parametrize("name", ["high \ud800", "low \udc80", "a\0b", "../\n\x1b[31m"])
def test_a_task_and_a_suite_may_have_names_that_no_environment_can_hold(tmp_path, pool, name):
    tasks = [func_meta(name=name)(lambda: 1), func_meta(name="other")(lambda: 2)]
    run = Sched(tasks, journal=tmp_path / "j.db", name=name).run(pool(1, spare=0))
    first = next(run)
    run.close()

    results = list(Sched(tasks, journal=tmp_path / "j.db", name=name).run(pool()))

    assert [(result.key, result.state) for result in results] == [(name, "succeeded"), ("other", "succeeded")]
    assert first.key == name
    assert results[0].replayed


def test_the_name_of_a_suite_is_a_string():
    with pytest.raises(SchedulerError, match="is a string, not 5"):
        Sched(name=5)


def test_a_request_that_makes_no_sense_is_answered_and_the_run_goes_on(tmp_path):
    path = str(tmp_path / "j.db")

    @func_meta(name="breaks", claims=[("disk", 1)])
    def breaks() -> None:
        raise ValueError

    @func_meta(name="asks", after=["breaks"])
    def asks() -> list[bool]:
        locks = (["disk"], {"disk": 1}, {"$tuple": 5}, {"$unknown": 1}, "disk", {"$tuple": ["disk", 1]})
        return [ask(path, {"do": "unlock", "lock": lock})["ok"] for lock in locks]

    @func_meta(name="waits", claims=[("disk", 1)], priority=1)
    def waits() -> None:
        pass

    _, answers, freed = Sched([breaks, asks, waits], journal=path).run(ProcessWorkerPool(1, spare=0))

    assert answers.ret == [False, False, False, False, False, True]
    assert (freed.key, freed.state) == ("waits", "succeeded")


def test_tasks_that_are_added_one_by_one_cost_no_more_than_all_at_once():
    def calls(count: int) -> int:
        found = 0

        def counted(*_: Any) -> None:
            nonlocal found
            found += 1

        tasks = [func_meta(name=f"t{n}", requires=[n - 1] if n else [], provides=[n])(lambda: 1) for n in range(count)]
        sched = Sched()
        sys.setprofile(counted)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PexenWarning)
                for task in tasks:
                    sched.add_tasks([task])
        finally:
            sys.setprofile(None)
        return found

    assert calls(200) < 2.2 * calls(100)
