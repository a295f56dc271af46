"""What is required and missing is filled from the catalogue: by whom, and by nobody more than is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.alternatives import parts_of
from pexen_state.core.candidates import Explaining
from pexen_state.core.catalogue import Entry, World, complete, everything_applies, without_missing
from pexen_state.core.check import check_dependencies
from pexen_state.core.spec import TaskSpec
from tests.stories import spec


def here(key: str, prefers: Sequence[str] = (), **more: Any) -> Entry:
    return Entry(spec(key, **more), prefers=tuple(prefers))


def offer(key: str, cost: float = 0, prefers: Sequence[str] = (), **more: Any) -> Entry:
    return Entry(spec(key, **more), True, cost, tuple(prefers))


def keys(entries: Sequence[Entry], wanted: Sequence[int] | None = None, **more: Any) -> list[str]:
    return [entries[place].spec.key for place in complete(entries, wanted, **more).places]


def why(entries: Sequence[Entry], name: str, **more: Any) -> dict[str, str]:
    explaining = Explaining(entries, complete(entries, **more).places, **more)
    return {one.key: one.why for choice in explaining.about(name) for one in choice.candidates}


LOGIN = here("login", requires={"httpd"})


def test_a_missing_name_is_filled_by_one_candidate_and_what_that_one_requires_by_others():
    entries = [
        LOGIN,
        offer("apache", provides={"httpd"}, requires={"disk"}),
        offer("disk", provides={"disk"}),
        offer("other", provides={"other"}),
    ]

    found = complete(entries)

    assert found.places == (0, 1, 2)
    assert found.filled == (1, 2)


def test_what_the_suite_provides_is_not_taken_from_the_catalogue():
    entries = [LOGIN, here("own", provides={"httpd"}), offer("apache", provides={"httpd"})]

    assert keys(entries) == ["login", "own"]
    assert why(entries, "httpd") == {"apache": "is not needed: own of the suite provides it"}


def test_nobody_who_is_on_demand_runs_unless_he_is_required_or_wanted():
    entries = [here("a"), offer("b", provides={"x"})]

    assert keys(entries) == ["a"]
    assert keys(entries, [1]) == ["b"]


def test_preference_goes_before_cost_and_cost_before_the_order_of_alternatives_and_that_before_the_key():
    servers = [
        offer("b/nginx", 1, provides={"nginx"}),
        offer("c/apache", 1, provides={"httpd"}),
        offer("a/apache", 5, provides={"httpd"}),
        offer("d/apache", 1, provides={"httpd"}),
    ]
    wish = "httpd | nginx"

    assert keys([here("login", requires={wish}), *servers]) == ["login", "c/apache"]
    assert why([here("login", requires={wish}), *servers], "nginx") == {
        "c/apache": "comes first by its key",
        "a/apache": "costs 5, and c/apache 1",
        "b/nginx": "provides 'nginx', and 'httpd' is named before that",
        "d/apache": "comes after c/apache by its key",
    }
    for prefers in (["nginx"], ["b/*"], ["nobody", "b/nginx", "httpd"]):
        entries = [here("login", requires={wish}, prefers=prefers), *servers]
        assert keys(entries) == ["login", "b/nginx"]
    assert why(entries, wish)["b/nginx"] == "is preferred by login"
    assert why(entries, wish)["c/apache"] == "is not preferred: login prefers b/nginx"
    entries = [here("login", requires={"httpd"}), *servers[1:3]]
    assert why(entries, "httpd") == {"c/apache": "costs least: 1", "a/apache": "costs 5, and c/apache 1"}


def test_who_prefers_somebody_is_asked_before_those_who_do_not_care():
    entries = [
        here("a", requires={"httpd"}),
        here("z", requires={"httpd"}, prefers=["nginx"]),
        offer("apache", provides={"httpd"}),
        offer("nginx", 9, provides={"httpd"}),
    ]

    assert keys(entries) == ["a", "z", "nginx"]


def test_a_name_without_alternatives_is_filled_first_and_may_do_for_the_others():
    entries = [
        here("a", requires={"httpd | nginx"}),
        here("b", requires={"nginx"}),
        offer("apache", provides={"httpd"}),
        offer("nginx", 5, provides={"nginx"}),
    ]

    assert keys(entries) == ["a", "b", "nginx"]
    assert why(entries, "httpd")["apache"] == ("is not needed: nginx is there for something else, and provides it, too")


def applies(task: TaskSpec) -> tuple[bool, str]:
    return task.when != "never", "it is never so"


def test_who_does_not_apply_here_fills_nothing_and_is_filled_for():
    entries = [
        LOGIN,
        here("own", provides={"httpd"}, when="never"),
        offer("apache", provides={"httpd"}, when="never"),
        offer("nginx", 7, provides={"httpd"}),
    ]

    assert keys(entries, applies=applies) == ["login", "own", "nginx"]
    assert why(entries, "httpd", applies=applies) == {
        "nginx": "is the only one that could",
        "apache": "does not apply here: it is never so",
    }


def test_who_could_never_run_fills_nothing_and_the_reason_is_told():
    entries = [
        LOGIN,
        offer("a", provides={"httpd"}, requires={"nothing"}),
        offer("b", provides={"httpd"}, requires={"egg"}),
        offer("hen", provides={"hen"}, requires={"egg"}),
        offer("egg", provides={"egg"}, requires={"hen"}),
        offer("c", 9, provides={"httpd"}),
    ]

    assert keys(entries) == ["login", "c"]
    assert why(entries, "httpd") == {
        "c": "is the only one that could",
        "a": "requires 'nothing', which nobody provides",
        "b": "requires 'egg', which egg cannot provide here",
    }
    circle = Explaining([here("x", requires={"hen"}), *entries[3:5]], [0])
    assert circle.why_nobody("hen") == ["hen waits for itself: hen -> egg -> hen"]


def test_the_best_one_each_may_make_a_circle_which_is_opened_by_somebody_else():
    entries = [
        here("run", requires={"a"}),
        offer("a", provides={"a"}, requires={"c"}),
        offer("c1", 0, provides={"c"}, requires={"a"}),
        offer("c2", 9, provides={"c"}),
    ]

    assert keys(entries) == ["run", "a", "c2"]
    assert "c1" in why(entries, "c")


def test_what_was_taken_for_one_name_is_left_out_when_another_does_for_both():
    entries = [
        here("one", requires={"x"}),
        here("two", requires={"y"}),
        offer("cheap", 0, provides={"x"}),
        offer("both", 5, provides={"x", "y"}),
    ]

    assert keys(entries) == ["one", "two", "both"]


def test_wanted_tasks_bring_every_provider_of_what_they_require():
    entries = [
        here("login", requires={"db"}),
        here("a", provides={"db"}),
        here("b", provides={"db"}, requires={"disk | tape"}),
        here("disk", provides={"disk"}),
        here("tape", provides={"tape"}),
        here("other"),
        offer("web", provides={"http"}, requires={"disk"}),
        here("page", requires_all={"http"}),
    ]

    assert keys(entries, [0]) == ["login", "a", "b", "disk", "tape"]
    assert keys(entries, [7]) == ["disk", "web", "page"]
    assert complete(entries, [7]).brought == (3,)


def test_what_nobody_provides_stays_missing_and_can_be_taken_as_provided():
    entries = [here("a", requires=["x", "y | z"], requires_all=["x"]), here("z", provides={"z"})]
    assert keys(entries) == ["a", "z"]

    specs = without_missing([entry.spec for entry in entries])

    assert specs[0] == spec("a", requires=["y | z"])
    assert specs[1] is entries[1].spec
    assert check_dependencies(specs) is None


# -- whatever there is ------------------------------------------------------------------------------------------------

NAMES = st.sampled_from("uvwxyz")
WISHES = st.one_of(NAMES, st.sampled_from(["u | v", "x | y | z", "w | u"]))


@st.composite
def worlds(draw: st.DrawFn) -> list[Entry]:
    count = draw(st.integers(1, 9))
    return [
        Entry(
            spec(
                f"t{number}",
                provides=sorted(draw(st.frozensets(NAMES, max_size=2))),
                requires=sorted(draw(st.frozensets(WISHES, max_size=2))),
                when=draw(st.sampled_from([None, None, None, "never"])),
            ),
            draw(st.booleans()),
            draw(st.integers(0, 2)),
            tuple(draw(st.lists(st.sampled_from(["t1", "t2", "x", "t*"]), max_size=1))),
        )
        for number in range(count)
    ]


@given(entries=worlds(), data=st.data())
def test_the_answer_is_the_same_in_whatever_order_the_tasks_come(entries: list[Entry], data: st.DataObject):
    shuffled = data.draw(st.permutations(entries))

    assert sorted(keys(entries, applies=applies)) == sorted(keys(shuffled, applies=applies))
    told = {name: why(entries, name, applies=applies) for name in "uvwxyz"}
    assert told == {name: why(shuffled, name, applies=applies) for name in "uvwxyz"}


@given(entries=worlds(), data=st.data())
def test_everybody_who_is_needed_is_there_and_nobody_from_the_catalogue_who_is_not(
    entries: list[Entry], data: st.DataObject
):
    wanted = data.draw(st.one_of(st.none(), st.lists(st.integers(0, len(entries) - 1), unique=True)))
    found = complete(entries, wanted, applies)
    asked = set(wanted if wanted is not None else [n for n, entry in enumerate(entries) if not entry.on_demand])
    there = [entries[place].spec for place in found.places]

    assert asked <= set(found.places)
    # complete: who could run if everybody were there does run
    world = World(entries, applies)
    runs = set(world.run(found.places))
    assert [place for place in found.places if place in world.ranks and place not in runs] == []
    # ordinary providers come all, and only for somebody who requires them
    required = {
        part for one in there for name in one.requires for part in (name, *parts_of(name))
    }  # requires_all: none
    for place, entry in enumerate(entries):
        is_required = bool(required.intersection(entry.spec.provides))
        if not entry.on_demand and place not in asked:
            assert (place in found.places) == is_required
    if any(one.when for one in there) or not asked <= world.ranks.keys():
        return
    # minimal: without any of those who were filled in somebody would not run
    for place in set(found.filled) - asked:
        others = [one for one in found.places if one != place]
        assert set(world.run(others)) != runs - {place}, entries[place].spec.key


@given(worlds())
def test_whoever_is_chosen_or_not_is_told_why(entries: list[Entry]):
    explaining = Explaining(entries, complete(entries, None, applies).places, applies)
    for name in (*"uvwxyz", "x | y | z"):
        for choice in explaining.about(name):
            for one in choice.candidates:
                assert one.why


@given(worlds())
def test_with_everything_that_is_missing_taken_as_provided_only_circles_are_left(entries: list[Entry]):
    specs = without_missing([entry.spec for entry in entries])
    findings = check_dependencies(specs)

    assert findings is None or (findings.missing == () and findings.circle)


def test_everything_applies_unless_somebody_says_otherwise():
    assert everything_applies(spec("a", when="os.id == 'debian'")) == (True, "")


def test_many_providers_of_one_name_are_looked_at_once_however_many_require_it():
    providers = [here(f"p{number}", provides={"db"}, when="so") for number in range(100)]
    requirers = [here(f"r{number}", requires={"db"}) for number in range(1000)]
    looked = 0

    def so(_: TaskSpec) -> tuple[bool, str]:
        nonlocal looked
        looked += 1
        return True, ""

    found = complete([*providers, *requirers], range(100, 1100), so)

    assert len(found.brought) == 100
    assert looked <= 100


def test_a_chain_of_ten_thousand_is_filled_in_one_go():
    count = 10_000
    chain = [
        offer(f"t{number}", provides={str(number)}, requires={str(number + 1)} if number < count else set())
        for number in range(count + 1)
    ]
    entries = [here("first", requires={"0"}), *chain]

    assert len(complete(entries).places) == count + 2
