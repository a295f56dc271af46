"""Run again what failed until nothing fails: `show` tells how the suite stands, and of which run each verdict is."""

from __future__ import annotations

import pytest

from tests.cli.box import Box


@pytest.fixture
def until_green(box: Box) -> Box:
    """Run 1 passes one of four, run 2 one more, run 3 the rest but one, which did not run there."""
    box.file(
        "s.jobs",
        '{"name": "good", "cmd": "true"}\n'
        '{"name": "first", "cmd": "test -e one"}\n'
        '{"name": "second", "cmd": "test -e two", "provides": ["second"]}\n'
        '{"name": "behind", "cmd": "true", "requires": ["second"]}\n',
    )
    assert box.pexen("run", "s.jobs", "-j1").code == 1
    box.file("one", "")
    assert box.pexen("rerun", "--failed").code == 1
    box.file("two", "")
    assert box.pexen("rerun", "--failed").code == 0
    return box


def rows(box: Box, *words: str) -> dict[str, tuple[int, str]]:
    return {task["task"]: (task["run"], task["verdict"]) for task in box.json("show", *words)["tasks"]}


def test_of_each_task_the_newest_verdict_counts(until_green: Box):
    assert rows(until_green, "1") == {
        "good": (1, "pass"),
        "first": (1, "fail"),
        "second": (1, "fail"),
        "behind": (1, "not_run"),
    }
    assert rows(until_green, "3") == {
        "good": (1, "pass"),
        "first": (2, "pass"),
        "second": (3, "pass"),
        "behind": (1, "not_run"),
    }
    assert rows(until_green, "3", "--only") == {"second": (3, "pass")}
    assert until_green.json("show", "3")["runs"] == [1, 2, 3]


def test_it_is_told_which_runs_they_are(until_green: Box):
    lines = until_green.pexen("show", "3").lines

    assert "  merged    runs 1, 2 and 3: the newest verdict of each task; 4 tasks: 3 pass, 1 not run" in lines
    assert [line.split()[3:] for line in lines if line.startswith("  PASS")] == [
        ["good", "in", "run", "1"],
        ["first", "in", "run", "2"],
        ["second"],
    ]
    assert "  runs again what failed in run 2" in lines
    for words in (["3", "--only"], ["1"]):
        lines = until_green.pexen("show", *words).lines
        assert not [line for line in lines if "merged" in line or line.endswith("  in run 1")]


def test_a_task_that_was_kept_from_running_keeps_the_verdict_that_it_had(until_green: Box):
    (until_green.directory / "two").unlink()
    assert until_green.pexen("rerun", "1").code == 1

    assert rows(until_green, "4", "--only")["behind"] == (4, "not_run")
    assert rows(until_green, "4")["behind"] == (4, "not_run")  # it never had one
    until_green.file("two", "")
    assert until_green.pexen("rerun", "4").code == 0
    (until_green.directory / "two").unlink()
    assert until_green.pexen("rerun", "5").code == 1
    assert rows(until_green, "6") == {
        "good": (6, "pass"),
        "first": (6, "pass"),
        "second": (6, "fail"),
        "behind": (5, "pass"),
    }


def test_a_rerun_whose_first_run_is_gone_stands_alone(until_green: Box):
    until_green.file("other.jobs", "other: true\n")
    assert until_green.pexen("db", "prune", "--keep", "1").code == 0

    assert rows(until_green, "3") == {"second": (3, "pass")}
    assert until_green.pexen("report", "3", "--tap", "-").lines[1:3] == ["1..1", "ok 1 - second"]
