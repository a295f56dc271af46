"""The check before a run: what could never run, even if nothing fails, and what to say of it."""

from __future__ import annotations

from pexen_state.core.check import (
    Findings,
    Missing,
    Rehearsal,
    both_used_and_claimed,
    check_dependencies,
    required_names,
    unused_names,
)
from pexen_state.core.spec import TaskSpec
from tests.stories import spec


def found(*specs: TaskSpec) -> Findings:
    findings = check_dependencies(specs)
    assert findings is not None
    return findings


def test_tasks_that_can_run_are_fine() -> None:
    assert check_dependencies([]) is None
    assert (
        check_dependencies(
            [
                spec("c", requires={"y"}, requires_all={"x"}, after=["*"]),
                spec("b", requires={"x"}, provides={"y"}),
                spec("a", provides={"x"}),
            ]
        )
        is None
    )


def test_a_missing_name_is_found_with_one_that_requires_it_and_a_name_that_is_like_it() -> None:
    findings = found(spec("start_db", provides={"database"}), spec("login", requires={"datbase"}))

    assert findings.remain == ("datbase",)
    assert findings.missing == (Missing("datbase", "login", "database", "start_db"),)
    assert findings.circle == ()


def test_a_missing_name_that_is_like_no_other_has_no_hint() -> None:
    findings = found(spec("a", requires=[7, "x"]), spec("b", provides={"other"}))

    assert findings.missing == (Missing(7, "a", None, None), Missing("x", "a", None, None))


def test_what_lies_behind_a_missing_name_remains_but_is_not_missing() -> None:
    findings = found(spec("a", requires={"x"}, provides={"y"}), spec("b", requires_all={"y"}), spec("c", after=["*"]))

    assert findings.remain == ("x", "y")
    assert [missing.name for missing in findings.missing] == ["x"]


def test_a_circle_is_shown_as_it_goes_round() -> None:
    findings = found(
        spec("before", requires={"a"}),
        spec("a", requires={"c"}, provides={"a"}),
        spec("b", requires={"a"}, provides={"b"}),
        spec("c", requires_all={"b"}, provides={"c"}),
    )

    assert findings.circle == ("a", "c", "b", "a")
    assert findings.missing == ()
    assert set(findings.remain) == {"a", "b", "c"}


def test_a_task_that_requires_what_it_alone_provides_is_a_circle_of_one() -> None:
    assert found(spec("a", requires={"x"}, provides={"x"})).circle == ("a", "a")


def test_a_circle_of_order_alone_is_named_by_its_globs() -> None:
    findings = found(spec("net/a", after=["fs/*"]), spec("fs/a", after=["net/*"]))

    assert findings.circle == ("net/a", "fs/a", "net/a")
    assert findings.remain == ("fs/*", "net/*")


def test_another_provider_opens_a_circle() -> None:
    assert (
        check_dependencies(
            [
                spec("a", requires={"x"}, provides={"y"}),
                spec("b", requires={"y"}, provides={"x"}),
                spec("c", provides={"x"}),
            ]
        )
        is None
    )


def test_who_always_runs_may_require_what_nobody_provides() -> None:
    assert check_dependencies([spec("cleanup", requires={"nothing"}, always=True)]) is None


def test_a_provided_name_that_nobody_requires_is_told_once() -> None:
    specs = [
        spec("a", provides={"x"}),
        spec("b", provides={"x"}),
        spec("c", provides={"y"}, requires_all={"z"}),
        spec("d", provides={"z"}),
    ]

    assert list(unused_names(specs, set(required_names(specs)))) == [("x", "a"), ("y", "c")]


def test_a_lock_that_a_task_both_uses_and_claims_is_found_whatever_way_it_is_written() -> None:
    assert both_used_and_claimed(spec("a", uses={1, 2, 3}, claims={2, 3, 4})) == {2, 3}
    assert both_used_and_claimed(spec("a", uses={"/a/b"}, claims={"/a//b/"})) == {"/a/b"}
    assert both_used_and_claimed(spec("a", uses={"/a"}, claims={"/a/b"})) == set()
    assert both_used_and_claimed(spec("a", uses={1})) == set()


def test_tasks_may_become_known_one_by_one() -> None:
    rehearsal = Rehearsal()

    assert rehearsal.add([spec("a", provides={"x"})])
    assert rehearsal.add([spec("b", requires_all={"x"}), spec("c", after={"d"})])
    assert rehearsal.add([spec("d", provides={"x"})]), "those that ran before wait for it, and run again"
    assert not rehearsal.add([spec("e", requires={"y"})])
    assert rehearsal.add([spec("f", requires={"x"}, provides={"y"})])
