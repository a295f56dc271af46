"""Tasks that joined a run, when it is resumed; and what their parents, long over, had left for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pexen_state import PexenWarning, Sched
from pexen_state.sched.pool import ThreadWorkerPool
from tests.journal.telling import sql
from tests.sched.newcomers import named, rows, take, told

# Who requires it is added later.
pytestmark = pytest.mark.filterwarnings("ignore:Dep .* provided by:pexen_state.util.PexenWarning")


def a_run_of_which_the_last_is_left(journal: Path) -> None:
    """a and b have ended; c, which was added with the result of b, has not run."""
    sched = Sched([named("a", provides=["a"])], journal=journal)
    results = sched.run(ThreadWorkerPool(1, spare=0))
    assert next(results).key == "a"
    sched.add_tasks([named("b", requires=["a"], provides=["b"])])
    assert next(results).key == "b"
    sched.add_tasks([named("c", requires=["b"])])
    results.close()


def test_a_task_that_nobody_adds_again_is_gone_when_nothing_else_is_left(tmp_path):
    journal = tmp_path / "journal.db"
    a_run_of_which_the_last_is_left(journal)
    again = Sched([named("a", provides=["a"]), named("new", provides=["new"])], journal=journal)

    with pytest.warns(PexenWarning) as said:
        found = told(again.run(ThreadWorkerPool()))

    assert {key: one.replayed for key, one in found.items()} == {"a": True, "b": True, "new": False}
    assert found["b"].task is None
    assert [str(one.message) for one in said if "added" in str(one.message)] == [
        "1 tasks that were added while the run went on were not added again, and will not run: c"
    ]
    assert ("c", "skipped", "not_run") in rows(journal)
    assert sql(journal, "SELECT reason FROM tasks WHERE task = 'c'") == [("it is no longer among the tasks",)]


def test_a_task_that_is_added_again_late_in_the_session_still_runs(tmp_path):
    journal = tmp_path / "journal.db"
    a_run_of_which_the_last_is_left(journal)
    again = Sched([named("a", provides=["a"]), named("new")], journal=journal)
    b, c = named("b", requires=["a"], provides=["b"]), named("c", requires=["b"])

    with pytest.warns(PexenWarning, match="1 tasks are new"):
        found = take(again, also={"b": lambda: again.add_tasks([b]), "new": lambda: again.add_tasks([c])})

    assert found["c"].ret == ["a", "b"]
    assert found["c"].task is c


def test_a_task_that_says_something_else_than_before_is_taken_as_it_was_recorded(tmp_path):
    journal = tmp_path / "journal.db"
    a_run_of_which_the_last_is_left(journal)
    again = Sched([named("a", provides=["a"])], journal=journal)
    b, c = named("b", requires=["a"], provides=["b"]), named("c", requires=["a"], priority=3)

    with pytest.warns(PexenWarning, match="1 tasks changed since the run began.*: c"):
        found = take(again, also={"a": lambda: again.add_tasks([b]), "b": lambda: again.add_tasks([c])})

    assert found["c"].ret == ["a", "b"]


def test_under_a_journal_a_late_child_gets_what_its_parents_left_however_long_ago(tmp_path):
    journal = tmp_path / "journal.db"
    first = [named("a", provides=["a"]), named("b", provides=["b"], requires=["a"]), named("c", after=["b"])]
    sched = Sched(first, journal=journal)
    sched.add_shared(base=1)

    found = take(sched, also={"c": lambda: sched.add_tasks([named("late", requires=["b"])])})

    assert found["late"].ret == ["a", "b", "base"]


def test_in_memory_what_is_gone_is_told(tmp_path):
    sched = Sched([named("a", provides=["a"]), named("b", requires=["a"]), named("c", after=["b"], provides=["c"])])
    add = {
        "c": lambda: sched.add_tasks([named("late", requires=["a"]), named("d", requires=["c"])]),
        "d": lambda: sched.add_tasks([named("e", requires=["c"])]),
    }

    with pytest.warns(PexenWarning, match="1 times a task was added after the last child of its parent"):
        found = take(sched, also=add)

    assert (found["late"].ret, found["d"].ret, found["e"].ret) == ([], ["c"], ["c"])
