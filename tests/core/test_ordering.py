"""The order of tasks of one priority: the longest path to the end first, or any that is given."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.forecast import forecast
from pexen_state.core.inputs import PoolHasRoom, RunOpened
from pexen_state.core.ordering import longest_first, longest_paths
from pexen_state.core.states import Verdict
from tests.stories import Plan, spec


def test_a_path_is_ones_own_time_and_the_longest_of_those_that_wait():
    specs = [
        spec("build", provides=["x"]),
        spec("slow", requires=["x"], provides=["y"]),
        spec("fast", requires=["x"]),
        spec("last", after=["slow"]),
        spec("alone"),
    ]

    assert longest_paths(specs, [1, 10, 2, 3, 5]) == [14, 13, 2, 3, 5]
    assert longest_first(specs, [1, 10, 2, 3, 5]) == [1, 2, 5, 4, 3]


def test_who_waits_for_several_is_on_the_path_of_each():
    specs = [
        spec("a", provides=["x"]),
        spec("b", provides=["x"]),
        spec("c", requires=["x"]),
        spec("d", requires_all=["x"]),
    ]

    assert longest_paths(specs, [1, 1, 4, 7]) == [8, 8, 4, 7]


def test_circles_and_names_that_nobody_provides_have_no_path_but_their_own_time():
    specs = [
        spec("a", requires=["y"], provides=["x"]),
        spec("b", requires=["x"], provides=["y"]),
        spec("c", requires=["z"]),
    ]

    assert longest_paths(specs, [1, 2, 3]) == [1, 2, 3]


def test_tasks_of_one_priority_come_in_the_given_order_and_the_lower_priority_comes_first_still():
    plan = Plan([spec("a"), spec("b"), spec("c", priority=-1), spec("d")], order=[4, 2, 3, 1])

    assert plan.submits(RunOpened(), PoolHasRoom(9)) == ["c", "d", "b", "a"]


def test_groups_keep_it_too():
    specs = [spec("a", group="g"), spec("b", group="h"), spec("c", group="g"), spec("d")]

    told = forecast(specs, [1.0] * 4, 1, order=[4, 2, 3, 1])

    assert [specs[begin.task - 1].key for begin in told.begins] == ["d", "b", "c", "a"]


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 9))
    groups = st.sampled_from([None, None, None, "g"])
    return [
        spec(
            f"t{n}",
            provides=[n],
            requires=draw(st.sets(st.integers(0, n - 1), max_size=2)) if n else (),
            priority=draw(st.integers(0, 1)),
            group=draw(groups),
        )
        for n in range(count)
    ]


@given(graphs(), st.lists(st.integers(1, 9), min_size=9, max_size=9))
def test_a_path_is_what_walking_over_all_that_wait_gives(specs, seconds):
    def walked(number: int) -> float:
        waiting = [n for n, one in enumerate(specs) if number in one.requires]
        return seconds[number] + max((walked(n) for n in waiting), default=0)

    assert longest_paths(specs, seconds[: len(specs)]) == [walked(n) for n in range(len(specs))]


@given(graphs(), st.integers(1, 3), st.randoms(use_true_random=False))
def test_in_any_order_all_come_to_their_end_and_the_best_that_is_ready_is_the_next(specs, room, drawn: random.Random):
    order = list(range(1, len(specs) + 1))
    drawn.shuffle(order)
    told = forecast(specs, [1.0] * len(specs), room, order=order)
    place = {number: at for at, number in enumerate(order)}

    assert len(told.begins) == len(specs)
    assert all(task.verdict is Verdict.PASS for task in told.plan.tasks.values())
    for one, other in pairwise(told.begins):
        if one.at == other.at and specs[one.task - 1].group == specs[other.task - 1].group:
            mine, theirs = specs[one.task - 1].priority, specs[other.task - 1].priority
            assert (mine, place[one.task]) < (theirs, place[other.task])
