"""A run in the formats of other tools: what they read agrees with what the journal says."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from pexen_state.subresults import tap
from tests.cli.box import Box

HOSTILE = "</script>]]>\x00\x1b[31m=cmd|'/C calc'!A0 <b>&amp; \u202e \udc80 # SKIP | `x` @you ::error::x"

SCRIPTS = {
    "net/pass": "exit 0",
    "net/parts": "pexen result one pass; pexen result two fail --note 'no # link'; exit 0",
    "net/deep/fail": "echo '</system-out>'; printf 'a\\000\\033[31mred\\n'; exit 1",
    "net/deep/skip": "exit 77",
    "error": "exit 99",
    "slow": "sleep 30",
    "warns": "pexen result x warn",
    "not_run": "exit 0",
    "flaky": 'test -e "$PEXEN_DATA/was" || { : > "$PEXEN_DATA/was"; exit 1; }',
}


@pytest.fixture
def run(box: Box) -> Box:
    """A run with every verdict that a run by itself may have."""
    box.file(
        "suite/pexen.toml",
        '[run]\njournal = "../.pexen/journal.db"\n[tasks.slow]\ntimeout = "1s"\nprovides = ["slow"]\n'
        '[tasks.not_run]\nrequires = ["slow"]\n[tasks.flaky]\nretries = 1\n',
    )
    for name, script in SCRIPTS.items():
        box.script(f"suite/{name}", script)
    done = box.pexen("run", "suite")
    assert done.code == 1, done.err
    return box


def verdicts(box: Box) -> dict[str, str]:
    return dict(box.sql("SELECT task, verdict FROM tasks"))


def test_junit_has_a_case_for_each_task_and_counts_them_right(run: Box):
    assert run.pexen("report", "--junit", "out.xml").code == 0
    root = ElementTree.parse(run.directory / "out.xml").getroot()

    cases = {}
    for suite in root:
        directory = suite.get("name", "").partition("/")[2]
        for case in suite.iter("testcase"):
            words = [child.tag for child in case if child.tag != "system-out"]
            cases["/".join(filter(None, (directory, case.get("name"))))] = words
        kinds = [child.tag for case in suite.iter("testcase") for child in case]
        assert int(suite.get("tests", "")) == len(list(suite.iter("testcase")))
        assert int(suite.get("failures", "")) == kinds.count("failure")
        assert int(suite.get("errors", "")) == kinds.count("error")
        assert int(suite.get("skipped", "")) == kinds.count("skipped")
    assert cases == {
        "net/pass": [],
        "net/parts": ["failure"],
        "net/deep/fail": ["failure"],
        "net/deep/skip": ["skipped"],
        "error": ["error"],
        "slow": ["error"],
        "warns": [],
        "not_run": ["skipped"],
        "flaky": ["flakyFailure"],
    }
    said = "".join(root.itertext())
    assert "</system-out>" in said
    assert "\\x00\\x1b[31mred" in said
    assert "fail two: no # link" in said


def test_tap_is_read_back_with_the_same_verdicts(run: Box):
    out = run.pexen("report", "--tap", "-").out

    found = {one.name: one.verdict.word for one in tap.results(out.splitlines())}

    wanted = {
        key: {"warn": "pass", "not_run": "skip", "error": "fail", "timeout": "fail"}.get(verdict, verdict)
        for key, verdict in verdicts(run).items()
    }
    assert {key: verdict for key, verdict in found.items() if key in wanted} == wanted
    assert set(found) - set(wanted) == {"net/parts/one", "net/parts/two", "warns/x", "slow/evidence"}
    assert found["net/parts/two"] == "fail"


def test_json_lines_have_an_end_mark_that_counts_them(run: Box):
    lines = [json.loads(line) for line in run.pexen("report", "--jsonl", "-").lines]

    counts = dict(run.sql("SELECT verdict, count(*) FROM tasks GROUP BY verdict"))
    end = {"schema": 1, "type": "end", "run": 1, "runs": [1], "events": len(lines) - 1}
    assert lines[-1] == {**end, "tasks": len(SCRIPTS), "verdicts": counts}
    ended = {line["task"]: line["verdict"] for line in lines if line["type"] == "result"}
    assert ended == {task: verdict for task, verdict in verdicts(run).items() if verdict != "not_run"} | {
        task: verdict for task, verdict in ended.items() if verdict == "not_run"
    }


def test_markdown_says_what_is_wrong_first(run: Box):
    out = run.pexen("report", "--md", "-").out

    headings = [line for line in out.splitlines() if line.startswith("### ")]
    assert headings[0].startswith("### timeout: slow")
    assert "### fail: net/deep/fail" in headings
    rows = [line.split(" | ")[1] for line in out.splitlines() if line.startswith("| ") and "verdict" not in line]
    assert sorted(row.replace("\\", "") for row in rows) == sorted(SCRIPTS)


def test_several_are_written_at_once_and_a_file_is_complete_or_not_there(run: Box):
    assert run.pexen("report", "--junit", "a.xml", "--md", "a.md", "--tap", "a.tap", "--jsonl", "a.jsonl").code == 0
    assert all((run.directory / name).stat().st_size for name in ("a.xml", "a.md", "a.tap", "a.jsonl"))
    assert not list(run.directory.glob(".report-*"))

    nowhere = run.pexen("report", "--md", "none/a.md")
    nothing = run.pexen("report")
    twice = run.pexen("report", "--md", "-", "--tap", "-")
    a_task = run.pexen("report", "slow", "--md", "-")

    assert [one.code for one in (nowhere, nothing, twice, a_task)] == [2, 2, 2, 2]
    assert "none/a.md cannot be written: No such file or directory" in nowhere.err
    assert "as what? --junit FILE" in nothing.err


def test_no_report_takes_the_place_of_the_journal_or_of_another_one(box: Box):
    box.script("suite/a")
    assert box.pexen("run", "suite").code == 0
    journal = box.directory / ".pexen/journal.db"
    os.link(journal, box.directory / "linked.db")
    (box.directory / "link.xml").symlink_to(".pexen/journal.db")
    (box.directory / "other.xml").symlink_to("a.xml")

    for file in (
        ".pexen/journal.db",
        ".pexen/../.pexen/journal.db-wal",
        ".pexen/journal.db.lock",
        "linked.db",
        "link.xml",
    ):
        for verb in (["report"], ["run", "suite"], ["rerun"]):
            done = box.pexen(*verb, "--tap", "/dev/null", "--junit", file)
            assert done.code == 2, (verb, file)
            assert f"{file} belongs to the journal" in done.err
            assert done.err.rstrip().endswith("Name another file.")
    same = box.pexen("report", "--junit", "a.xml", "--tap", "other.xml")

    assert same.code == 2
    assert "--junit and --tap are to be the same file, other.xml. Name one for each." in same.err
    assert box.sql("SELECT count(*) FROM runs") == [(1,)]
    assert box.pexen("report", "--junit", "/dev/null", "--tap", "/dev/null", "--md", "-").code == 0


def test_hostile_text_stays_text_in_every_format(box: Box, tmp_path: Path):
    line = {"name": HOSTILE.replace("\x00", "").replace("\udc80", ""), "cmd": "exit 1"}
    box.file("s.jsonl", f"{json.dumps(line)}\n")
    box.pexen("run", "s.jsonl", "--name", "x")

    junit, tapped, markdown = (box.pexen("report", option, "-").out for option in ("--junit", "--tap", "--md"))

    (case,) = ElementTree.fromstring(junit.encode()).iter("testcase")
    assert case.get("name", "").endswith(HOSTILE.rpartition("/")[2][-5:])
    assert all(ord(char) >= 32 or char == "\n" for char in junit + tapped + markdown)
    points = list(tap.results(tapped.splitlines()))
    assert [one.verdict.word for one in points] == ["fail"]
    assert "<b>" not in markdown.replace("\\<", "")
    assert not [line for line in (*tapped.splitlines(), *markdown.splitlines()) if line.lstrip().startswith("::")]
