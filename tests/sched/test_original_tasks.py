"""Tasks as the original's documentation describes them: arguments, shared state, return values."""

from __future__ import annotations

import threading

import pytest

from pexen_state import sched
from pexen_state.sched import TaskRes
from pexen_state.sched.meta import func_meta
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.sched.originals import on_both_pools


def run(tasks, pool, **shared):
    s = sched.Sched(tasks)
    s.add_shared(**shared)
    return list(s.run(pool))


# -- arguments ---------------------------------------------------------------------------------------------


@on_both_pools
def test_a_task_takes_what_its_parameters_ask_for(pool):
    def nothing():
        return "nothing"

    def shared_only(shared):
        return dict(shared)

    @func_meta(kwargs={"version": 2})
    def keywords_only(**kwargs):
        return kwargs

    @func_meta(kwargs={"wtype": "gas", "build": 7})
    def keywords_by_name(*, wtype, build=123, extra="usual"):
        return wtype, build, extra

    @func_meta(kwargs={"wtype": "gas"})
    def both(shared, wtype, build=123):
        return dict(shared), wtype, build

    @func_meta(kwargs={"version": 2})
    def both_open(state, **kwargs):
        return dict(state), kwargs

    results = run([nothing, shared_only, keywords_only, keywords_by_name, both, both_open], pool(), a=1)

    assert {result.task.__name__: result.ret for result in results} == {
        "nothing": "nothing",
        "shared_only": {"a": 1},
        "keywords_only": {"version": 2},
        "keywords_by_name": ("gas", 7, "usual"),
        "both": ({"a": 1}, "gas", 123),
        "both_open": ({"a": 1}, {"version": 2}),
    }


@on_both_pools
def test_keyword_arguments_that_a_task_does_not_take_fail_it(pool):
    @func_meta(kwargs={"unwanted": 1})
    def takes_nothing():
        pass

    (result,) = run([takes_nothing], pool())

    assert result.excinfo.type is TypeError
    assert "unexpected keyword argument" in str(result.excinfo.val)


# -- what a task returns -----------------------------------------------------------------------------------


@on_both_pools
def test_a_task_returns_anything(pool):
    def gives():
        return {"set": {1, 2}, "list": [1, (2, None)]}

    assert run([gives], pool()) == [TaskRes(gives, {}, {"set": {1, 2}, "list": [1, (2, None)]}, None)]


def test_threads_return_and_share_what_cannot_be_pickled():
    lock = threading.Lock()

    @func_meta(provides=["lock"])
    def gives(shared):
        shared["lock"] = lock
        return lock

    @func_meta(requires=["lock"])
    def takes(shared):
        return shared["lock"]

    results = run([gives, takes], ThreadWorkerPool())

    assert [result.ret is lock for result in results] == [True, True]


@pytest.mark.parametrize("where", ["ret", "shared", "both"])
def test_processes_fail_a_task_that_gives_what_cannot_be_pickled(where):
    def gives(shared):
        if where != "ret":
            shared["closure"] = lambda: None
        return None if where == "shared" else lambda: None

    def neighbour():
        return "well"

    results = {result.task: result for result in run([gives, neighbour], ProcessWorkerPool())}

    assert results[gives].excinfo.type is AttributeError
    assert "Can't pickle" in str(results[gives].excinfo.val)
    assert results[neighbour] == TaskRes(neighbour, ret="well")


# -- shared state ------------------------------------------------------------------------------------------


@on_both_pools
def test_what_is_shared_goes_from_parents_to_children_and_to_nobody_else(pool):
    @func_meta(provides=["world"], priority=-1)
    def parent(shared):
        shared["message"] = "hello"
        shared["kind"] = "rock"

    @func_meta(requires=["world"], provides=["greeting"])
    def child(shared):
        shared["message"] += f" {shared['kind']}"

    @func_meta(requires=["greeting"])
    def grandchild(shared):
        pass

    def stranger(shared):
        pass

    results = {result.task: result.shared for result in run([parent, child, grandchild, stranger], pool(), kind="gas")}

    assert results == {
        parent: {"message": "hello", "kind": "rock"},
        child: {"message": "hello rock", "kind": "rock"},
        grandchild: {"message": "hello rock", "kind": "rock"},
        stranger: {"kind": "gas"},
    }


@on_both_pools
def test_the_parent_that_ends_last_overwrites(pool):
    @func_meta(provides=["first"])
    def first(shared):
        shared.update(both=1, only_first=1)

    @func_meta(provides=["second"], after=["*first"])
    def second(shared):
        shared.update(both=2, only_second=2)

    @func_meta(requires=["first", "second"])
    def child(shared):
        return dict(shared)

    assert run([first, second, child], pool())[-1].ret == {"both": 2, "only_first": 1, "only_second": 2}


@on_both_pools
def test_what_is_set_for_all_is_added_up_and_each_has_its_own(pool):
    def make(number):
        def adds(shared):
            shared["number"] = number
            shared["list"].append(number)

        return adds

    tasks = [make(1), make(2)]
    s = sched.Sched(tasks)
    s.add_shared(list=[], number=0)
    s.add_shared(more="more")

    results = {result.task: result.shared for result in s.run(pool())}

    assert results[tasks[0]] == {"list": [1], "number": 1, "more": "more"}
    assert results[tasks[1]] == {"list": [2], "number": 2, "more": "more"}


@on_both_pools
def test_siblings_do_not_see_what_the_other_one_did_to_what_their_parent_left(pool):
    @func_meta(provides=["list"])
    def parent(shared):
        shared["list"] = ["parent"]

    def make(number):
        @func_meta(requires=["list"])
        def child(shared):
            shared["list"].append(number)
            return list(shared["list"])

        return child

    results = run([parent, make(1), make(2), make(3)], pool())

    assert sorted(result.ret for result in results[1:]) == [["parent", 1], ["parent", 2], ["parent", 3]]
    assert results[0].shared == {"list": ["parent"]}
