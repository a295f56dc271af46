"""Saved queries: those that ship with pexen, and a person's own beside the journal."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from pexen_state.journal.asking.question import ask
from pexen_state.journal.asking.saved import NotSaved, every, is_name, named
from pexen_state.journal.reader import reader
from tests.journal.telling import write_run


@pytest.fixture
def journal(tmp_path: Path) -> str:
    path = tmp_path / "journal.db"
    write_run(path)
    (tmp_path / "queries").mkdir()
    return str(path)


def own(journal: str, name: str, text: str | bytes) -> Path:
    path = Path(journal).parent / "queries" / f"{name}.sql"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("name", [one.name for one in every(None)])
def test_every_shipped_query_says_what_it_answers_and_can_be_asked(journal: str, name: str) -> None:
    saved = named(name, None)
    needs = {"task": "first"} if ":task" in saved.text else {}
    with reader(journal) as connection:
        found = ask(connection, saved.text, {**saved.defaults, **needs})

    assert saved.answers
    assert len(found.columns) == len(set(found.columns)) > 1


def test_only_the_views_are_asked_by_what_ships() -> None:
    for saved in every(None):
        for line in saved.text.splitlines():
            assert not {"run", "task", "session", "attempt", "transition"} & set(_sources(line)), saved.name


def _sources(line: str) -> list[str]:
    words = line.replace("(", " ").replace(",", " ").split()
    return [after for before, after in pairwise(words) if before in ("FROM", "JOIN")]


def test_the_first_comment_line_is_what_it_answers_and_others_may_give_defaults(journal: str) -> None:
    own(journal, "mine", "\n-- What I ask\n-- :last = 5\n--  :word=two words \n-- more about it\nSELECT :last, :word\n")

    saved = named("mine", journal)

    assert (saved.answers, saved.defaults, saved.is_own) == ("What I ask", {"last": "5", "word": "two words"}, True)
    with reader(journal) as connection:
        assert ask(connection, saved.text, saved.defaults).rows == [(5, "two words")]


def test_ones_own_win_over_what_ships(journal: str) -> None:
    own(journal, "failed", "SELECT 1")

    assert named("failed", None).answers == "What failed in a run, and why"
    assert named("failed", journal).text == "SELECT 1"
    assert [one.is_own for one in every(journal) if one.name == "failed"] == [True]
    assert len(every(journal)) == len(every(None))


def test_files_that_are_none_are_left_out(journal: str) -> None:
    for name in ("with space", "-l", ".hidden", "caf\udce9"):
        own(journal, name, "SELECT 1")
    (Path(journal).parent / "queries" / "notes.txt").write_text("SELECT 1")

    assert not [one for one in every(journal) if one.is_own]


@pytest.mark.parametrize(
    ("word", "is_one"),
    [("failed", True), ("not-run", True), ("my_query.2", True), ("SELECT 1", False), ("-", False), ("", False)],
)
def test_a_word_may_be_a_name(word: str, is_one: bool) -> None:
    assert is_name(word) == is_one


def test_a_name_that_nobody_saved_is_told_with_what_is_near(journal: str) -> None:
    own(journal, "kernel-taints", "SELECT 1")

    with pytest.raises(NotSaved, match=r"no query is saved as 'faild'\. Did you mean 'failed'\? `pexen sql -l` lists"):
        named("faild", journal)
    with pytest.raises(NotSaved, match="Did you mean 'kernel-taints'"):
        named("kernel-taint", journal)


def test_a_file_that_cannot_be_read_is_told_by_its_name(journal: str) -> None:
    bad = own(journal, "bad", b"-- what\nSELECT '\xff'")
    own(journal, "big", b" " * ((1 << 20) + 1))
    gone = own(journal, "gone", "")
    gone.unlink()
    os.symlink("nowhere", gone)

    with pytest.raises(NotSaved, match=f"the saved query {bad} is no UTF-8 text: line 2. Save it as UTF-8."):
        named("bad", journal)
    with pytest.raises(NotSaved, match="is longer than a MiB"):
        named("big", journal)
    with pytest.raises(NotSaved, match="cannot be read: No such file or directory"):
        named("gone", journal)
