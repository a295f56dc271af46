"""Whatever a task says, a terminal is not steered by it, and nobody's CI system takes it for a command."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.report.text import cut, safe, safe_line, safe_lines, tail, tail_of_file


def is_harmless(text: str) -> bool:
    return (
        all(unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") for char in text)
        and not any(char in text for char in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\ufeff")
        and not text.lstrip().startswith("::")
        and "##[" not in text
        and "##vso[" not in text
    )


@given(st.text(st.characters()) | st.binary())
def test_anything_becomes_one_harmless_line_that_can_be_written_as_utf8(said: str | bytes):
    shown = safe(said)

    assert is_harmless(shown)
    shown.encode("utf-8")


@given(st.binary())
def test_lines_of_output_are_harmless_but_for_their_tabs(data: bytes):
    for line in safe_lines(data):
        assert is_harmless(line.replace("\t", ""))


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])).filter(lambda s: ":" not in s and "#" not in s))
def test_plain_text_of_any_script_stays_as_it_is(said: str):
    assert safe(said) == said
    assert safe_line(said) == said


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("caf\udce9", "caf\\udce9"),
        (b"caf\xe9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("abc\u202etxt.exe", "abc\\u202etxt.exe"),
        ("::error::no", "\\::error::no"),
        ("  ::set-output", "  \\::set-output"),
        ("##vso[task.complete]", "#\\#vso[task.complete]"),
        ("\U000e0041", "\\U000e0041"),
        ("👩‍💻", "👩‍💻"),
    ],
)
def test_what_is_not_safe_in_a_name_is_shown_as_an_escape(said: str | bytes, shown: str):
    assert safe(said) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"\x1b[1;31mFAIL\x1b[0m\tx", "FAIL\tx"),
        (b"\x1b]0;new title\x07after", "after"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1b[2Jtorn \x1b[", "torn \\x1b["),
        (b"\x1b[31m::error::still none", "\\::error::still none"),
        (b"nul \x00 here", "nul \\x00 here"),
    ],
)
def test_colours_are_left_out_of_output_and_the_rest_is_shown(said: bytes, shown: str):
    assert safe_line(said) == shown


def test_a_carriage_return_ends_a_line_so_that_nothing_is_written_over():
    assert list(safe_lines(b"password: \rno password\r\nend")) == ["password: ", "no password", "end"]


def test_a_sequence_over_two_lines_cannot_swallow_what_is_between():
    assert list(safe_lines(b"\x1b]0;open\nFAIL: hidden\n\x07")) == ["\\x1b]0;open", "FAIL: hidden", "\\x07"]


def test_the_tail_has_the_last_lines_and_no_empty_ones():
    data = b"".join(b"line %d\n\n" % number for number in range(100))

    assert tail(data, lines=3) == ["line 97", "line 98", "line 99"]


def test_the_tail_of_a_long_file_does_not_begin_within_a_line(tmp_path: Path):
    file = tmp_path / "output.log"
    file.write_bytes(b"".join(b"%06d %s\n" % (number, b"x" * 5000) for number in range(40)))

    lines = tail_of_file(str(file))

    assert len(lines) == 13
    assert all(line[:6].isdigit() for line in lines)
    assert lines[-1].startswith("000039 ")


def test_one_line_of_a_mebibyte_is_cut(tmp_path: Path):
    file = tmp_path / "output.log"
    file.write_bytes(b"y" * 1_000_000)

    (line,) = tail_of_file(str(file))

    assert line.startswith("yyy")
    assert line.endswith("more characters)")
    assert len(line) < 600


def test_a_file_that_is_not_there_has_no_tail(tmp_path: Path):
    assert tail_of_file(str(tmp_path / "none")) == []


def test_cut_leaves_short_lines_alone():
    assert cut("short") == "short"
