"""A run on a terminal: what scrolls, what stands below it, and that nothing is left behind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pexen_state.core.states import Verdict
from pexen_state.report.display import Ended, Past, Progress, Running, Summary
from pexen_state.report.display.live import middle
from tests.report.stage import Result, Screen, Sheet, Stage, header, terminal

LONG = "suite/storage/raid/a-directory-with-a-long-name/another-one/rebuild-of-all-the-disks-there-are"


@pytest.mark.parametrize("columns", [80, 200])
def test_failures_scroll_above_a_bar_and_what_runs(columns: int, tmp_path: Path):
    file = tmp_path / "output.log"
    file.write_bytes(b"dhclient: no lease after 2 s\n")
    with terminal(columns) as resize:
        stage = Stage(resize(columns, 24))
        display = stage.display()
        display.header(header(214, before=("run 11 of this suite was unfinished; it is superseded.",)))
        display.result(Result("net/a"))
        display.result(Result("net/dhcp/renew", "fail", reason="exit 1", seconds=2.1, output=str(file)))
        display.result(Result("fs/ext4/resize", "warn", reason="fragmented", seconds=12.03))
        stage.progress = Progress(211, (Running(LONG, 67.0), Running("net/b", 1.0)), 2)
        stage.now += 252
        display.pulse()
        screen = Screen(columns).feed(stage.out.text)

    *above, bar, first, second = screen.lines
    text = "\n".join(above)
    assert "PASS" not in text
    assert "FAIL    [  2.10s] net/dhcp/renew  exit 1  pexen logs net/dhcp/renew" in text
    assert "         | dhclient: no lease after 2 s" in text
    assert "WARN    [ 12.03s] fs/ext4/resize  fragmented" in text
    assert "run 11 of this suite was unfinished; it is superseded." in text
    assert bar.endswith("  3/214  1 pass 1 fail 1 warn   4:12")
    assert bar.startswith("  ╸  ")
    assert first == f"     1:07  {LONG if columns == 200 else middle(LONG, 68, '…')}"
    assert second == "     0:01  net/b"
    assert all(len(line) < columns for line in (bar, first, second))
    assert screen.is_cursor_shown


def test_the_header_is_wrapped_between_its_facts():
    with terminal(60) as resize:
        stage = Stage(resize(60, 24))
        stage.display().header(header(214))

    assert Screen(60).feed(stage.out.text).lines[:2] == [
        "pexen 1.0  run 12  suite nightly  214 tasks  4 workers",
        "  timeout 1h  journal .pexen/journal.db",
    ]


def test_the_time_left_is_said_when_enough_is_known():
    keys = [f"t{number}" for number in range(10)]
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display(past=Past(dict.fromkeys(keys, 60.0), keys, workers=2))
    display.header(header(10))
    stage.progress = Progress(10, (Running("t0", 30.0),), 1)
    display.pulse()

    bar, running = stage.shown()
    assert bar.endswith("  0/10   0:00, about 4:45 left")
    assert running == "     0:30  t0   usually 1m"


def test_what_passed_is_shown_to_who_asks_for_it():
    for options in ({"verbose": True}, {"show_output": "all"}):
        stage = Stage(Sheet(is_terminal=True))
        display = stage.display(**options)
        display.header(header())
        display.result(Result("a"))
        display.close()
        assert stage.shown()[0] == "  PASS    [  0.50s] a"


def test_frames_are_ten_a_second_and_results_are_never_left_out():
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display()
    display.header(header(5000))
    stage.progress = Progress(100, (Running("a", 1.0),), 1)
    writes = stage.out.writes
    for number in range(5000):
        stage.now += 0.0002
        display.result(Result(f"t{number}", "warn"))
        display.pulse()
    assert stage.looked <= 11
    assert stage.out.writes - writes == stage.looked

    display.close()

    shown = [line.split()[-1] for line in Screen(80).feed(stage.out.text).lines if "WARN" in line]
    assert shown == [f"t{number}" for number in range(5000)]


def test_what_earlier_sessions_left_is_counted_before_the_first_frame():
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display()
    display.header(header(45))

    for number in range(22):
        stage.progress = Progress(45 - number - 1)  # the plan is as far as what it was told again
        stage.now += 1
        display.result(Result(f"t{number}", replayed=True))
    assert stage.looked == 0
    display.pulse()

    (bar,) = stage.shown()
    assert bar.lstrip("━╸ ").startswith("22/45  22 pass")


def test_a_slow_terminal_is_given_fewer_frames():
    class Slow(Sheet):
        def write(self, text: str) -> None:
            super().write(text)
            stage.now += 0.05

    stage = Stage(Slow(is_terminal=True))
    display = stage.display()
    display.header(header())
    began_at = stage.now
    while stage.now < began_at + 10:
        stage.now += 0.01
        display.pulse()

    assert 0.05 * stage.looked <= 0.11 * 10


def test_a_pulse_that_comes_too_early_neither_looks_nor_writes():
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display()
    display.header(header())
    display.pulse()
    looked, writes = stage.looked, stage.out.writes
    for _ in range(1000):
        display.pulse()

    assert (stage.looked, stage.out.writes) == (looked, writes)


def test_results_that_wait_for_a_frame_do_not_fill_the_memory(tmp_path: Path):
    file = tmp_path / "output.log"
    file.write_bytes(b"x" * 80 + b"\n" + b"y\n" * 500_000)
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display(show_output="all")
    display.header(header())
    display.pulse()
    display.result(Result("a", output=str(file)))

    assert stage.out.text.count("| y") == 500_000


def test_no_thread_is_started():
    before = threading.active_count()
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display()
    display.header(header())
    display.pulse()

    assert threading.active_count() == before


def test_closing_leaves_no_bar_and_a_cursor_whatever_happened_before():
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display()
    display.close()  # before there was anything
    display.header(header())
    stage.progress = Progress(3, (Running("a", 1.0),), 1)
    display.result(Result("a", "fail"))
    stage.now += 1
    display.pulse()
    display.result(Result("b", "fail"))
    display.close()
    display.close()

    assert stage.shown() == ["  FAIL    [  0.50s] a", "  FAIL    [  0.50s] b", ""]
    assert Screen(80).feed(stage.out.text).is_cursor_shown
    Screen(80).feed(display.restore.decode())


def test_a_look_that_fails_still_leaves_the_terminal_in_order():
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display()
    display.header(header())
    display.pulse()
    stage.breaks = True
    stage.now += 1
    with pytest.raises(RuntimeError):
        display.pulse()
    display.close()

    assert stage.shown() == [""]


def test_the_summary_takes_the_place_of_the_bar():
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display()
    display.header(header())
    display.pulse()
    display.summary(Summary(12, [Ended("a", Verdict.PASS, None, False, True)], 1.0))
    display.close()

    assert stage.shown() == [
        "",
        "run 12: 1 task: 1 pass; in 1.0s",
        "See all of it: pexen show 12",
        "",
    ]


def test_a_resized_terminal_gets_frames_of_its_new_size():
    with terminal(200) as resize:
        stage = Stage(resize(200, 24))
        display = stage.display()
        display.header(header())
        stage.progress = Progress(3, tuple(Running(f"{LONG}/{number}", 1.0) for number in range(8)), 8)
        display.pulse()
        wide = len(stage.out.text)
        resize(40, 6)
        stage.now += 1
        display.pulse()
        narrow = stage.out.text[wide:].rpartition("\r")[2].rpartition("\x1b[2K")[2]

    lines = narrow.split("\n")
    assert len(lines) == 5
    assert all(len(line) < 40 for line in lines)
    assert lines[1].startswith("     0:01  suite/")
    assert lines[1].endswith("are/0")


def test_a_terminal_without_utf_8_gets_ascii():
    stage = Stage(Sheet(is_terminal=True, encoding="ANSI_X3.4-1968"))
    display = stage.display()
    display.header(header(4))
    stage.progress = Progress(2, (Running(LONG, 1.0),), 1)
    display.pulse()

    assert stage.out.text.isascii()
    bar, running = stage.shown()
    assert bar == "  ===============>--------------  2/4   0:00"
    assert "..." in running


def test_without_colours_there_is_no_colour_and_with_them_there_is():
    for colour in (False, True):
        stage = Stage(Sheet(is_terminal=True))
        display = stage.display(colour=colour)
        display.header(header())
        display.result(Result("a", "fail"))
        stage.progress = Progress(2, (Running("b", 1.0),), 1)
        stage.now += 1
        display.pulse()
        assert ("\x1b[1;31m" in stage.out.text) is colour
        assert any(f"\x1b[{code}m" in stage.out.text for code in ("1", "2", "32")) is colour


def test_what_is_said_stands_above_the_bar_or_in_the_file_that_it_is_led_to():
    together = Stage(Sheet(is_terminal=True), Sheet(is_terminal=True))
    apart = Stage(Sheet(is_terminal=True), Sheet())
    for stage in (together, apart):
        display = stage.display()
        display.header(header())
        display.pulse()
        display.say("pexen: interrupted\x1b[2J")
        stage.now += 0.1
        display.pulse()

    assert together.shown()[0] == "pexen: interrupted\\x1b[2J"
    assert together.err.text == ""
    assert apart.err.text == "pexen: interrupted\\x1b[2J\n"
    assert "interrupted" not in apart.out.text


def test_nothing_is_drawn_for_a_terminal_that_is_gone():
    stage = Stage(Sheet(is_terminal=True))
    display = stage.display()
    display.header(header())
    stage.out.is_gone = True
    stage.now += 1
    display.pulse()
    assert stage.looked == 0


@pytest.mark.parametrize(
    ("name", "columns", "shown"),
    [("short", 10, "short"), ("abcdefghij", 7, "abc…hij"), ("日本語日本語", 7, "日…本語"), ("abc", 2, "…c")],
)
def test_a_name_that_is_too_wide_lacks_its_middle(name: str, columns: int, shown: str):
    assert middle(name, columns, "…") == shown
