"""How long the rest of a run may take, by what its tasks took before."""

from __future__ import annotations

import pytest

from pexen_state.report.display import Progress, Running
from pexen_state.report.display.pace import Pace
from tests.report.stage import Result


def test_what_is_left_is_shared_by_the_workers():
    pace = Pace({"a": 10.0, "b": 10.0, "c": 20.0}, ["a", "b", "c"], workers=2)

    assert pace.seconds_left(Progress(3)) == 20.0
    pace.ended(Result("a"))
    assert pace.seconds_left(Progress(2)) == 20.0
    pace.ended(Result("c"))
    assert pace.seconds_left(Progress(1)) == 10.0
    pace.ended(Result("b"))
    assert pace.seconds_left(Progress(0)) is None


def test_it_is_never_less_than_the_longest_task_needs():
    pace = Pace({"long": 100.0, "a": 1.0, "b": 1.0}, ["long", "a", "b"], workers=8)

    assert pace.seconds_left(Progress(3)) == 100.0
    assert pace.seconds_left(Progress(3, (Running("long", 70.0),), 1)) == 30.0
    assert pace.seconds_left(Progress(3, (Running("long", 170.0),), 1)) == 1.0


def test_what_has_run_already_is_left_no_more():
    pace = Pace({"a": 60.0, "b": 60.0}, ["a", "b"], workers=1)

    assert pace.seconds_left(Progress(2, (Running("a", 45.0),), 1)) == 75.0


@pytest.mark.parametrize(("known", "told"), [(4, None), (5, 100.0), (10, 100.0)])
def test_nothing_is_said_where_less_than_half_has_a_past(known: int, told: float | None):
    keys = [f"t{number}" for number in range(10)]

    assert Pace(dict.fromkeys(keys[:known], 10.0), keys, workers=1).seconds_left(Progress(10)) == told


def test_without_a_past_nothing_is_said():
    pace = Pace({}, ["a"], workers=1)

    assert pace.seconds_left(Progress(1, (Running("a", 1.0),), 1)) is None
    assert list(pace.slow(Progress(1, (Running("a", 1000.0),), 1))) == []


def test_a_task_that_is_no_longer_among_them_has_no_say():
    assert Pace({"a": 1.0, "gone": 1000.0}, ["a"], workers=1).seconds_left(Progress(1)) == 1.0


def test_counts_are_told_in_one_order():
    pace = Pace({}, [], 1)
    for verdict in ("skip", "pass", "not_run", "fail", "pass"):
        pace.ended(Result("a", verdict))

    assert pace.in_words() == "2 pass 1 fail 1 skip 1 not run"
