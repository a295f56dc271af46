"""Damaged journals: a few of those that scripts/damage makes by the thousand, and one that SQLite would make worse."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.box import Box
from tests.crash.damage import Place
from tests.crash.sessions import Nursery

SEEDS = range(0, 2000, 125)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with Nursery() as nursery:
        yield Place(nursery, tmp_path_factory.mktemp("damaged"))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_journal_is_refused_or_used_and_never_believed_more_than_the_witness(place: Place, seed: int) -> None:
    found = place.try_seed(seed)

    assert found.wrong == (), found


def test_a_damaged_value_that_no_verb_expects_is_told_as_damage(place: Place) -> None:
    found = place.try_seed(235)  # what looks like rows of another table stands where the runs are

    assert found.wrong == ()
    assert found.codes[1] == 3


def test_a_time_that_no_clock_has_shown_is_told_as_damage(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.file("a.jobs", "true\n")
    assert box.pexen("run", "a.jobs").code == 0
    with closing(sqlite3.connect(box.journal)) as connection, connection:
        connection.execute("UPDATE transition SET at_us = at_us | (1 << 60) WHERE seq = 2")

    for words in (("events", "latest"), ("report", "--jsonl", "-")):
        refused = box.pexen(*words)
        assert refused.code == 3
        assert "is damaged (1 of at_us in the table transition can be no time)" in refused.err


@pytest.mark.parametrize("words", [("runs",), ("resume",), ("run", "a.jobs"), ("db", "check"), ("db", "upgrade")])
def test_a_journal_that_lost_all_but_its_log_keeps_that(tmp_path: Path, words: tuple[str, ...]) -> None:
    box = Box(tmp_path)
    box.file("a.jobs", "true\n")
    assert box.pexen("run", "a.jobs").code == 0
    box.file(".pexen/journal.db", "")
    log = box.file(".pexen/journal.db-wal", b"what was committed last")

    refused = box.pexen(*words)

    assert refused.code == 3
    assert "is damaged (it is empty, and what is in its -wal file belongs to what it was)" in refused.err
    assert log.read_bytes() == b"what was committed last"
    assert box.journal.read_bytes() == b""
