"""What may run now comes out best first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.ready import Ready
from pexen_state.core.states import State


def test_the_lowest_priority_goes_first_and_of_these_the_lowest_number() -> None:
    ready = Ready()
    for priority, number in [(1, 5), (0, 9), (1, 2), (-0.5, 7), (0.0, 3)]:
        ready.push(priority, number)

    assert [ready.pop() for _ in range(5)] == [7, 3, 9, 2, 5]
    assert not ready


@given(st.lists(st.none() | st.tuples(st.sampled_from([0, 1, -1, 0.0, 2.5]), st.integers(1, 9))))
def test_it_pops_what_a_sorted_list_of_pairs_would(steps: list[tuple[float, int] | None]) -> None:
    ready, pairs = Ready(), list[tuple[float, int]]()
    for step in steps:
        if step is not None:
            ready.push(*step)
            pairs.append(step)
        elif pairs:
            pairs.sort()
            assert ready.pop() == pairs.pop(0)[1]
        assert bool(ready) == bool(pairs)


def test_those_that_are_no_longer_ready_are_swept_out() -> None:
    ready = Ready()
    for number in range(1, 7):
        ready.push(number % 2, number)
    ready.push(9, 7)

    ready.sweep([State.READY if number in (3, 4, 5) else State.SUCCEEDED for number in range(8)])

    assert [ready.pop() for _ in range(3)] == [4, 3, 5]
    assert not ready
