"""Reports that are written while a run goes on: complete at any instant, whatever ends the runner."""

from __future__ import annotations

import json
import os
import signal
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from pexen_state.report.formats.kinds import KINDS
from tests.cli.box import Box

ALL = [word for kind in KINDS for word in (f"--{kind}", f"out.{kind}")]


def cases(file: Path) -> dict[str, list[str]]:
    """By name, what the JUnit file says beside the output: tag, or type."""
    root = ElementTree.parse(file).getroot()
    return {
        case.get("name", ""): [child.get("type") or child.tag for child in case if child.tag != "system-out"]
        for case in root.iter("testcase")
    }


def until_it_says(file: Path, wanted: dict[str, list[str]]) -> None:
    until = time.monotonic() + 60
    while not file.exists() or cases(file) != wanted:
        assert time.monotonic() < until, file.exists() and cases(file)
        time.sleep(0.02)


def as_reported(box: Box, kind: str, *words: str) -> bytes:
    assert box.pexen("report", f"--{kind}", f"again.{kind}", *words).code == 0
    return (box.directory / f"again.{kind}").read_bytes()


def test_a_run_leaves_what_pexen_report_would_write(box: Box):
    box.file("s.jobs", "one: echo hello\ntwo: false\n")

    done = box.pexen("run", "s.jobs", *ALL)

    assert (done.code, done.err) == (1, "")
    for kind in KINDS:
        assert (box.directory / f"out.{kind}").read_bytes() == as_reported(box, kind), kind
    assert not list(box.directory.glob(".report-*"))


def test_it_is_there_while_the_run_goes_on_complete_after_a_kill_and_goes_on_with_the_resume(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"one: true\ntwo: test -e again || {gate.wait}\nthree: true\n")
    file = box.directory / "deep/out.xml"
    file.parent.mkdir()

    with box.started("run", "s.jobs", "-j1", "--junit", "deep/out.xml") as run:
        gate.reached()
        until_it_says(file, {"one": [], "two": ["unfinished"], "three": ["unfinished"]})
        file.unlink()
        run.signal(signal.SIGKILL)
        run.process.wait()
    until_it_says(file, {"one": [], "two": ["unfinished"], "three": ["unfinished"]})
    gate.path.unlink()  # and not opened: what the keeper has not killed yet must not go on
    box.file("again", "")

    assert box.pexen("resume", cwd="deep").code == 0
    assert cases(file) == {"one": [], "two": [], "three": []}


def test_whoever_is_in_the_middle_of_a_report_is_never_seen(box: Box):
    box.file("s.jobs", "one: true\n")
    (box.directory / "out.junit").write_text("old")
    (box.directory / "link").symlink_to("out.junit")

    with (box.directory / "out.junit").open() as old:
        assert box.pexen("run", "s.jobs", "--junit", "link").code == 0
        assert old.read() == "old"  # another file has taken its place
    assert (box.directory / "link").is_symlink()
    assert cases(box.directory / "out.junit") == {"one": []}


def test_what_is_no_file_is_written_to_and_stays_what_it_is(box: Box):
    box.file("s.jobs", "one: true\n")
    pipe = box.directory / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        assert box.pexen("run", "s.jobs", "--tap", "pipe").code == 0
        assert os.read(end, 1 << 16).startswith(b"TAP version 14\n1..1\nok 1 - one\n")
    finally:
        os.close(end)
    assert pipe.is_fifo()


def test_the_suite_may_say_it_and_what_is_typed_comes_first(box: Box):
    box.script("suite/one")
    box.file("suite/pexen.toml", '[run]\njunit = "../said.xml"\nmd = "said.md"\n')

    assert box.pexen("run", "suite", "--junit", "typed.xml").code == 0

    assert cases(box.directory / "typed.xml") == {"one": []}
    assert (box.directory / "suite/said.md").read_text().startswith("## ")
    assert not (box.directory / "said.xml").exists()


