"""Two runs, task by task: what is worse, what is better, and what is no difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from pexen_state.journal.asking.comparing import Change, Kind, Result, compare, difference
from pexen_state.journal.reader import reader
from tests.journal.telling import Runner, change
from tests.stories import asserted, failed, raised, returned, spec


def result(verdict: str | None, seconds: float | None = 0.1, flaky: bool = False) -> Result:
    return Result("task", verdict, "running" if verdict is None else "succeeded", flaky, seconds, 1, None)


def kinds(before: Result | None, after: Result | None, is_partial: bool = False) -> list[Kind]:
    first = {} if before is None else {"task": before}
    second = {} if after is None else {"task": after}
    changes, _, _ = compare(first, second, is_partial)
    return [kind for kind, those in changes.items() if those]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("pass", "fail", Kind.NEWLY_FAILED),
        ("skip", "crash", Kind.NEWLY_FAILED),
        ("not_run", "error", Kind.NEWLY_FAILED),
        ("fail", "pass", Kind.FIXED),
        ("timeout", "warn", Kind.FIXED),
        ("pass", "not_run", Kind.NOT_RUN),
        ("fail", "not_run", Kind.NOT_RUN),
        ("pass", "warn", Kind.CHANGED),
        ("fail", "timeout", Kind.CHANGED),
        ("fail", "skip", Kind.CHANGED),
        ("not_run", "pass", Kind.CHANGED),
    ],
)
def test_a_verdict_that_changed_is_of_one_kind(before: str, after: str, kind: Kind) -> None:
    assert kinds(result(before), result(after)) == [kind]


def test_what_did_not_change_is_only_counted() -> None:
    before = {key: result(verdict) for key, verdict in (("a", "pass"), ("b", "fail"), ("c", "not_run"))}

    changes, same, still_bad = compare(before, before, False)

    assert not any(changes.values())
    assert (same, still_bad) == (3, 1)


def test_tasks_that_only_one_run_has_are_new_or_gone() -> None:
    assert kinds(None, result("pass")) == [Kind.NEW]
    assert kinds(None, result("fail")) == [Kind.NEWLY_FAILED]
    assert kinds(result("fail"), None) == [Kind.GONE]
    assert kinds(result("pass"), None, is_partial=True) == []


def test_a_task_that_has_not_ended_is_no_difference_yet() -> None:
    assert kinds(result("pass"), result(None)) == []
    assert kinds(result(None), result("pass")) == []
    assert kinds(None, result(None)) == []
    assert compare({"task": result(None)}, {"task": result("pass")}, False)[1:] == (0, 0)


def test_a_task_that_needed_more_attempts_is_told_besides() -> None:
    assert kinds(result("pass"), result("pass", flaky=True)) == [Kind.FLAKY]
    assert kinds(result("fail"), result("pass", flaky=True)) == [Kind.FIXED, Kind.FLAKY]
    assert kinds(result("pass", flaky=True), result("pass", flaky=True)) == []


@pytest.mark.parametrize(
    ("before", "after", "is_slower"),
    [(1.0, 2.0, True), (1.0, 1.9, False), (0.1, 0.9, False), (0.1, 1.1, True), (9.0, 10.5, False), (None, 5.0, False)],
)
def test_slower_is_twice_as_long_and_a_second_more(before: float | None, after: float, is_slower: bool) -> None:
    assert kinds(result("pass", before), result("pass", after)) == [Kind.SLOWER] * is_slower


def test_how_long_it_takes_to_fail_says_nothing() -> None:
    assert kinds(result("fail", 1.0), result("fail", 60.0)) == []


def test_changes_come_in_the_order_of_the_second_run_and_what_is_gone_last() -> None:
    before = {key: result("pass") for key in ("x", "a", "b", "y")}
    after = {key: result("fail") for key in ("b", "new", "a")}

    changes, _, _ = compare(before, after, False)

    assert [one.task for one in changes[Kind.NEWLY_FAILED]] == ["b", "new", "a"]
    assert [one.task for one in changes[Kind.GONE]] == ["x", "y"]


def test_two_runs_of_a_journal_are_compared(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "journal.db")
    runner.begin(spec("breaks"), spec("heals"), spec("stays"), spec("gone"), room=4)
    runner.turn(returned("breaks"), failed("heals"), raised("stays"), returned("gone"))
    runner.journal.end_session("stopped")
    runner.begin(spec("breaks"), spec("heals"), spec("stays"), spec("waits"), room=3)
    runner.turn(asserted("breaks"), returned("heals"), raised("stays"))
    runner.close()

    with reader(tmp_path / "journal.db") as connection:
        found = difference(connection, 1, 2)
        back = difference(connection, 2, 1)

    assert {kind: [one.task for one in those] for kind, those in found.changes.items() if those} == {
        Kind.NEWLY_FAILED: ["breaks"],
        Kind.FIXED: ["heals"],
        Kind.GONE: ["gone"],
    }
    assert isinstance(found.changes[Kind.FIXED][0], Change)
    assert (found.same, found.still_bad, found.without, found.is_worse) == (1, 1, (0, 1), True)
    assert [one.task for one in back.changes[Kind.NEWLY_FAILED]] == ["heals"]
    assert [one.task for one in back.changes[Kind.NEW]] == ["gone"]


def test_a_run_of_some_tasks_again_does_not_make_the_others_gone(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "journal.db")
    for tasks in (["a", "b"], ["a"]):
        runner.begin(*map(spec, tasks), room=2)
        runner.turn(*map(returned, tasks))
        runner.journal.end_session("stopped")
    runner.close(None)
    change(tmp_path / "journal.db", "UPDATE run SET parent = 1 WHERE id = 2")

    with reader(tmp_path / "journal.db") as connection:
        if "parent" not in [column[1] for column in connection.execute("PRAGMA table_info(runs)")]:
            pytest.skip("the view runs has no column parent")
        found = difference(connection, 1, 2)

    assert found.is_partial
    assert not found.is_worse
