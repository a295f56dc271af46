"""The methods that the original pexen's pools have, on both pools."""

from __future__ import annotations

import functools

import pytest

from pexen_state.sched.common import PoolError, Skip, TaskRes
from pexen_state.sched.meta import func_meta
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.sched.pools import (
    AnyPool,
    jobs,
    opened,
    run,
)

pytestmark = pytest.mark.parametrize("kind", [ProcessWorkerPool, ThreadWorkerPool])


def greet():
    return "Hello World!"


def write(shared):
    shared["msg"] = "written"


def fail():
    raise ValueError("no such world")


def started(kind: type[AnyPool], *bodies, **how) -> AnyPool:
    pool = kind(**how)
    pool.register(bodies)
    pool.start()
    return pool


def test_a_pool_runs_what_is_submitted(kind):
    pool = started(kind, greet, write)
    pool.submit(greet)
    pool.submit(write, {"other": 1})
    results = list(pool.iter_results())
    pool.shutdown(wait=True)

    assert results == [
        TaskRes(greet, {}, "Hello World!", None),
        TaskRes(write, {"other": 1, "msg": "written"}, None, None),
    ]


def test_a_pool_that_was_not_started_is_not_alive_and_takes_nothing(kind):
    pool = kind()
    pool.register([greet])

    assert not pool.alive()
    assert pool.empty()
    with pytest.raises(PoolError, match="The pool is not running"):
        pool.submit(greet)


def test_a_pool_knows_how_much_it_can_take(kind):
    pool = started(kind, greet, workers=2, spare=1)

    assert (pool.idlecnt(), pool.full(), pool.empty()) == (3, False, True)
    pool.submit(greet)
    assert (pool.idlecnt(), pool.full(), pool.empty()) == (2, False, False)
    pool.submit(greet)
    pool.submit(greet)
    assert (pool.idlecnt(), pool.full()) == (0, True)
    assert len(list(pool.iter_results())) == 3
    assert (pool.idlecnt(), pool.full(), pool.empty()) == (3, False, True)
    pool.shutdown(wait=True)


def test_a_pool_that_shuts_down_ends_what_it_has_and_takes_no_more(kind):
    pool = started(kind, greet)
    pool.submit(greet)
    pool.submit(greet)
    pool.shutdown()

    with pytest.raises(PoolError, match="The pool is shutting down"):
        pool.submit(greet)
    with pytest.raises(PoolError, match="The pool is already shutting down"):
        pool.shutdown()
    assert [result.ret for result in pool.iter_results()] == ["Hello World!"] * 2
    assert not pool.alive()


def test_results_can_be_taken_after_the_workers_have_gone(kind):
    pool = started(kind, greet)
    pool.submit(greet)
    pool.shutdown(wait=True)

    assert not pool.alive()
    assert not pool.empty()
    assert [result.ret for result in pool.iter_results()] == ["Hello World!"]
    assert pool.empty()


def test_a_pool_can_be_started_again(kind):
    pool = started(kind, greet)
    pool.shutdown(wait=True)
    pool.start()
    pool.submit(greet)

    assert [result.ret for result in pool.iter_results()] == ["Hello World!"]
    pool.shutdown(wait=True)


def test_a_consumer_may_submit_while_it_takes_results(kind):
    pool = started(kind, greet)
    pool.submit(greet)
    left = [1, 2, 3]
    seen = 0
    for _result in pool.iter_results():
        seen += 1
        if left:
            left.pop()
            pool.submit(greet)
    pool.shutdown(wait=True)

    assert seen == 4


def test_a_result_says_how_its_task_ended(kind):
    def does_not_apply():
        raise Skip("no such disk")

    pool = started(kind, fail, does_not_apply)
    pool.submit(fail)
    pool.submit(does_not_apply)
    failed, skipped = pool.iter_results()
    pool.shutdown(wait=True)

    assert failed.excinfo.type is ValueError
    assert str(failed.excinfo.val) == "no such world"
    assert (failed.state, failed.verdict) == ("failed", "error")
    assert (skipped.state, skipped.verdict) == ("skipped", "skip")


@pytest.mark.parametrize("how", [{"workers": 0}, {"workers": "2"}, {"spare": -1}, {"workers": True}])
def test_nonsense_is_refused_with_its_value(kind, how):
    with pytest.raises(PoolError, match=str(*how.values())):
        kind(**how)


def test_a_pool_is_opened_once(kind):
    with opened([greet], kind) as pool, pytest.raises(PoolError, match="already running"):
        pool.open(False)


def test_all_kinds_of_callables_are_tasks(kind):
    class Greeter:
        def __init__(self, name):
            self.name = name

        def __call__(self):
            return f"called {self.name}"

        def greet(self, shared):
            shared["greeted"] = self.name
            return f"Hello {self.name}!"

    def both(shared, *, name):
        shared["greeted"] = name
        return name

    @func_meta(kwargs={"name": "Sun"})
    def with_kwargs(shared, **kwargs):
        return both(shared, **kwargs)

    greeter = Greeter("World")
    bodies = [greeter, greeter.greet, functools.partial(both, name="Moon"), with_kwargs, len]
    with opened(bodies, kind) as pool:
        ends = run(pool, jobs(*bodies))

    assert [ends[number].outcome.ret for number in (1, 2, 3, 4)] == ["called World", "Hello World!", "Moon", "Sun"]
    assert [ends[number].outcome.shared.get("greeted") for number in (1, 2, 3, 4)] == [None, "World", "Moon", "Sun"]
    assert ends[5].outcome.ret == 0  # of an empty `shared`
