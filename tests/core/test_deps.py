"""Who waits for whom: names, every provider of a name, plain order, and cleanups that always run."""

from __future__ import annotations

import pytest

from pexen_state.core.commands import Submit
from pexen_state.core.inputs import PoolHasRoom, RunOpened, TasksAdded
from tests.stories import Plan, failed, raised, returned, skipped, spec

OPEN = (RunOpened(), PoolHasRoom(9))
ROOM = PoolHasRoom(9)


def test_a_child_runs_when_its_parent_has_returned() -> None:
    plan = Plan([spec("child", requires={"db"}), spec("parent", provides={"db"})])

    assert plan.submits(*OPEN) == ["parent"]
    assert plan.submits(returned("parent")) == ["child"]
    assert plan.story("child") == ["waiting -> ready: provided", "ready -> submitted: dispatch"]


def test_one_of_several_providers_is_enough_and_the_others_do_not_wake_the_child_again() -> None:
    plan = Plan([spec("a", provides={"db"}), spec("b", provides={"db"}), spec("child", requires={"db"})])

    plan.handle(*OPEN)
    assert plan.submits(raised("a"), ROOM) == []
    assert plan.submits(returned("b"), ROOM) == ["child"]


def test_the_child_gets_what_the_first_provider_that_kept_its_promise_left() -> None:
    plan = Plan([*(spec(key, provides={"db"}) for key in "abc"), spec("child", requires={"db"}, claims={"disk"})])
    plan.handle(*OPEN)

    turn = plan.handle(failed("c", deps_ok=False), returned("b"), returned("a"), ROOM)

    assert [command.parents for command in turn.commands if type(command) is Submit] == [(2,)]


def test_parents_come_in_the_order_in_which_they_ended_and_each_once() -> None:
    plan = Plan(
        [
            spec("a", provides={"one", "both"}),
            spec("b", provides={"two", "both"}),
            spec("child", requires=["one", "two"], requires_all=["both"]),
        ]
    )
    plan.handle(*OPEN)

    turn = plan.handle(returned("b"), returned("a"), ROOM)

    assert [command.parents for command in turn.commands if type(command) is Submit] == [(2, 1)]


def test_requires_all_waits_for_every_provider() -> None:
    plan = Plan([spec("a", provides={"node"}), spec("b", provides={"node"}), spec("all", requires_all={"node"})])
    plan.handle(*OPEN)

    assert plan.submits(returned("a"), ROOM) == []
    assert plan.submits(returned("b"), ROOM) == ["all"]


def test_requires_all_is_lost_with_the_first_provider_that_fails_once_all_have_ended() -> None:
    plan = Plan([spec("a", provides={"node"}), spec("b", provides={"node"}), spec("all", requires_all={"node"})])
    plan.handle(*OPEN)

    plan.handle(raised("a"), ROOM)
    assert plan.how("all") == ("waiting", "none")
    plan.handle(returned("b"), ROOM)

    assert plan.how("all") == ("skipped", "not_run")
    assert plan.named("all").reason == "requires 'node', which was provided by not everybody: a (error)"


def test_after_is_order_only_whatever_became_of_the_others() -> None:
    plan = Plan([spec("report", after=["net/*"]), spec("net/a"), spec("net/b"), spec("fs/a")])

    assert plan.submits(*OPEN) == ["net/a", "net/b", "fs/a"]
    assert plan.submits(raised("net/a"), ROOM) == []
    assert plan.submits(skipped("net/b"), ROOM) == ["report"]


def test_a_glob_that_matches_nothing_keeps_nobody_waiting() -> None:
    assert Plan([spec("report", after=["nothing/*"])]).submits(*OPEN) == ["report"]


def test_tasks_after_the_same_glob_do_not_wait_for_themselves_or_for_each_other() -> None:
    plan = Plan([spec("cleanup", after=["*"]), spec("report", after=["*"]), spec("test")])

    assert plan.submits(*OPEN) == ["test"]
    assert plan.submits(returned("test"), ROOM) == ["cleanup", "report"]


@pytest.mark.parametrize(
    ("glob", "matches"),
    [
        ("net/a", True),
        ("net/?", True),
        ("n[e]t/a", True),
        ("*", True),
        ("net", False),
        ("net/", False),
        ("NET/*", False),
    ],
)
def test_globs_match_whole_keys(glob: str, matches: bool) -> None:
    plan = Plan([spec("last", after=[glob]), spec("net/a")])

    assert plan.submits(*OPEN) == (["net/a"] if matches else ["last", "net/a"])


