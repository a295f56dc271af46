"""A run in the journal of systemd: the same lines, each to be found by the fields of its entry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pexen_state.box.journald import Journald
from pexen_state.core.states import Verdict
from pexen_state.report.display import Display, Ended, Looks, Progress, Running, Summary
from pexen_state.report.display.journald import JournaldLines
from pexen_state.report.display.pace import Pace
from pexen_state.report.style import Style
from tests.datagrams import Listener, listening
from tests.report.stage import Result, Stage, header


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Listener]:
    with listening(tmp_path / "journal") as found:
        yield found


def display(stage: Stage, daemon: Listener) -> Display:
    looks = Looks(Style(False), "pexen")
    return JournaldLines(
        Journald(daemon.address),
        stage.out,
        stage.err,
        looks,
        lambda: stage.progress,
        Pace({}, (), 1),
        lambda: stage.now,
    )


def test_a_result_is_one_entry_with_the_run_the_task_and_the_end_of_its_output(daemon: Listener, tmp_path: Path):
    stage = Stage()
    shown = display(stage, daemon)
    (tmp_path / "output").write_bytes(b"dhclient: no lease\n\x1b[31mred\n")
    shown.header(header())
    shown.result(Result("net/a"))
    shown.result(Result("net/b\nPRIORITY=0", "fail", 2, "exit 1", 2.1, str(tmp_path / "output")))
    shown.result(Result("net/c", "warn"))
    shown.close()

    first, passed, failed, warned = daemon.entries()
    assert first["MESSAGE"].startswith("pexen 1.0  run 12  suite nightly")
    assert (first["PEXEN_RUN"], first["PEXEN_SUITE"]) == ("12", "nightly")
    assert passed == {
        "MESSAGE": "PASS    [  0.50s] 1/3 net/a",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "pexen",
        "PEXEN_RUN": "12",
        "PEXEN_SUITE": "nightly",
        "PEXEN_TASK": "net/a",
        "PEXEN_VERDICT": "pass",
        "PEXEN_ATTEMPT": "1",
    }
    assert (failed["PRIORITY"], failed["PEXEN_VERDICT"], failed["PEXEN_ATTEMPT"]) == ("3", "fail", "2")
    assert "\n" not in failed["PEXEN_TASK"]
    _, *output = failed["MESSAGE"].split("\n")
    assert output[0] == "         | dhclient: no lease"
    assert "\x1b" not in failed["MESSAGE"]
    assert warned["PRIORITY"] == "4"
    assert stage.out.text == ""


def test_what_runs_for_a_while_has_an_entry_that_says_so_once(daemon: Listener):
    stage = Stage()
    shown = display(stage, daemon)
    shown.header(header())
    daemon.entries()
    stage.progress = Progress(3, (Running("raid/rebuild", 1.5),), 1)
    for _ in range(5):
        stage.now += 1
        shown.pulse()

    assert [(one["MESSAGE"], one["PEXEN_TASK"]) for one in daemon.entries()] == [("runs raid/rebuild", "raid/rebuild")]
    shown.result(Result("raid/rebuild", "crash"))
    stage.now += 1
    shown.pulse()
    shown.close()
    assert [one["PEXEN_TASK"] for one in daemon.entries()] == ["raid/rebuild"] * 2  # its result, and the next attempt


def test_sentences_and_the_summary_are_entries_too(daemon: Listener):
    stage = Stage()
    shown = display(stage, daemon)
    shown.header(header())
    shown.say("pexen: asked to end: stopping what runs.")
    shown.summary(Summary(12, [Ended("a", Verdict.PASS, None, False, True)], 1.0))
    shown.close()

    _, said, counts, *_ = daemon.entries()
    assert said["MESSAGE"] == "pexen: asked to end: stopping what runs."
    assert (counts["MESSAGE"], counts["PEXEN_RUN"]) == ("run 12: 1 task: 1 pass; in 1.0s", "12")


def test_what_the_journal_does_not_take_is_printed_as_ever(daemon: Listener):
    stage = Stage()
    shown = display(stage, daemon)
    shown.header(header())
    daemon.close()
    shown.result(Result("net/a"))
    shown.say("pexen: hello")
    shown.close()

    assert stage.out.lines == ["  PASS    [  0.50s] 1/3 net/a", "pexen: hello"]
