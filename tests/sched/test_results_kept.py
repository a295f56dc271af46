"""What a task returned is the caller's: nobody else keeps it once the caller has dropped it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pexen_state.sched import Sched, func_meta
from pexen_state.sched.pool import ThreadWorkerPool
from tests.sched.originals import on_both_pools

TASKS = 6


@dataclass
class Loot:
    number: int


def looter(number: int) -> Any:
    @func_meta(name=f"t{number}")
    def body() -> Loot:
        return Loot(number)

    return body


def alive_at_each_result(results: Iterator[Any]) -> list[int]:
    """How many of the values returned before are still there when the next one is given."""
    given: list[weakref.ref[Loot]] = []
    alive = []
    for result in results:
        gc.collect()
        alive.append(sum(one() is not None for one in given))
        given.append(weakref.ref(result.ret))
        del result
    gc.collect()
    return [*alive, sum(one() is not None for one in given)]


@on_both_pools
@pytest.mark.parametrize("journaled", [False, True])
def test_no_result_outlives_its_turn(pool, tmp_path, journaled):
    sched = Sched([looter(number) for number in range(TASKS)], journal=tmp_path / "j.db" if journaled else None)

    assert alive_at_each_result(sched.run(pool(1, spare=0)))[1:] == [0] * TASKS


def test_no_result_of_an_earlier_session_outlives_the_next_one(tmp_path):
    tasks = [looter(number) for number in range(TASKS)]
    first = Sched(tasks, journal=tmp_path / "j.db").run(ThreadWorkerPool(1, spare=0))
    for count, _ in enumerate(first, 1):
        if count == TASKS - 2:
            break
    first.close()  # type: ignore[attr-defined]

    alive = alive_at_each_result(Sched(tasks, journal=tmp_path / "j.db").run(ThreadWorkerPool(1, spare=0)))

    assert max(alive) == 0
