"""`requires = ["httpd | nginx"]`: any one of these names is enough, whoever provides it, and whenever he joins."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.alternatives import parts_of
from pexen_state.core.check import check_dependencies, required_names, unused_names
from pexen_state.core.commands import Submit
from pexen_state.core.deps import Deps
from pexen_state.core.inputs import PoolHasRoom, RunOpened, TasksAdded
from pexen_state.core.spec import TaskSpec
from tests.stories import Plan, failed, returned, skipped, spec

OPEN = (RunOpened(), PoolHasRoom(9))
ROOM = PoolHasRoom(9)
CHILD = spec("child", requires={"httpd | nginx"})


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("httpd | nginx", ("httpd", "nginx")),
        ("a | b |  c | a", ("a", "b", "c")),
        ("a|b", ("a|b",)),  # a name like any other
        ("httpd", ("httpd",)),
        (" | ", (" | ",)),
        (("a | b", 1), (("a | b", 1),)),
        (7, (7,)),
    ],
)
def test_the_parts_of_a_name_stand_between_bars_with_spaces(name: object, parts: tuple[object, ...]):
    assert parts_of(name) == parts


@pytest.mark.parametrize("who", ["httpd", "nginx"])
def test_who_provides_one_of_them_is_enough(who: str):
    plan = Plan([CHILD, spec("server", provides={who})])

    assert plan.submits(*OPEN) == ["server"]
    assert plan.submits(returned("server"), ROOM) == ["child"]


def test_the_other_one_is_waited_for_if_the_first_failed_and_only_both_together_lose_it():
    plan = Plan([CHILD, spec("a", provides={"httpd"}), spec("b", provides={"nginx"})])
    plan.handle(*OPEN)

    assert plan.submits(failed("a", deps_ok=False), ROOM) == []
    assert plan.submits(returned("b"), ROOM) == ["child"]

    plan = Plan([CHILD, spec("a", provides={"httpd"}), spec("b", provides={"nginx"})])
    plan.handle(*OPEN)
    plan.handle(failed("a", deps_ok=False), failed("b", deps_ok=False), ROOM)
    assert plan.named("child").reason == (
        "requires 'httpd | nginx', which was provided by nobody: a (fail) and b (fail)"
    )


def test_who_provides_several_of_them_is_one_provider():
    plan = Plan([spec("both", provides=["httpd", "nginx"]), CHILD])
    plan.handle(*OPEN)

    turn = plan.handle(returned("both"), ROOM)

    assert [command.parents for command in turn.commands if type(command) is Submit] == [(1,)]


def test_the_child_gets_what_the_first_one_left():
    plan = Plan([spec("a", provides={"httpd"}), spec("b", provides={"nginx"}), CHILD])
    plan.handle(*OPEN)

    turn = plan.handle(returned("b"), returned("a"), ROOM)

    assert [command.parents for command in turn.commands if type(command) is Submit] == [(2,)]


def test_every_provider_of_each_is_wanted_by_requires_all():
    plan = Plan([spec("all", requires_all={"x | y"}), spec("a", provides={"x"}), spec("b", provides={"y"})])
    plan.handle(*OPEN)

    assert plan.submits(returned("a"), ROOM) == []
    assert plan.submits(returned("b"), ROOM) == ["all"]


def test_a_task_that_is_added_later_finds_who_has_ended_before_and_gets_what_the_first_left():
    plan = Plan([spec("a", provides={"httpd"}), spec("b", provides={"nginx"}), spec("c", provides={"nginx"})])
    plan.handle(*OPEN)
    plan.handle(failed("a", deps_ok=False), returned("c"), returned("b"), ROOM)

    turn = plan.handle(TasksAdded((CHILD,)), ROOM)

    assert [command.parents for command in turn.commands if type(command) is Submit] == [(3,)]
    plan.validate()


def test_a_task_that_is_added_later_waits_in_vain_if_nobody_can_provide_any_and_is_freed_by_who_comes_then():
    plan = Plan([spec("a", provides={"httpd"}), spec("long")])
    plan.handle(*OPEN)
    plan.handle(failed("a", deps_ok=False), ROOM)

    plan.handle(TasksAdded((CHILD,)), ROOM)
    assert plan.how("child") == ("waiting", "none")
    plan.handle(TasksAdded((spec("later", provides={"nginx"}),)), ROOM)
    assert plan.submits(returned("later"), ROOM) == ["child"]


def test_it_does_not_apply_where_none_of_its_providers_does_even_if_it_was_added_after_them():
    plan = Plan([spec("a", provides={"httpd"}), spec("b", provides={"nginx"}), spec("long")])
    plan.handle(*OPEN)
    plan.handle(skipped("a"), skipped("b"), ROOM)

    plan.handle(TasksAdded((CHILD,)), ROOM)

    assert plan.how("child") == ("skipped", "skip")


def test_the_check_before_a_run_knows_them():
    assert check_dependencies([CHILD, spec("b", provides={"nginx"})]) is None
    findings = check_dependencies([CHILD, spec("b", provides={"nginy"})])
    assert findings is not None
    assert [(one.name, one.similar) for one in findings.missing] == [("httpd | nginx", "nginy")]
    specs = [CHILD, spec("b", provides=["nginx", "other"])]
    assert list(unused_names(specs, set(required_names(specs)))) == [("other", "b")]


NAMES = st.sampled_from("xyz")
SPECS = st.lists(
    st.builds(
        lambda provides, requires: (provides, requires),
        st.frozensets(NAMES, max_size=2),
        st.frozensets(st.sampled_from(["x", "y", "x | y", "y | z", "x | y | z"]), max_size=2),
    ),
    min_size=1,
    max_size=7,
)


@given(tasks=SPECS, data=st.data())
def test_gates_are_the_same_whether_tasks_become_known_at_once_or_one_by_one(
    tasks: Sequence[tuple[frozenset[str], frozenset[str]]], data: st.DataObject
):
    specs = [spec(str(n), provides=sorted(p), requires=sorted(r)) for n, (p, r) in enumerate(tasks, 1)]
    ends = data.draw(st.permutations(range(1, len(specs) + 1)), label="ends")
    hows = data.draw(st.lists(st.sampled_from(["kept", "lost", "skipped"]), min_size=len(specs), max_size=len(specs)))
    joins = data.draw(st.integers(0, len(specs)), label="how many have joined before anybody ends")

    def told(deps: Deps) -> object:
        gates = {
            gate.label: (sorted(gate.providers), gate.pending, list(gate.kept), gate.skipped)
            for gate in deps.gates()
            if gate.providers
        }
        return gates, list(deps.unmet), deps.lost

    at_once, by_and_by = Deps(), Deps()
    at_once.add(1, specs)
    by_and_by.add(1, specs[:joins])
    ranks = [0] * (len(specs) + 1)
    late: list[int] = []
    for rank, task in enumerate([*(one for one in ends if one <= joins), *(one for one in ends if one > joins)], 1):
        if task > joins and not late:
            late = list(range(joins + 1, len(specs) + 1))
            by_and_by.add(joins + 1, specs[joins:], ranks)
        ranks[task] = rank
        how = hows[task - 1]
        for deps in (at_once, by_and_by):
            deps.end(task, how == "kept", how == "skipped")
    assert told(at_once) == told(by_and_by)


@given(SPECS)
def test_a_run_of_alternatives_ends_as_one_in_which_each_is_written_as_a_name_of_its_own(
    tasks: Sequence[tuple[frozenset[str], frozenset[str]]],
):
    def written_out(one: TaskSpec) -> TaskSpec:
        wholes = [whole for whole in ("x | y", "y | z", "x | y | z") if set(parts_of(whole)) & set(one.provides)]
        return one._replace(
            provides=tuple(name.replace(" | ", "+") for name in (*one.provides, *wholes)),
            requires=tuple(name.replace(" | ", "+") for name in one.requires),
        )

    specs = [spec(str(n), provides=sorted(p), requires=sorted(r)) for n, (p, r) in enumerate(tasks, 1)]
    found, wanted = check_dependencies(specs), check_dependencies([written_out(one) for one in specs])
    assert (found is None) == (wanted is None)
    if found is not None and wanted is not None:
        assert [name.replace(" | ", "+") for name in found.remain] == list(wanted.remain)
