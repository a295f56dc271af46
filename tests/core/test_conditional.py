"""Tasks with a condition: who is skipped, when that is decided, and when it is decided anew."""

from __future__ import annotations

import pytest

from pexen_state.core.catalogue import Applies
from pexen_state.core.conditional import WHEN, decided_otherwise
from pexen_state.core.decisions import ConditionsDecided
from pexen_state.core.inputs import CancelAsked, ConditionsKnown, PoolHasRoom, RunOpened, TaskChanged, TasksAdded
from pexen_state.core.spec import TaskSpec
from pexen_state.core.when import decide, parse
from tests.stories import Plan, raised, spec


def applies(**facts: object) -> Applies:
    def decided(task: TaskSpec) -> tuple[bool, str]:
        holds, because = decide(parse(task.when), facts) if task.when is not None else (True, "")
        return holds, f"{WHEN}{because}"

    return decided


def known(again: bool = False, **facts: object) -> ConditionsKnown:
    return ConditionsKnown(applies(**facts), again)


OPENED = (RunOpened(), PoolHasRoom(9))


def keys(plan: Plan, facts: Applies) -> list[str]:
    return [task.spec.key for task in decided_otherwise(plan, facts)]


def test_a_task_whose_condition_is_false_is_skipped_with_the_reason_and_what_stands_behind_it_too():
    plan = Plan(
        [
            spec("disk", provides={"nvme"}, when="disk == 'nvme'"),
            spec("fast", requires={"nvme"}, provides={"speed"}),
            spec("faster", requires={"speed"}),
            spec("cleanup", requires={"nvme"}, always=True),
            spec("other", when="disk == 'sata'"),
        ]
    )

    assert plan.submits(known(disk="sata"), *OPENED) == ["cleanup", "other"]

    assert plan.how("disk") == ("skipped", "skip")
    assert plan.named("disk").reason == "when: disk == 'nvme' (disk is 'sata')"
    assert plan.how("faster") == ("skipped", "skip")
    assert plan.named("fast").reason == "requires 'nvme', which was provided by nobody: disk (skip)"
    assert plan.named("faster").reason == "requires 'speed', which was provided by nobody: fast (skip)"
    assert plan.failed == 0


def test_another_provider_does_for_the_one_that_does_not_apply():
    plan = Plan(
        [
            spec("apt", provides={"package"}, when="os == 'debian'"),
            spec("dnf", provides={"package"}, when="os == 'fedora'"),
            spec("test", requires={"package"}),
        ]
    )

    plan.handle(known(os="fedora"), *OPENED)

    assert plan.run_out() == ["test"]


def test_tasks_without_a_condition_cost_no_decision():
    plan = Plan([spec("a")])

    plan.handle(known(), *OPENED)

    assert not any(isinstance(one, ConditionsDecided) for one in plan.decided)


def test_what_was_decided_stays_so_when_the_box_is_another_one():
    plan = Plan([spec("a", when="n > 1"), spec("b", when="n < 9"), spec("c")])
    plan.handle(known(n=1))

    assert plan.submits(known(n=9), *OPENED) == ["b", "c"]
    assert plan.how("a") == ("skipped", "skip")


def test_it_is_decided_anew_of_what_has_not_begun_and_whoever_was_skipped_for_it_gets_another_chance():
    plan = Plan(
        [
            spec("a", when="n > 1", provides={"x"}),
            spec("behind", requires={"x"}),
            spec("picky", requires={"x"}, when="n < 9"),
            spec("b", when="n < 9"),
            spec("begun", when="n < 9", priority=-1),
        ]
    )
    assert plan.submits(known(n=1), RunOpened(), PoolHasRoom(1)) == ["begun"]
    assert keys(plan, applies(n=9)) == ["a", "b"]

    plan.handle(known(again=True, n=9))

    assert plan.how("b") == ("skipped", "skip")
    assert plan.how("picky") == ("skipped", "skip")
    assert plan.named("picky").reason == "when: n < 9 (n is 9)"
    assert plan.run_out() == ["a", "behind"]
    assert plan.how("begun") == ("succeeded", "pass")
    assert keys(plan, applies(n=9)) == []


def test_what_a_person_ended_stays_so():
    plan = Plan([spec("a", when="n > 1"), spec("b")])
    plan.handle(known(n=1), CancelAsked())

    plan.handle(known(again=True, n=9))

    assert plan.how("a") == ("skipped", "skip")
    assert plan.is_over


def test_of_tasks_that_join_it_is_decided_when_they_do():
    plan = Plan([spec("a", when="n > 1")])
    plan.handle(known(n=9), *OPENED)

    assert plan.submits(TasksAdded((spec("b", when="n > 1"), spec("c", when="n > 9")))) == ["b"]
    assert plan.conditioned == 3


def test_tasks_that_join_before_anything_is_known_wait_for_that():
    plan = Plan([spec("a")])
    plan.handle(TasksAdded((spec("b", when="n > 1"),)))

    assert plan.submits(known(n=1), *OPENED) == ["a"]


def test_nobody_runs_tasks_with_conditions_without_saying_what_is_known():
    plan = Plan([spec("a", when="n > 1")])

    with pytest.raises(AssertionError, match="not decided whether it applies here"):
        plan.handle(*OPENED)


def test_who_does_not_apply_does_not_run_because_its_code_changed_or_that_of_a_provider():
    plan = Plan(
        [
            spec("provider", provides={"x"}, when="n == 1"),
            spec("child", requires={"x"}, when="n == 2"),
            spec("waits", requires={"x"}),
            spec("last", priority=9),
        ]
    )
    plan.handle(known(n=1), RunOpened(), PoolHasRoom(1))
    plan.handle(raised("provider"), PoolHasRoom(0))

    plan.handle(TaskChanged(plan.named("child").number), TaskChanged(plan.named("provider").number), known(True, n=1))

    assert plan.run_out() == ["provider", "waits", "last"]
    assert plan.how("child") == ("skipped", "skip")
