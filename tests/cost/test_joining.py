"""What it costs to add tasks one by one to a run that goes on, counted in calls of functions: the same in any run.

Counted is what happens in the caller's hands; that the plan takes them as cheaply is in `tests/core/test_linear.py`.
"""

from __future__ import annotations

import cProfile
from pathlib import Path
from typing import Any

import pytest

from pexen_state.sched import Sched, func_meta
from pexen_state.sched.pool import ThreadWorkerPool

ADDED = 300


def named(name: str, **fields: Any) -> object:
    def body() -> None:
        pass

    return func_meta(name=name, **fields)(body)


def calls_of_adding(there: int, journal: Path | None) -> float:
    """To a run of so many tasks others are added one by one: each waits for tasks that have ended, and for the one that
    was added before it, by its name and by its key. The first one, which has to get to know all tasks, does not count.
    """
    sched = Sched([named(f"t{number}", provides=[f"t{number}"]) for number in range(there)], journal=journal)
    profile = cProfile.Profile()
    for number, result in enumerate(sched.run(ThreadWorkerPool(2, spare=500))):
        if number <= ADDED:
            before = [f"a{number - 1}"] if number else []
            name = f"a{number}"
            task = named(name, requires=[*before, "t0"], provides=[name], after=[str(result.key), *before])
            if number:
                profile.enable()
            sched.add_tasks([task])
            profile.disable()
    return sum(entry.callcount for entry in profile.getstats()) / ADDED


@pytest.mark.filterwarnings("ignore:Dep .* provided by:pexen_state.util.PexenWarning")
@pytest.mark.parametrize("journaled", [False, True], ids=["memory", "journal"])
def test_a_task_that_joins_a_large_run_costs_what_one_costs_that_joins_a_small_run(journaled, tmp_path):
    few, many = (calls_of_adding(there, tmp_path / f"{there}.db" if journaled else None) for there in (1_000, 10_000))

    assert many <= few * 1.01, "calls for a task that joins ten times as many, and for one among few"
