"""How deep the pool is filled, and when a turn is held back for more ends."""

from __future__ import annotations

from pexen_state.sched.window import MOST, Hold, Window
from tests.fakes import FakePool


def measured(pool: FakePool, *, turn: float, task: float, in_pool: int, room: int = 0) -> Window:
    """After a turn and some tasks that took so many seconds, with so many left in the pool, and room for more."""
    window = Window(pool)
    if pool.spare is None:
        pool.window = in_pool + room
    window.tasks_took(10 * task, 10)
    window.turn_took(turn, in_pool)
    return window


def test_nothing_is_known_at_first_so_each_worker_has_one_and_one_is_spare():
    pool = FakePool(workers=4, spare=None)

    Window(pool)

    assert pool.window == 5


def test_tasks_that_take_longer_than_a_turn_have_one_spare():
    pool = FakePool(workers=2, spare=None)

    measured(pool, turn=0.005, task=1.0, in_pool=3)

    assert pool.window == 3


def test_small_tasks_get_as_many_as_end_during_three_turns():
    pool = FakePool(workers=2, spare=None)

    measured(pool, turn=0.005, task=0.001, in_pool=3)

    assert pool.window == 2 + 1 + 3 * 2 * 5


def test_however_small_tasks_are_there_is_an_end_to_it():
    pool = FakePool(workers=2, spare=None)

    measured(pool, turn=1.0, task=0.0, in_pool=3)

    assert pool.window == MOST


def test_a_first_turn_that_settles_what_an_earlier_session_left_is_no_measure():
    pool = FakePool(workers=2, spare=None)
    window = Window(pool)

    window.turn_took(100.0, 3)
    window.tasks_took(1.0, 1)
    window.turn_took(0.001, 3)

    assert pool.window == 3


def test_a_number_that_was_given_is_obeyed():
    pool = FakePool(workers=2, spare=7)

    measured(pool, turn=1.0, task=0.0, in_pool=9)

    assert pool.room == 9


def test_while_the_workers_have_more_than_half_of_the_round_a_turn_waits_for_the_rest_of_that_half():
    window = measured(FakePool(workers=2, spare=None), turn=0.005, task=0.0001, in_pool=100)

    assert window.hold(90) == Hold(40, 0.02)
    assert window.hold(50) is None


def test_a_turn_is_not_held_back_for_what_takes_longer_than_four_of_them():
    window = measured(FakePool(workers=2, spare=None), turn=0.005, task=0.01, in_pool=100)

    assert window.hold(90) is None


def test_a_turn_is_not_held_back_while_a_worker_has_nothing_to_do():
    window = measured(FakePool(workers=8, spare=0), turn=0.005, task=0.0001, in_pool=8)

    assert window.hold(7) is None


def test_one_turn_for_which_the_disk_stood_still_is_no_reason_to_hold_back_the_next_ones():
    window = measured(FakePool(workers=2, spare=None), turn=60, task=0.0001, in_pool=100)

    assert window.hold(90) == Hold(40, 0.1)


def test_where_there_is_nothing_more_to_run_a_turn_waits_for_all_that_ends_sooner_than_a_turn_takes():
    window = measured(FakePool(workers=2, spare=None), turn=0.005, task=0.0005, in_pool=10, room=50)

    assert window.hold(9) == Hold(9, 2 * 5 * 0.0005)
    assert window.hold(1) == Hold(1, 2 * 0.0005)
    assert window.hold(0) is None


def test_where_there_is_more_to_run_workers_are_not_left_with_nothing_to_do():
    window = measured(FakePool(workers=2, spare=None), turn=0.005, task=0.0005, in_pool=10)

    assert window.hold(5) is None


def test_where_all_that_is_there_takes_longer_than_a_turn_it_is_not_waited_for():
    window = measured(FakePool(workers=2, spare=None), turn=0.005, task=0.002, in_pool=10, room=50)

    assert window.hold(5) is None
