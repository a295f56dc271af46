"""Parts of a suite for several boxes: every task is in one of them, together with what it depends on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.shards import components, shards
from pexen_state.core.spec import TaskSpec
from tests.stories import spec


def keys(specs: list[TaskSpec], places: list[int]) -> list[str]:
    return [specs[place].key for place in places]


def test_what_depends_on_each_other_stays_together_and_what_only_comes_after_or_shares_a_lock_does_not():
    specs = [
        spec("a", requires={"db | cache"}),
        spec("b", provides={"db"}),
        spec("c", provides={"cache"}, requires_all={"disk"}),
        spec("d", provides={"disk"}, claims={"/dev/sda"}),
        spec("e", claims={"/dev/sda"}),
        spec("f", after=["*"], provides={"unused"}),
        spec("g", provides={"unused"}),
    ]

    assert [keys(specs, places) for places in components(specs)] == [["a", "b", "c", "d"], ["e"], ["f"], ["g"]]


def test_the_heaviest_go_first_each_to_the_lightest_part():
    specs = [spec("a", weight=1), spec("b", weight=9), spec("c", weight=4), spec("d", weight=3), spec("e", weight=2)]

    assert [keys(specs, part) for part in shards(specs, 2)] == [["a", "b"], ["c", "d", "e"]]
    assert [keys(specs, part) for part in shards(specs[:1], 3)] == [["a"], [], []]


def test_tasks_that_say_nothing_weigh_the_same():
    specs = [spec(f"t{number:02}") for number in range(10)]

    assert [len(part) for part in shards(specs, 3)] == [4, 3, 3]


NAMES = st.sampled_from("abcdef")
SPECS = st.lists(
    st.builds(
        lambda provides, requires, weight: (sorted(provides), sorted(requires), weight),
        st.frozensets(NAMES, max_size=2),
        st.frozensets(st.one_of(NAMES, st.sampled_from(["a | b", "c | d"])), max_size=1),
        st.one_of(st.none(), st.floats(0.1, 100)),
    ),
    max_size=20,
).map(
    lambda tasks: [
        spec(f"t{number}", provides=provides, requires=requires, weight=weight)
        for number, (provides, requires, weight) in enumerate(tasks)
    ]
)


@given(specs=SPECS, count=st.integers(1, 5), data=st.data())
def test_shards_are_a_partition_that_is_the_same_in_whatever_order_the_tasks_come(
    specs: list[TaskSpec], count: int, data: st.DataObject
):
    parts = shards(specs, count)

    assert sorted(place for part in parts for place in part) == list(range(len(specs)))
    for places in components(specs):
        assert sum(not set(places).isdisjoint(part) for part in parts) == 1
    shuffled = data.draw(st.permutations(specs))
    again = shards(shuffled, count)
    assert [set(keys(specs, part)) for part in parts] == [set(keys(shuffled, part)) for part in again]
