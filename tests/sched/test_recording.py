"""A run that is recorded by whoever does not run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pexen_state.sched import DepcheckError, Sched, SchedulerError, task
from pexen_state.sched.pool import ThreadWorkerPool


@task(name="one", provides=["a"])
def one() -> int:
    return 1


@task(name="two", requires=["a"])
def two() -> int:
    return 2


def test_what_is_recorded_is_run_by_whoever_resumes_it(tmp_path: Path):
    journal = tmp_path / "j.db"

    run = Sched([one, two], journal=journal, name="night").record()
    again = Sched([one, two], journal=journal, name="night", run_id=run)
    results = list(again.run(ThreadWorkerPool(1)))

    assert run == 1
    assert [(result.key, result.ret, result.attempt, result.replayed) for result in results] == [
        ("one", 1, 1, False),
        ("two", 2, 1, False),
    ]
    assert again.plan is not None
    assert again.plan.is_over


def test_a_recorded_run_supersedes_an_unfinished_one_as_any_new_run_does(tmp_path: Path):
    journal = tmp_path / "j.db"

    first = Sched([one, two], journal=journal, resume=False).record()
    second = Sched([one, two], journal=journal, resume=False).record()

    assert (first, second) == (1, 2)
    with pytest.raises(SchedulerError, match="superseded"):
        list(Sched([one, two], journal=journal, run_id=first).run(ThreadWorkerPool(1)))


def test_without_a_journal_or_without_a_provider_nothing_is_recorded(tmp_path: Path):
    with pytest.raises(SchedulerError, match="no journal to record a run in"):
        Sched([one, two]).record()
    with pytest.raises(DepcheckError):
        Sched([two], journal=tmp_path / "j.db", resume=False).record()
    assert not (tmp_path / "j.db").exists()