def test_a_rerun_writes_one_report_of_the_newest_verdict_of_each_task(box: Box):
    box.file("s.jobs", "one: true\ntwo: test -e fixed\nthree: false\n")
    assert box.pexen("run", "s.jobs", "-j1", "--junit", "out.xml").code == 1
    file = box.directory / "out.xml"
    assert cases(file) == {"one": [], "two": ["fail"], "three": ["fail"]}
    box.file("fixed", "")

    assert box.pexen("rerun", "--failed").code == 1

    # Surefire's words: it failed before, and passed or failed again.
    assert cases(file) == {"one": [], "two": ["fail"], "three": ["fail", "fail"]}
    kinds = [child.tag for case in ElementTree.parse(file).getroot().iter("testcase") for child in case]
    assert kinds == ["flakyFailure", "failure", "rerunFailure"]
    (merged,) = {one.get("value") for one in ElementTree.parse(file).iter("property") if one.get("name") == "merged"}
    assert merged == "runs 1 and 2: the newest verdict of each task"
    assert file.read_bytes() == as_reported(box, "junit")
    as_reported(box, "junit", "--only")
    assert cases(box.directory / "again.junit") == {"two": [], "three": ["fail"]}


def test_a_report_that_cannot_be_written_is_said_and_no_fault_of_the_run(box: Box):
    box.file("s.jobs", "one: true\n")

    nowhere = box.pexen("run", "s.jobs", "--junit", "nowhere/out.xml", "--md", "out.md")
    refused = [box.pexen("run", "s.jobs", "--junit", word) for word in ("-", "")]

    assert nowhere.code == 0
    assert nowhere.err == (
        f"pexen: warning: {box.directory}/nowhere/out.xml cannot be written: No such file or directory\n"
    )
    assert (box.directory / "out.md").exists()
    assert [one.code for one in refused] == [2, 2]
    assert "--junit: a run writes into a file. `pexen report --junit -` prints it afterwards." in refused[0].err


def test_the_summary_of_a_step_is_added_to(box: Box):
    box.file("s.jobs", "one: true\n")
    summary = box.file("summary.md", "What the step before it said.\n")
    environment = {"GITHUB_STEP_SUMMARY": str(summary)}

    assert box.pexen("run", "s.jobs", "--md", str(summary), env=environment).code == 0
    assert box.pexen("report", "--md", "summary.md", env=environment).code == 0

    assert summary.read_text() == "What the step before it said.\n" + 2 * as_reported(box, "md").decode()


def test_a_summary_that_is_too_long_is_cut_at_a_line(box: Box):
    box.file("s.jobs", "".join(f"{number}: false\n" for number in range(20)))
    full = (1 << 20) - 1000
    summary = box.file("summary.md", b"x" * full)

    assert box.pexen("run", "s.jobs", "--md", str(summary), env={"GITHUB_STEP_SUMMARY": str(summary)}).code == 1

    text = summary.read_bytes()[full:].decode()
    assert 900 < len(text) <= 1000
    assert text.endswith("\n\nThe rest does not fit into the summary of a step.\n")


@pytest.mark.parametrize("name", ["json.py", "sqlite3.py", "pexen_state.py"])
def test_modules_of_the_suite_are_not_taken_for_ours(box: Box, name: str):
    box.file("s.jobs", "one: true\n")
    box.file(f"mine/{name}", "raise SystemExit('not this one')\n")

    words = ["run", "../s.jobs", "--jsonl", "out.jsonl", "-e", "PYTHONPATH=."]
    done = box.pexen(*words, cwd="mine", env={"PYTHONSAFEPATH": "1"})  # for the command itself

    assert (done.code, done.err) == (0, "")
    lines = [json.loads(line) for line in (box.directory / "mine/out.jsonl").read_text().splitlines()]
    assert lines[-1]["verdicts"] == {"pass": 1}


def test_an_interrupted_run_has_a_report_of_what_it_did(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"one: true\ntwo: {gate.wait}\n")
    with box.started("run", "s.jobs", "-j1", "--junit", "out.xml") as run:
        gate.reached()
        run.signal(signal.SIGTERM)
        assert run.ended().code == 4
    assert cases(box.directory / "out.xml") == {"one": [], "two": ["unfinished"]}


def test_who_writes_them_may_be_killed_and_the_run_goes_on(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"one: {gate.wait}\n")
    with box.started("run", "s.jobs", "--junit", "out.xml") as run:
        gate.reached()
        until_it_says(box.directory / "out.xml", {"one": ["unfinished"]})
        (writer,) = [
            int(pid)
            for pid in Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
            if b"formats.beside" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(writer, signal.SIGKILL)
        gate.let_go()
        done = run.ended()
    assert done.code == 0
    assert done.err == "pexen: warning: the reports may not be complete: who wrote them was killed\n"
    assert cases(box.directory / "out.xml") == {"one": ["unfinished"]}
