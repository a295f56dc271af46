"""A run that gets nowhere is parked."""

from __future__ import annotations

import pytest

from pexen_state.journal.lives import Life
from pexen_state.journal.records import HowEnded
from pexen_state.sched.parking import why_parked


def life(how: HowEnded, ended_tasks: bool = False) -> Life:
    return Life(how, "a boot", ended_tasks)


KILLED, CRASHED = life(HowEnded.KILLED), life(HowEnded.CRASHED)


def test_three_in_a_row_without_an_end_of_a_task():
    assert why_parked([KILLED, KILLED, KILLED]) == (
        "3 sessions in a row were killed, without one task coming to its end"
    )
    assert why_parked([CRASHED, KILLED, CRASHED]) == (
        "3 sessions in a row were killed or crashed with the box, without one task coming to its end"
    )


def test_two_are_not_enough():
    assert why_parked([KILLED, CRASHED]) is None
    assert why_parked([]) is None


@pytest.mark.parametrize("how", [HowEnded.STOPPED, HowEnded.REBOOTED, HowEnded.SHUTDOWN, HowEnded.PARKED])
def test_a_session_that_ended_in_good_order_ends_the_row(how):
    assert why_parked([KILLED, KILLED, life(how), KILLED, KILLED]) is None


def test_a_task_that_came_to_its_end_ends_the_row():
    assert why_parked([KILLED, life(HowEnded.CRASHED, True), KILLED]) is None
