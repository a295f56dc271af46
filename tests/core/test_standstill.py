"""What will never run: when that is decided, in what order, and what is said of it."""

from __future__ import annotations

from pexen_state.core.inputs import PoolHasRoom, RunOpened
from tests.stories import Plan, asserted, raised, returned, skipped, spec, timed_out

OPEN = (RunOpened(), PoolHasRoom(9))
ROOM = PoolHasRoom(9)


def test_a_failure_upstream_is_given_up_only_when_the_run_can_go_no_further() -> None:
    plan = Plan([spec("a", provides={"x"}), spec("b", requires={"x"}), spec("long")])
    plan.handle(*OPEN)

    plan.handle(raised("a"), ROOM)
    assert plan.how("b") == ("waiting", "none")
    assert plan.gives(returned("long"), ROOM) == ["long"]

    assert plan.how("b") == ("skipped", "not_run")
    assert plan.is_over


def test_a_chain_behind_a_failure_is_given_up_as_a_whole_and_each_reason_names_the_one_before() -> None:
    plan = Plan(
        [
            spec("a", provides={"x"}),
            spec("b", requires={"x"}, provides={"y"}),
            spec("c", requires={"y"}, provides={"z"}),
            spec("d", requires_all={"z"}),
        ]
    )
    plan.handle(*OPEN)

    plan.handle(asserted("a"), ROOM)

    assert [plan.named(key).reason for key in "bcd"] == [
        "requires 'x', which was provided by nobody: a (fail)",
        "requires 'y', which was provided by nobody: b (not run)",
        "requires 'z', which was provided by nobody: c (not run)",
    ]


def test_what_does_not_apply_is_skipped_at_once_with_all_that_depends_on_it_alone() -> None:
    plan = Plan(
        [
            spec("raid", provides={"array"}),
            spec("rebuild", requires={"array"}, provides={"rebuilt"}),
            spec("verify", requires={"rebuilt"}),
            spec("long"),
        ]
    )
    plan.handle(*OPEN)

    assert plan.gives(skipped("raid"), ROOM) == ["raid"]

    assert plan.how("rebuild") == plan.how("verify") == ("skipped", "skip")
    assert plan.named("rebuild").reason == "requires 'array', which was provided by nobody: raid (skip)"
    assert plan.named("verify").reason == "requires 'rebuilt', which was provided by nobody: rebuild (skip)"
    assert plan.story("verify") == ["waiting -> skipped: does_not_apply"]


def test_a_name_that_one_skipped_and_another_failed_to_provide_was_lost_by_the_failure() -> None:
    plan = Plan([spec("a", provides={"x"}), spec("b", provides={"x"}), spec("c", requires={"x"})])
    plan.handle(*OPEN)

    plan.handle(skipped("a"), raised("b"), ROOM)

    assert plan.how("c") == ("skipped", "not_run")
    assert plan.named("c").reason == "requires 'x', which was provided by nobody: a (skip) and b (error)"


def test_a_cleanup_that_always_runs_is_woken_by_those_that_are_given_up() -> None:
    plan = Plan(
        [
            spec("build", provides={"built"}),
            spec("test", requires={"built"}, provides={"tested"}),
            spec("cleanup", requires={"tested"}, always=True, provides={"clean"}),
            spec("report", requires={"clean"}, always=True),
        ]
    )
    plan.handle(*OPEN)

    assert plan.submits(raised("build"), ROOM) == ["cleanup"]
    assert plan.how("test") == ("skipped", "not_run")
    assert plan.submits(returned("cleanup"), ROOM) == ["report"]
    assert plan.run_out() == []
    assert plan.is_over


def test_who_depends_on_a_cleanup_is_not_given_up_with_the_circle_behind_it() -> None:
    plan = Plan(
        [
            spec("child", requires={"clean"}),
            spec("one", requires={"two"}, provides={"one"}),
            spec("two", requires={"one"}, provides={"two"}),
            spec("cleanup", requires={"one"}, always=True, provides={"clean"}),
        ]
    )

    assert plan.submits(*OPEN) == ["cleanup"]
    assert plan.how("child") == ("waiting", "none")
    assert plan.submits(returned("cleanup"), ROOM) == ["child"]


def test_a_circle_is_given_up_where_it_hurts_least() -> None:
    plan = Plan(
        [
            spec("always", requires={"one"}, provides={"two"}, always=True),
            spec("sometimes", requires={"two"}, provides={"one"}),
        ]
    )

    assert plan.submits(*OPEN) == ["always"]
    assert plan.named("sometimes").reason == "it waits for itself: sometimes -> always -> sometimes"


def test_tasks_that_come_after_each_other_are_no_end_of_the_run() -> None:
    plan = Plan([spec("a", after=["b"]), spec("b", after=["a"]), spec("c", after=["*"])])

    assert plan.submits(*OPEN) == ["b"]
    assert plan.run_out() == ["c"]
    assert plan.how("a") == ("skipped", "not_run")


def test_locks_that_are_held_for_good_are_given_up_after_everything_else() -> None:
    plan = Plan(
        [
            spec("a", claims={"disk"}, provides={"x"}),
            spec("b", claims={"disk"}),
            spec("c", requires={"x"}, provides={"y"}),
            spec("cleanup", requires={"y"}, always=True),
        ]
    )
    plan.handle(*OPEN)

    assert plan.submits(timed_out("a"), ROOM) == ["cleanup"]
    assert plan.how("c") == ("skipped", "not_run")
    assert plan.how("b") == ("ready", "none")
    plan.handle(returned("cleanup"), ROOM)
    assert plan.story("b") == ["waiting -> ready: start", "ready -> skipped: locked"]
    assert plan.is_over


def test_what_depends_on_who_is_locked_out_is_given_up_too_and_its_cleanup_runs() -> None:
    plan = Plan(
        [
            spec("a", claims={"disk"}),
            spec("b", claims={"disk"}, provides={"x"}),
            spec("c", requires={"x"}),
            spec("cleanup", requires={"x"}, always=True),
        ]
    )
    plan.handle(*OPEN)

    assert plan.submits(raised("a"), ROOM) == ["cleanup"]
    assert plan.run_out() == []
    assert plan.named("c").reason == "requires 'x', which was provided by nobody: b (not run)"


def test_a_reason_names_a_few_and_counts_the_rest() -> None:
    plan = Plan([*(spec(f"p{n}", provides={"x"}) for n in range(6)), spec("child", requires={"x"})])
    plan.handle(*OPEN)

    plan.handle(*(raised(f"p{n}") for n in range(6)), ROOM)

    assert plan.named("child").reason == (
        "requires 'x', which was provided by nobody: p0 (error), p1 (error), p2 (error) and 3 more"
    )


def test_a_name_that_nobody_provides_is_given_up_with_that_reason() -> None:
    plan = Plan([spec("a", requires={"x"})])

    assert plan.submits(*OPEN) == []
    assert plan.named("a").reason == "requires 'x', which no task provides"
