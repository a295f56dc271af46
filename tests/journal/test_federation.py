"""Several journals behind one connection: whose row is whose, and that none of them can be written to."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pexen_state.journal.asking.federation import TABLES, BadFederation, federation, names
from pexen_state.journal.asking.question import BadQuestion, ask
from pexen_state.journal.errors import JournalError, JournalMissing, JournalTooNew, NotAJournal
from pexen_state.journal.reader import reader
from pexen_state.journal.schema import metadata
from pexen_state.journal.views import VIEWS
from tests.journal.telling import change, write_run


@pytest.fixture
def journals(tmp_path: Path) -> list[str]:
    """Of two hosts; equal file names."""
    found = []
    for host in ("alpha", "beta"):
        (tmp_path / host).mkdir()
        path = tmp_path / host / "journal.db"
        write_run(path)
        change(path, "UPDATE session SET host = ?", host)
        found.append(str(path))
    return found


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["/a/one.db", "/a/two.db"], ["one.db", "two.db"]),
        (["/a/j.db", "/b/j.db"], ["a/j.db", "b/j.db"]),
        (["/a/x/j.db", "/b/x/j.db", "/c/k.db"], ["a/x/j.db", "b/x/j.db", "/c/k.db"]),
        (["/a/bad\udcff.db"], ["bad\\udcff.db"]),
    ],
)
def test_a_journal_is_called_by_as_much_of_its_path_as_is_its_own(paths: list[str], told: list[str]) -> None:
    assert names(paths) == told


def test_every_view_holds_the_rows_of_all_and_says_whose_they_are(journals: list[str]) -> None:
    with federation(journals) as connection:
        assert ask(connection, "SELECT journal, host, tasks FROM runs ORDER BY 1", {}, federated=True).rows == [
            ("alpha/journal.db", "alpha", 2),
            ("beta/journal.db", "beta", 2),
        ]
        for view in VIEWS:
            together = ask(connection, f"SELECT * FROM {view}", {}, federated=True)
            assert together.columns[0] == "journal"
            rows = []
            for name, path in zip(names(journals), journals, strict=True):
                with reader(path) as alone:
                    answer = ask(alone, f"SELECT * FROM {view}", {})
                assert together.columns[1:] == answer.columns
                rows += [(name, *row) for row in answer.rows]
            assert together.rows == rows


def test_a_table_holds_the_rows_of_all_too(journals: list[str]) -> None:
    with federation(journals) as connection:
        assert ask(connection, "SELECT count(*) FROM task", {}, federated=True).rows == [(4,)]
        assert ask(connection, "SELECT journal, key FROM task LIMIT 1", {}, federated=True).rows == [
            ("alpha/journal.db", "first")
        ]


def test_the_tables_are_those_of_the_schema() -> None:
    assert set(TABLES) == set(metadata.tables)


def test_nothing_that_a_file_calls_a_view_or_a_column_is_run(journals: list[str], tmp_path: Path) -> None:
    stolen = "(SELECT group_concat(key) FROM j2.task) AS name"
    for number, statements in enumerate(
        (
            ["DROP VIEW tasks", f'CREATE VIEW tasks AS SELECT 1 AS "{stolen}"', 'CREATE TABLE "we""ird" (a)'],
            [f'CREATE TABLE extra ("{stolen}")', "DROP VIEW runs", "CREATE VIEW runs AS SELECT 'no' AS state"],
        )
    ):
        hostile = str(tmp_path / f"hostile{number}.db")
        write_run(Path(hostile))
        for statement in statements:
            change(Path(hostile), statement)

        with federation([hostile, journals[0]]) as connection:
            found = ask(connection, "SELECT journal, task FROM tasks ORDER BY number, journal", {}, federated=True)
            states = ask(connection, "SELECT state FROM runs GROUP BY 1", {}, federated=True)
            with pytest.raises(BadQuestion, match=r"no such table: temp\.we"):
                ask(connection, 'SELECT * FROM temp."we""ird"', {}, federated=True)

        assert [row[1] for row in found.rows] == ["first", "first", "second", "second"]
        assert ("no",) not in states.rows


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (
            ['ALTER TABLE pruned ADD COLUMN "(SELECT group_concat(key) FROM j2.task) AS name"'],
            "the table pruned of {} is not one of pexen. It was changed by hand.",
        ),
        (["ALTER TABLE pruned ADD COLUMN mine"], "the table pruned has other columns in {} than in {other}."),
        (["DROP TABLE pruned", "CREATE VIEW pruned AS SELECT 1 AS id"], "the journal {} has no pruned."),
    ],
)
def test_a_table_that_is_not_ours_is_told(journals: list[str], statements: list[str], told: str) -> None:
    for statement in statements:
        change(Path(journals[1]), statement)

    with pytest.raises(JournalError) as caught, federation(journals):
        pass

    assert told.format(journals[1], other=journals[0]) in str(caught.value)


def test_rows_are_found_as_quickly_as_in_one_journal(journals: list[str]) -> None:
    with federation(journals) as connection:
        plan = connection.execute("EXPLAIN QUERY PLAN SELECT * FROM tasks WHERE run = 1").fetchall()

    assert not [row[3] for row in plan if row[3].startswith("SCAN")]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (
            "SELECT * FROM taks",
            "no such table: taks. Did you mean 'tasks'? There are: attempts, facts, ",
        ),
        ("SELECT jurnal FROM tasks", "no such column: jurnal. Did you mean 'journal'?"),
        ("DELETE FROM j1.task", "only reads"),
        ("CREATE TEMP TABLE mine (x)", "only reads"),
        ("DETACH j1", "only reads"),
        ("SELECT * FROM tasks WHERE run = :run", "add -p run=VALUE. Over several journals there is no latest run."),
        ("SELECT :task", "the question needs a value for :task: add -p task=VALUE."),
    ],
)
def test_what_cannot_be_asked_is_told(journals: list[str], query: str, told: str) -> None:
    with federation(journals) as connection, pytest.raises(BadQuestion) as caught:
        ask(connection, query, {}, federated=True)

    assert told in str(caught.value)


def test_values_are_given_as_to_one_journal(journals: list[str]) -> None:
    query = "SELECT journal, task FROM tasks WHERE run = :run AND task = :task"
    with federation(journals) as connection:
        found = ask(connection, query, {"run": "1", "task": "first"}, federated=True)

    assert found.rows == [("alpha/journal.db", "first"), ("beta/journal.db", "first")]


def test_ten_journals_can_be_asked_and_eleven_are_refused(tmp_path: Path) -> None:
    paths = []
    for number in range(11):
        paths.append(str(tmp_path / f"{number}.db"))
        write_run(paths[-1])

    with federation(paths[:10]) as connection:
        assert ask(connection, "SELECT count(DISTINCT journal) FROM tasks", {}, federated=True).rows == [(10,)]
    with (
        pytest.raises(
            BadFederation, match=r"11 journals were named, and SQLite takes 10 at a time\. Ask them in several"
        ),
        federation(paths),
    ):
        pass


def test_the_same_journal_by_two_names_is_told(journals: list[str], tmp_path: Path) -> None:
    os.symlink(journals[0], tmp_path / "link.db")

    with (
        pytest.raises(BadFederation, match=r"link.db and .* are the same journal. Name it once."),
        federation([journals[0], str(tmp_path / "link.db")]),
    ):
        pass


def test_journals_of_all_schemas_are_asked_together(journals: list[str], tmp_path: Path) -> None:
    fixtures = sorted((Path(__file__).parent / "fixtures").glob("journal-*.db"))
    written = [str(shutil.copy(one, tmp_path)) for one in fixtures]

    with federation([*journals, *written]) as connection:
        for name in [*VIEWS, *TABLES]:
            told = ask(connection, f"SELECT count(*) FROM {name}", {}, federated=True).rows[0][0]
            alone = []
            for path in [*journals, *written]:
                with reader(path) as one:
                    alone.append(one.execute(f"SELECT count(*) FROM {name}").fetchone()[0])
            assert told == sum(alone), name
        tags = "SELECT DISTINCT task, tags, group_name FROM tasks WHERE tags IS NOT NULL"
        assert ask(connection, tags, {}, federated=True).rows


def test_a_journal_that_cannot_be_read_is_told_by_its_name(journals: list[str], tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_bytes(b"dear diary, " * 1000)
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE recipes (name)").connection.close()
    write_run(tmp_path / "future.db")
    change(tmp_path / "future.db", "UPDATE alembic_version SET version_num = '9999'")
    cases: list[tuple[str, type[JournalError], str]] = [
        ("none.db", JournalMissing, "there is no journal"),
        ("letter.db", NotAJournal, "no SQLite database"),
        ("other.db", NotAJournal, "no journal of pexen"),
        ("future.db", JournalTooNew, "was written by a newer pexen"),
    ]
    for name, kind, told in cases:
        with pytest.raises(kind) as caught, federation([*journals, str(tmp_path / name)]):
            pass
        assert str(tmp_path / name) in str(caught.value)
        assert told in str(caught.value)


def test_journals_where_nothing_can_be_written_can_be_asked(journals: list[str], tmp_path: Path) -> None:
    code = """
import sys
from pexen_state.journal.asking.federation import federation
with federation(sys.argv[1:]) as connection:
    print(connection.execute("SELECT count(*) FROM tasks").fetchone()[0])
"""
    words = ["unshare", "-m", "sh", "-c", 'mount -o bind,ro "$0" "$0" && exec "$@"', str(tmp_path)]
    if subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")

    done = subprocess.run([*words, sys.executable, "-c", code, *journals], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("4\n", "")
