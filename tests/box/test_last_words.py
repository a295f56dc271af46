"""What a kernel left before it went down, and whom it named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pexen_state.box.last_words import Named, Words, kept_panics, last_words, named_in_trouble

PANIC = """<4>[  101.1] pexen: run 3 fs/one attempt 1 begins
<4>[  101.2] CPU: 0 PID: 11 Comm: innocent Not tainted 6.1.0
<1>[  102.0] BUG: kernel NULL pointer dereference, address: 0000000000000000
<4>[  102.1] CPU: 0 PID: 77 Comm: resize Tainted: G 6.1.0
<4>[  102.2] CPU: 1 PID: 78 UID: 0 Comm: kworker/1:2 Not tainted 6.12.0
"""


@pytest.fixture
def journalctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes the command of that name say something."""

    def say(text: str, status: int = 0) -> None:
        directory = tmp_path / "bin"
        directory.mkdir(exist_ok=True)
        (directory / "said").write_text(text)
        command = directory / "journalctl"
        command.write_text(f'#!/bin/sh\ncat "{directory}/said"\nexit {status}\n')
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")

    say("", 1)
    return say


def test_panics_that_were_kept_since_are_read_and_older_ones_are_not(tmp_path: Path, journalctl):
    store, stores = tmp_path / "pstore" / "1700000000", [tmp_path / "pstore", tmp_path / "none"]
    store.mkdir(parents=True)
    (store / "dmesg-efi-0").write_text("of another crash")
    known = kept_panics(stores)
    (store / "dmesg-efi-1").write_text(PANIC)
    os.utime(store / "dmesg-efi-1", (1000, 1000))  # the clock had been set back
    found = last_words(known, stores)

    assert found == [Words(str(store / "dmesg-efi-1"), PANIC)]


def test_a_panic_that_took_the_place_of_an_older_one_is_read(tmp_path: Path, journalctl):
    place = tmp_path / "dmesg-erst-1"
    place.write_text("of another crash")
    known = kept_panics([tmp_path])
    place.write_text(PANIC)

    assert [words.text for words in last_words(known, [tmp_path])] == [PANIC]


def test_where_nobody_noted_what_there_was_no_panic_is_taken_for_that_of_this_crash(tmp_path: Path, journalctl):
    (tmp_path / "dmesg-efi-1").write_text(PANIC)

    assert last_words(None, [tmp_path]) == []


def test_the_log_of_the_last_boot_is_read_if_somebody_kept_it(journalctl):
    journalctl("[  101.1] box kernel: Oops: 0002 [#1]\n")

    assert [words.source for words in last_words((), [])] == ["the kernel's log of the last boot"]
    journalctl("Data from the specified boot (-1) is not available", 1)
    assert last_words((), []) == []


def test_who_is_named_in_or_after_trouble():
    assert named_in_trouble([Words("a panic", PANIC)]) == [Named(77, "resize"), Named(78, "kworker/1:2")]
    assert named_in_trouble([Words("a log", "[  102.0] box kernel: Oops: 0\n[1] box kernel: PID: 5 Comm: dd x\n")]) == [
        Named(5, "dd")
    ]


def test_nobody_is_named_where_there_was_no_trouble():
    assert named_in_trouble([Words("a log", "[1.0] box kernel: CPU: 0 PID: 5 Comm: dd\n")]) == []
