"""Tables are aligned, CSV and JSON are what other programs read, and no cell steers a terminal."""

from __future__ import annotations

import csv
import json

import pytest

from pexen_state.report.style import PLAIN, Style, count, duration, took
from pexen_state.report.tables import csv_lines, document, narrowed, table, wide

ROWS = [(1, "net/dhcp", 2.5, None), (12, "fs", None, b"\x01\xff"), (3, "evil\x1b[2J\n::error::x", 0.1, None)]


def test_a_table_is_aligned_with_numbers_to_the_right():
    lines = list(table(["run", "task", "seconds", "blob"], ROWS))

    assert lines[0] == "run  task                     seconds  blob"
    assert lines[1] == "  1  net/dhcp                     2.5"
    assert lines[2] == " 12  fs                                01ff"
    assert lines[3] == "  3  evil\\x1b[2J\\n::error::x      0.1"


def test_a_table_without_rows_still_says_its_columns():
    assert list(table(["id", "name"], [])) == ["id  name"]


def test_csv_can_be_read_back():
    lines = csv_lines(["a", "b"], [(1, 'say "x", y'), (0.1234567890123, None)])

    assert list(csv.reader(lines)) == [["a", "b"], ["1", 'say "x", y'], ["0.1234567890123", ""]]


def test_json_is_exact_ascii_and_says_its_schema():
    text = document(rows=[["\x1b\x7f\udcff\u202e", b"\x00"]])

    assert text.isascii()
    assert all(char.isprintable() or char == "\n" for char in text)
    assert json.loads(text) == {"schema": 1, "rows": [["\x1b\x7f\udcff\u202e", "00"]]}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0s"),
        (9.9, "9.9s"),
        (9.96, "10s"),
        (59.6, "1m"),
        (3600, "1h"),
        (252, "4m12s"),
        (3780, "1h03m"),
        (187200, "2d04h"),
    ],
)
def test_spans_are_written_for_people(seconds: float, words: str):
    assert duration(seconds) == words


def test_what_a_task_took_is_as_wide_as_a_column():
    assert [took(None), took(2.1), took(999.99), took(5000)] == ["      -", "  2.10s", "999.99s", "  1h23m"]


def test_words_say_all_without_colours():
    assert PLAIN.word("fail") == "FAIL   "
    assert Style(True).word("fail") == "\x1b[1;31mFAIL   \x1b[0m"
    assert count(1, "task") == "1 task"
    assert count(0, "task") == "0 tasks"


def test_a_table_for_a_terminal_is_as_wide_as_that_and_the_longest_text_gives_way():
    rows = [("net/dhcp/renew/address", 12345678901, "dhclient: no lease after two seconds"), ("fs", 1, "")]

    shown = list(table(["task", "number", "reason"], rows, 50))

    assert shown == [
        "task                    number  reason",
        "net/dhcp/renew...  12345678901  dhclient: no l...",
        "fs                           1",
    ]


def test_a_table_that_is_for_nobody_in_front_of_a_terminal_is_whole():
    (_, line) = table(["a", "b"], [("x" * 5000, "end")])

    assert line == f"{'x' * 5000}  end"


def test_one_very_long_cell_does_not_blow_all_others_up():
    lines = list(table(["a", "b"], [("x" * 100_000, 1), *[("y", 2)] * 100]))

    assert max(map(len, lines[2:])) < 300


def test_a_terminal_too_narrow_for_so_many_columns_breaks_the_lines_itself():
    (_, line) = table(list("abcd"), [["x" * 20] * 4], 10)

    assert line == "  ".join(["xxxxx..."] * 4)


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("日本", 4), ("é", 1), ("e\u0301", 1), ("\u200d", 0), ("ｱ", 1), ("", 0)]
)
def test_a_text_takes_so_many_columns_of_a_terminal(text: str, columns: int):
    assert wide(text) == columns


def test_columns_are_aligned_by_what_a_terminal_shows():
    lines = list(table(["task", "verdict"], [("日本語", "pass"), ("abc", "fail")]))

    assert lines == ["task    verdict", "日本語  pass", "abc     fail"]
    assert narrowed("日本語日本語", 8) == "日本..."
    assert narrowed("abcdef", 2) == ".."


def test_numbers_without_an_end_are_json_all_the_same():
    text = document(rows=[[float("inf"), -float("inf"), "Infinity"]], key=float("inf"))

    assert "Infinity" not in text.replace('"Infinity"', "")
    assert json.loads(text) == {
        "schema": 1,
        "rows": [[float("inf"), -float("inf"), "Infinity"]],
        "key": float("inf"),
    }
