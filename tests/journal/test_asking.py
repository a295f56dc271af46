"""A person's own question: what it may be, what its parameters are, and what is said of one that cannot be asked."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from pexen_state.journal.asking.question import BadQuestion, ask, number_or_text
from pexen_state.journal.queries import NotFound
from pexen_state.journal.reader import reader
from tests.journal.telling import Runner
from tests.stories import returned, spec


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Runs 1 and 3 of `nightly`, run 2 of `weekly`."""
    runner = Runner(tmp_path / "journal.db")
    for name in ("nightly", "weekly", "nightly"):
        runner.begin(spec("first"), spec("second"), name=name)
        runner.turn(returned("first"))
        runner.journal.end_session("stopped")
    runner.close(None)
    with reader(tmp_path / "journal.db") as connection:
        yield connection


def test_an_answer_has_columns_and_rows(journal: sqlite3.Connection) -> None:
    found = ask(journal, "SELECT task, verdict FROM tasks WHERE run = 1 ORDER BY number", {})

    assert found.columns == ["task", "verdict"]
    assert found.rows == [("first", "pass"), ("second", None)]


@pytest.mark.parametrize(
    ("said", "run"), [({}, 3), ({"run": "2"}, 2), ({"run": "latest-1"}, 2), ({"run": "weekly"}, 2)]
)
def test_run_is_any_run_and_the_latest_if_nobody_says(
    journal: sqlite3.Connection, said: dict[str, str], run: int
) -> None:
    assert ask(journal, "SELECT :run", said).rows == [(run,)]


@pytest.mark.parametrize(
    ("said", "suite"), [({}, "nightly"), ({"run": "2"}, "weekly"), ({"suite": "any"}, "any"), ({"suite": "7"}, "7")]
)
def test_suite_is_that_of_the_run_if_nobody_says(journal: sqlite3.Connection, said: dict[str, str], suite: str) -> None:
    assert ask(journal, "SELECT :suite", said).rows == [(suite,)]


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("2.5", 2.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("net/dns", "net/dns"),
        ("", ""),
        ("1.2.3", "1.2.3"),
        ("0x10", "0x10"),
        ("nan", "nan"),
        ("9" * 30, "9" * 30),
    ],
)
def test_a_value_that_looks_like_a_number_is_one(said: str, value: object) -> None:
    found = number_or_text(said)

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("query", "said", "told"),
    [
        ("SELECT :task", {}, "the question needs a value for :task: add -p task=VALUE."),
        ("SELECT :task", {"tsk": "a", "task": "b"}, "has no parameter :tsk. Did you mean 'task'? It has: :task."),
        ("SELECT 1", {"run": "2"}, "the question has no parameter :run."),
        ("SELECT ?", {}, "a parameter needs a name: write :name for it in place of ?"),
        ("SELECT 1; SELECT 2", {}, "only one statement can be asked at a time: leave out what follows the first `;`."),
        ("DELETE FROM task", {}, "`pexen sql` only reads: that would write to the journal. Begin it with SELECT."),
        ("PRAGMA user_version = 3", {}, "`pexen sql` only reads"),
        ("PRAGMA journal_mode = delete", {}, "`pexen sql` only reads"),
        ("pragma main.Journal_Mode(DELETE)", {}, "`pexen sql` only reads"),
        ("PRAGMA locking_mode = exclusive", {}, "`pexen sql` only reads"),
        ("BEGIN", {}, "that is no question: `pexen sql` only reads, and only the journal."),
        ("VACUUM", {}, "`pexen sql` only reads"),
        ("", {}, "that is no question: it has no rows. Begin it with SELECT."),
        ("-- only a comment", {}, "that is no question: it has no rows."),
        ("SELECT FROM", {}, 'near "FROM": syntax error'),
        ("SELECT 'unended", {}, "unrecognized token"),
        ("SELECT 1 \0", {}, "null character"),
        ("SELECT no_such(1)", {}, "no such function: no_such"),
        ("SELECT * FROM taks", {}, "no such table: taks. Did you mean 'tasks'? There are: attempts, facts, results, "),
        ("SELECT t.verdct FROM tasks AS t", {}, "no such column: t.verdct. Did you mean 'verdict'?"),
    ],
)
def test_what_cannot_be_asked_is_told_with_the_way_out(
    journal: sqlite3.Connection, query: str, said: dict[str, str], told: str
) -> None:
    with pytest.raises(BadQuestion) as caught:
        ask(journal, query, said)

    assert told in str(caught.value)


def test_a_run_that_is_not_there_is_told_as_everywhere(journal: sqlite3.Connection) -> None:
    with pytest.raises(NotFound, match="the journal has no run 7"):
        ask(journal, "SELECT :run", {"run": "7"})


@pytest.mark.parametrize("query", ["ATTACH ? AS other", "VACUUM INTO ?"])
def test_no_question_makes_a_file(journal: sqlite3.Connection, tmp_path: Path, query: str) -> None:
    with pytest.raises(BadQuestion, match="only reads, and only the journal"):
        ask(journal, query.replace("?", f"'{tmp_path}/other.db'"), {})

    assert not os.path.exists(tmp_path / "other.db")


def test_what_sqlite_itself_offers_can_be_asked(journal: sqlite3.Connection) -> None:
    assert ("task",) in ask(journal, "SELECT name FROM pragma_table_info('tasks')", {}).rows
    assert ask(journal, "SELECT value FROM json_each('[1, 2]')", {}).rows == [(1,), (2,)]
    assert ask(journal, "EXPLAIN QUERY PLAN SELECT * FROM tasks WHERE run = 1", {}).rows
    assert ask(journal, "VALUES (1), (2)", {}).rows == [(1,), (2,)]


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def test_a_question_without_an_end_is_ended_by_ctrl_c(journal: sqlite3.Connection) -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)  # as Ctrl-C does it
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            ask(journal, ENDLESS, {})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert ask(journal, "SELECT 1", {}).rows == [(1,)]
