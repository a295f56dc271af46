"""Pools as programs used them by hand: register, start, submit, collect, shut down."""

from __future__ import annotations

import pytest

from pexen_state.sched import TaskRes
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.pool import PoolError, ProcessWorkerPool
from tests.sched.originals import Gate, on_both_pools


def one():
    return 1


def two(shared):
    shared["seen"] = True
    return 2


@on_both_pools
def test_what_is_submitted_comes_back_as_results(pool):
    workers = pool(workers=2)
    workers.register([one, two])
    workers.start()
    workers.submit(one)
    workers.submit(two, {"a": 1})
    workers.shutdown()

    results = list(workers.iter_results())

    assert len(results) == 2
    assert TaskRes(one, {}, 1) in results
    assert TaskRes(two, {"a": 1, "seen": True}, 2) in results
    assert workers.empty()
    assert not workers.alive()


@on_both_pools
def test_a_task_that_is_submitted_without_shared_state_begins_with_none(pool):
    workers = pool()
    workers.register([two])
    workers.start()
    workers.submit(two)
    workers.submit(two)
    workers.shutdown()

    assert [result.shared for result in workers.iter_results()] == [{"seen": True}, {"seen": True}]


@on_both_pools
def test_results_can_be_taken_while_more_is_submitted(pool):
    workers = pool()
    workers.register([one, two])
    workers.start()
    results = workers.iter_results()

    workers.submit(one)
    assert next(results) == TaskRes(one, ret=1)
    workers.submit(two)
    assert next(results).ret == 2

    workers.shutdown()
    assert list(results) == []


@on_both_pools
def test_results_are_there_after_a_shutdown_that_waited(pool):
    workers = pool()
    workers.register([one])
    workers.start()
    workers.submit(one)
    workers.shutdown(wait=True)

    assert not workers.alive()
    assert not workers.empty()
    assert list(workers.iter_results()) == [TaskRes(one, ret=1)]
    assert workers.empty()


@on_both_pools
def test_results_that_nobody_takes_do_no_harm(pool):
    workers = pool()
    workers.register([one])
    workers.start()
    workers.submit(one)
    workers.shutdown(wait=True)

    assert not workers.alive()


@on_both_pools
def test_a_pool_is_used_again_after_its_shutdown(pool):
    workers = pool()
    workers.register([one])
    workers.start()
    workers.submit(one)
    workers.shutdown(wait=True)
    assert list(workers.iter_results()) == [TaskRes(one, ret=1)]

    workers.register([two])
    workers.start()
    workers.submit(one)
    workers.submit(two)
    workers.shutdown(wait=True)

    assert sorted(result.ret for result in workers.iter_results()) == [1, 2]


@on_both_pools
def test_a_pool_is_full_when_workers_and_spares_are_taken(pool, tmp_path):
    gate = Gate(tmp_path)
    waits = gate.wait
    workers = pool(workers=1, spare=1)
    workers.register([waits])
    workers.start()
    assert workers.empty()
    assert not workers.full()
    assert workers.idlecnt() == 2

    workers.submit(waits)
    assert not workers.empty()
    assert workers.idlecnt() == 1

    workers.submit(waits)
    assert workers.full()
    assert workers.idlecnt() == 0

    gate.let_in(2)
    workers.shutdown()
    assert len(list(workers.iter_results())) == 2
    assert workers.empty()
    gate.close()


@on_both_pools
def test_a_pool_that_does_not_run_takes_no_work(pool):
    workers = pool()
    workers.register([one])

    with pytest.raises(PoolError, match="not running"):
        workers.submit(one)

    workers.start()
    with pytest.raises(PoolError, match="running"):
        workers.start()
    workers.shutdown(wait=True)
    with pytest.raises(PoolError):
        workers.submit(one)
    assert issubclass(PoolError, SchedulerError)


@on_both_pools
def test_a_shutdown_is_asked_for_once(pool):
    workers = pool()
    workers.start()
    workers.shutdown()

    with pytest.raises(PoolError, match="already shutting down"):
        workers.shutdown()

    assert list(workers.iter_results()) == []


def test_a_process_pool_does_not_know_a_closure_that_was_not_registered():
    workers = ProcessWorkerPool()
    workers.register([one])
    workers.start()

    with pytest.raises(PoolError, match="unregistered"):
        workers.submit(lambda: "late")

    workers.shutdown()
    assert list(workers.iter_results()) == []
