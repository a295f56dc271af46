"""How long tasks usually take, by what the journal has of earlier runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pexen_state.core.inputs import PoolHasRoom
from pexen_state.journal.asking.durations import typical_seconds
from pexen_state.journal.reader import reader
from pexen_state.journal.records import AttemptEnd
from tests.journal.telling import Runner
from tests.stories import Said, exited, returned, skipped, spec


class Past:
    """Runs of one task `a`, beside a task `never` that does not come to its turn."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runner = Runner(path)

    def ran(self, seconds: float | None, how: Said | None = None, name: str = "nightly") -> None:
        self.runner.begin(spec("a", claims={"x"}), spec("never", claims={"x"}), name=name)
        self.runner.turn(how or returned("a"), left={"a": AttemptEnd(1, 4711, seconds=seconds)})
        self.runner.journal.end_session("stopped")

    def told(self, suite: str = "nightly", runs: int = 10, most: int | None = 100) -> dict[str, float]:
        with reader(self.path) as connection:
            return typical_seconds(connection, suite, runs, most)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    past = Past(tmp_path / "journal.db")
    yield past
    past.runner.close(None)


def test_a_suite_without_a_past_has_none(past: Past):
    past.ran(1.0, name="another")

    assert past.told() == {}


def test_it_is_the_median_of_the_passes(past: Past):
    for seconds in (1.0, 2.0, 60.0):
        past.ran(seconds)
    assert past.told() == {"a": 2.0}

    past.ran(3.0)

    assert past.told() == {"a": 2.5}


def test_failures_do_not_count_where_there_is_a_pass(past: Past):
    past.ran(2.0)
    for _ in range(3):
        past.ran(0.1, exited("a"))

    assert past.told() == {"a": 2.0}


def test_of_a_task_that_never_passed_all_that_ended_it_counts(past: Past):
    past.ran(1.0, exited("a"))
    past.ran(3.0, skipped("a"))

    assert past.told() == {"a": 2.0}


def test_only_the_newest_runs_of_the_suite_count(past: Past):
    for seconds in (100.0, 100.0, 100.0, 4.0, 5.0, 6.0):
        past.ran(seconds)
    past.ran(50.0, name="another")

    assert past.told(runs=3) == {"a": 5.0}
    assert past.told("another") == {"a": 50.0}


def test_only_the_attempt_that_ended_the_task_counts(past: Past):
    past.runner.begin(spec("a", retries=1), name="nightly")
    past.runner.turn(exited("a"), PoolHasRoom(1), left={"a": AttemptEnd(1, 4711, seconds=9.0)})
    assert past.told() == {}

    past.runner.turn(returned("a"), left={"a": AttemptEnd(1, 4711, seconds=2.0)})
    past.runner.journal.end_session("stopped")

    assert past.told() == {"a": 2.0}


def test_a_time_that_nobody_knows_is_none(past: Past):
    past.ran(None)

    assert past.told() == {}


def test_of_a_large_suite_no_more_is_read_than_is_stated(past: Past):
    for seconds in (9.0, 3.0, 1.0):
        past.ran(seconds)

    assert [past.told(most=most) for most in (0, 1, 2, None)] == [{}, {"a": 1.0}, {"a": 2.0}, {"a": 3.0}]


def test_of_a_run_that_has_more_tasks_than_that_the_first_count(past: Past):
    past.runner.begin(spec("a"), spec("b"), spec("c"), name="nightly")
    past.runner.turn(PoolHasRoom(3))
    left = {key: AttemptEnd(1, 4711, seconds=2.0) for key in "abc"}
    past.runner.turn(returned("a"), returned("b"), returned("c"), left=left)
    past.runner.journal.end_session("stopped")

    assert past.told(most=2) == {"a": 2.0, "b": 2.0}