def test_a_key_with_special_characters_is_matched_by_its_glob_alone() -> None:
    plan = Plan([spec("last", after=["a[[]1]"]), spec("a[1]"), spec("a1")])

    assert plan.submits(*OPEN) == ["a[1]", "a1"]
    assert plan.submits(returned("a[1]"), ROOM) == ["last"]


def test_who_always_runs_runs_when_what_it_requires_is_lost() -> None:
    plan = Plan([spec("start", provides={"db"}), spec("stop", requires={"db"}, always=True)])
    plan.handle(*OPEN)

    assert plan.submits(raised("start"), ROOM) == ["stop"]


def test_who_always_runs_still_waits_for_what_can_come() -> None:
    plan = Plan([spec("a", provides={"x"}), spec("b", provides={"y"}), spec("stop", requires=["x", "y"], always=True)])
    plan.handle(*OPEN)

    assert plan.submits(raised("a"), ROOM) == []
    assert plan.submits(returned("b"), ROOM) == ["stop"]


def test_who_always_runs_runs_though_nobody_provides_the_name() -> None:
    assert Plan([spec("stop", requires={"nothing"}, always=True)]).submits(*OPEN) == ["stop"]


def test_a_name_may_be_listed_twice() -> None:
    plan = Plan([spec("a", provides=["x", "x"]), spec("b", requires=["x", "x"], requires_all=["x", "x"])])

    assert plan.submits(*OPEN) == ["a"]
    assert plan.submits(returned("a"), ROOM) == ["b"]


def test_names_are_any_hashable_values() -> None:
    plan = Plan([spec("a", provides=[("host", 1), 7, None]), spec("b", requires=[("host", 1), 7, None])])

    assert plan.submits(*OPEN) == ["a"]
    assert plan.submits(returned("a"), ROOM) == ["b"]


# -- tasks that join a run that is going on -----------------------------------------------------------------


def test_an_added_task_may_require_what_was_provided_long_ago() -> None:
    plan = Plan([spec("a", provides={"x"}), spec("long")])
    plan.handle(*OPEN)
    plan.handle(returned("a"), ROOM)

    assert plan.submits(TasksAdded((spec("b", requires={"x"}, requires_all={"x"}, after=["a"]),)), ROOM) == ["b"]


def test_a_lost_name_is_provided_again_by_a_task_that_is_added() -> None:
    plan = Plan([spec("a", provides={"x"}), spec("b", requires={"x"}), spec("long")])
    plan.handle(*OPEN)
    plan.handle(raised("a"), ROOM)

    assert plan.submits(TasksAdded((spec("again", provides={"x"}),)), ROOM) == ["again"]
    assert plan.submits(returned("again"), ROOM) == ["b"]


def test_a_name_that_nobody_provided_is_provided_by_a_task_that_is_added() -> None:
    plan = Plan([spec("b", requires={"x"}, requires_all={"x"}), spec("long")])
    plan.handle(*OPEN)

    assert plan.submits(TasksAdded((spec("a", provides={"x"}),)), ROOM) == ["a"]
    assert plan.submits(returned("a"), ROOM) == ["b"]


def test_who_is_ready_but_not_begun_waits_again_for_what_is_added() -> None:
    plan = Plan(
        [
            spec("a", provides={"x"}),
            spec("all", requires_all={"x"}),
            spec("stop", requires={"y"}, always=True),
            spec("last", after=["t/*"]),
        ]
    )
    late = (spec("b", provides={"x", "y"}), spec("t/new"))

    plan.handle(RunOpened(), PoolHasRoom(1))
    plan.handle(returned("a"))
    assert plan.submits(TasksAdded(late), ROOM) == ["b", "t/new"]
    assert plan.story("stop") == ["waiting -> ready: start", "ready -> waiting: held_back"]
    assert plan.submits(returned("b"), ROOM) == ["all", "stop"]
    assert plan.submits(returned("t/new"), ROOM) == ["last"]


def test_who_waits_again_leaves_the_queue_of_its_lock() -> None:
    plan = Plan(
        [spec("first", claims={"disk"}), spec("last", after=["t/*"], claims={"disk"}), spec("third", uses={"disk"})]
    )
    plan.handle(*OPEN)

    plan.handle(TasksAdded((spec("t/new"),)), ROOM)

    assert plan.submits(returned("first"), ROOM) == ["third"]


def test_who_has_begun_goes_on_whatever_is_added() -> None:
    plan = Plan([spec("last", after=["t/*"])])
    plan.handle(*OPEN)

    assert plan.submits(TasksAdded((spec("t/new"),)), ROOM) == ["t/new"]
    assert plan.run_out() == []
    assert plan.how("last") == ("succeeded", "pass")
