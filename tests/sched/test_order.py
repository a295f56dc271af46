"""The order of a run: said in words, the same whenever it goes on."""

from __future__ import annotations

import pytest

from pexen_state.sched.common import SchedulerError
from pexen_state.sched.meta import func_meta
from pexen_state.sched.order import checked_order, numbers_in
from pexen_state.sched.planner import Sched
from pexen_state.sched.pool import ThreadWorkerPool
from tests.stories import spec


def named(name, **meta):
    return func_meta(name=name, **meta)(lambda: None)


def keys(sched: Sched) -> list[str]:
    return [result.key for result in sched.run(ThreadWorkerPool(1, spare=0))]


@pytest.mark.parametrize("order", ["declared", "longest", "random:7", "random:words, too"])
def test_an_order_that_says_all_is_recorded_as_it_is(order):
    assert checked_order(order) == order


def test_a_random_order_without_a_seed_gets_one():
    drawn = checked_order("random")

    assert drawn.startswith("random:")
    assert checked_order(drawn) == drawn


@pytest.mark.parametrize("order", ["longst", "random:", "declared:3", "", 3, None])
def test_what_is_no_order_is_told(order):
    with pytest.raises(SchedulerError, match=r"there is no order .* There are: declared, longest, random, random:SEED"):
        checked_order(order)
    with pytest.raises(SchedulerError, match="there is no order"):
        Sched(order=order)


def test_a_weight_comes_before_what_is_usual_and_what_is_usual_before_nothing():
    specs = [spec("none"), spec("short"), spec("long"), spec("heavy", weight=20)]

    assert numbers_in("longest", specs, {"short": 1, "long": 9, "heavy": 1}) == [4, 3, 1, 2]
    assert numbers_in("declared", specs, {}) is None
    assert sorted(numbers_in("random:1", specs, {}) or ()) == [1, 2, 3, 4]
    assert numbers_in("random:1", specs, {}) == numbers_in("random:1", specs, {})


def test_tasks_run_as_they_were_declared_unless_another_order_is_asked_for():
    tasks = [named("a"), named("b"), named("c", provides=["y"]), named("d", requires=["y"])]

    assert keys(Sched(tasks)) == ["a", "b", "c", "d"]
    assert keys(Sched(tasks, order="longest")) == ["c", "a", "b", "d"]


def test_a_run_that_goes_on_goes_on_in_its_order(tmp_path):
    tasks = [named(f"t{number}") for number in range(20)]
    whole = keys(Sched(tasks, order="random:3"))
    first = []
    for result in Sched(tasks, order="random:3", journal=tmp_path / "j.db").run(ThreadWorkerPool(1, spare=0)):
        first.append(result.key)
        if len(first) == 8:
            break

    again = Sched(tasks, order="random:3", journal=tmp_path / "j.db")
    rest = [result.key for result in again.run(ThreadWorkerPool(1, spare=0)) if not result.replayed]

    assert whole != sorted(whole)
    assert first == whole[:8]
    assert rest == [key for key in whole if key in rest]
