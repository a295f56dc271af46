"""A run as lines: for pipes, logs, dumb terminals and CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from pexen_state.core.states import Verdict
from pexen_state.report.display import Ended, Past, Progress, Running, Summary
from pexen_state.report.display.entries import WHOLE_BYTES
from tests.report.stage import Result, Sheet, Stage, header


def output(tmp_path: Path, data: bytes) -> str:
    file = tmp_path / "output.log"
    file.write_bytes(data)
    return str(file)


def test_every_result_is_a_line_with_a_counter_and_a_failure_has_the_end_of_its_output(tmp_path: Path):
    stage = Stage()
    display = stage.display()
    display.header(header())
    display.result(Result("net/a"))
    printed = output(tmp_path, b"".join(b"line %d\n" % number for number in range(30)))
    display.result(Result("net/b", "fail", attempt=2, reason="exit 1", seconds=2.1, output=printed))

    first, passed, failed, *tail = stage.out.lines
    assert first == ("pexen 1.0  run 12  suite nightly  3 tasks  4 workers  timeout 1h  journal .pexen/journal.db")
    assert passed == "  PASS    [  0.50s] 1/3 net/a"
    assert failed == "  FAIL    [  2.10s] 2/3 net/b  attempt 2  exit 1  pexen logs net/b"
    assert tail == [f"         | line {number}" for number in range(10, 30)]


def test_what_an_earlier_session_has_shown_is_only_counted():
    stage = Stage()
    display = stage.display()
    display.header(header())
    display.result(Result("a", "fail", replayed=True))
    display.result(Result("b"))

    assert [line for line in stage.out.lines if "/3 " in line] == ["  PASS    [  0.50s] 2/3 b"]


def test_quiet_is_what_is_wrong_and_the_summary():
    stage = Stage()
    display = stage.display(quiet=True)
    display.header(header())
    display.result(Result("a"))
    display.result(Result("b", "warn"))
    display.result(Result("c", "timeout", reason="over its time limit of 1s"))
    stage.now += 1000
    display.pulse()
    display.summary(Summary(12, [Ended("a", Verdict.PASS, None, False, True)], 1.0))

    assert stage.out.lines[0] == "  TIMEOUT [  0.50s] 3/3 c  over its time limit of 1s"
    assert stage.out.lines[1:] == ["", "run 12: 1 task: 1 pass; in 1.0s", "See all of it: pexen show 12"]


def test_a_quiet_terminal_has_no_bar():
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display(quiet=True)
    display.header(header())
    stage.now += 1
    display.pulse()
    display.close()

    assert stage.out.text == ""


@pytest.mark.parametrize(
    "environ",
    [{"TERM": "dumb"}, {}, {"TERM": "xterm", "CI": "true"}, {"TERM": "xterm", "CI": "1"}],
    ids=["dumb", "no TERM", "CI", "CI=1"],
)
def test_a_terminal_that_cannot_be_written_over_gets_lines(environ: dict[str, str]):
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display(environ=environ)
    display.header(header())
    display.result(Result("a"))
    display.close()

    assert stage.out.lines[1] == "  PASS    [  0.50s] 1/3 a"
    assert "\x1b" not in stage.out.text


def test_a_heartbeat_after_a_minute_of_silence_says_what_it_is_at():
    stage = Stage()
    display = stage.display()
    display.header(header(214))
    display.result(Result("a"))
    display.result(Result("b", "fail"))
    stage.progress = Progress(96, (Running("storage/raid", 67.0), Running("net/b", 1.0)), 2)
    said = len(stage.out.lines)
    for _ in range(59):
        stage.now += 1
        display.pulse()
    assert stage.out.lines[said:] == []

    for _ in range(61):
        stage.now += 1
        display.pulse()

    assert stage.out.lines[said:] == ["  ...     118/214  1 pass 1 fail  2 running, storage/raid for 1m07s"] * 2
    assert stage.out.seen == stage.out.text


def test_a_heartbeat_says_so_when_nothing_runs():
    stage = Stage()
    display = stage.display()
    display.header(header(2))
    stage.progress = Progress(2)
    stage.now += 60
    display.pulse()

    assert stage.out.lines[-1] == "  ...     0/2  nothing runs, 2 tasks left"


def test_a_task_over_twice_its_usual_time_is_named_once():
    stage = Stage()
    display = stage.display(past=Past({"raid": 21.0, "quick": 0.1, "long": 600.0}, ["raid", "quick", "long"]))
    display.header(header())
    for seconds in (9.0, 41.0, 43.0, 50.0):
        stage.progress = Progress(3, (Running("long", seconds), Running("raid", seconds), Running("new", seconds)), 3)
        stage.now += 1
        display.pulse()

    assert stage.out.lines[1:] == ["  SLOW    [>43.0s ] raid   usually 21s"]


def test_a_fast_task_is_not_slow_before_anybody_would_wait_for_it():
    stage = Stage()
    display = stage.display(past=Past({"quick": 0.1}, ["quick"]))
    display.header(header())
    for seconds in (9.9, 10.0):
        stage.progress = Progress(1, (Running("quick", seconds),), 1)
        stage.now += 1
        display.pulse()

    assert stage.out.lines[1:] == ["  SLOW    [>10.0s ] quick   usually 0.1s"]


def test_lines_are_flushed_ten_times_a_second_and_not_one_by_one():
    stage = Stage()
    display = stage.display()
    display.header(header(5000))
    before = stage.out.flushes
    for number in range(5000):
        stage.now += 0.0002
        display.result(Result(f"t{number}"))
        display.pulse()
    assert stage.out.flushes - before <= 11
    assert stage.looked <= 1

    stage.now += 0.2
    display.pulse()

    assert stage.out.seen.count("PASS") == 5000


def test_what_is_said_goes_to_the_other_stream_with_the_next_result_or_pulse_and_safe():
    stage = Stage()
    display = stage.display()
    display.say("pexen: interrupted")
    assert stage.err.text == ""

    display.pulse()
    display.say("pexen: warning: \x1b[2J::x\nnext")
    display.result(Result("a"))
    display.say("pexen: at the end")
    display.close()
    display.close()

    assert stage.err.lines == [
        "pexen: interrupted",
        "pexen: warning: \\x1b[2J::x\\nnext",
        "pexen: at the end",
    ]
    assert stage.err.seen == stage.err.text


def test_show_output_all_shows_what_passed_and_none_shows_nothing(tmp_path: Path):
    printed = output(tmp_path, b"hello\n\x1b[31m::error::x\rover\n")
    shown = {}
    for how in ("all", "none", "failed"):
        stage = Stage()
        display = stage.display(show_output=how)
        display.header(header())
        display.result(Result("a", output=printed))
        display.result(Result("b", "fail", output=printed))
        display.close()
        shown[how] = stage.out.lines[1:]

    tail = ["         | hello", "         | \\::error::x", "         | over"]
    passed = "  PASS    [  0.50s] 1/3 a"
    failed = "  FAIL    [  0.50s] 2/3 b"
    assert shown["all"] == [passed, *tail, f"{failed}  pexen logs b", *tail]
    assert shown["failed"] == [passed, f"{failed}  pexen logs b", *tail]
    assert shown["none"] == [passed, f"{failed}  pexen logs b"]


def test_the_whole_output_has_an_end_and_says_where_the_rest_is(tmp_path: Path):
    printed = output(tmp_path, b"first\n" + b"x" * WHOLE_BYTES + b"\nlast\n")
    stage = Stage()
    display = stage.display(show_output="all")
    display.header(header())
    display.result(Result("a b", output=printed))
    display.close()

    _, _, note, long, last = stage.out.lines
    assert note == "         | ... 12 bytes before this are left out: pexen logs 'a b' --all"
    assert long.endswith("more characters)")
    assert last == "         | last"
    assert len(stage.out.text) < 10_000


def test_colours_are_only_there_when_they_are_asked_for():
    for colour in (True, False):
        stage = Stage()
        display = stage.display(colour=colour)
        display.header(header())
        display.result(Result("a", "fail"))
        assert ("\x1b[1;31mFAIL   \x1b[0m" in stage.out.text) is colour
        assert ("\x1b" in stage.out.text) is colour
