"""`pexen sql`: saved queries, parameters, several journals at once, and how answers are shown."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from pexen_state.journal.asking.saved import every
from tests.cli.box import COMMAND, Box


def test_saved_queries_are_listed_without_any_journal(box: Box):
    done = box.pexen("sql", "-l")

    assert done.code == 0
    assert done.lines[0].split() == ["query", "answers"]
    assert [line.split()[0] for line in done.lines[1:]] == [saved.name for saved in every(None)]
    assert "failed        What failed in a run, and why" in done.lines
    assert list(box.directory.iterdir()) == []


def test_ones_own_queries_lie_beside_the_journal(nights: Box, box: Box):
    box.file("j/queries/mine.sql", "-- What \x1b[31mI ask\nSELECT count(*) AS runs FROM runs WHERE name = :suite\n")
    shutil.copy(nights.journal, box.directory / "j/journal.db")
    there = ("--journal", "j/journal.db")

    rows = box.json("sql", "-l", *there)["rows"]
    assert ["mine", "What \x1b[31mI ask (your own)"] in rows
    assert "mine          What \\x1b[31mI ask (your own)" in box.pexen("sql", "-l", *there).lines
    assert box.pexen("sql", "mine", "-p", "suite=nightly", *there).lines == ["runs", "   3"]
    assert box.pexen("sql", "-l", "mine", *there).lines[0] == "-- What I ask"


def test_a_saved_query_is_asked_by_its_name(nights: Box):
    assert nights.pexen("sql", "failed").lines == ["task  verdict  attempts  seconds  reason"]
    assert [row[:2] for row in nights.json("sql", "failed", "-p", "run=latest-2")["rows"]] == [
        ["kernel/oops", "error"],
        ["time/sync", "fail"],
        ["new/nvme", "fail"],
    ]
    assert len(nights.json("sql", "slowest", "-p", "run=1", "-p", "last=2")["rows"]) == 2
    printed = nights.json("sql", "-l", "failed")
    assert (printed["name"], printed["answers"]) == ("failed", "What failed in a run, and why")
    assert printed["sql"].startswith("-- What failed")


def test_the_same_answer_is_a_table_csv_and_json(nights: Box):
    query = "SELECT task, flaky, 9e999 AS far, NULL AS none FROM tasks WHERE run = 1 AND flaky"

    assert nights.pexen("sql", query).lines == ["task     flaky  far  none", "net/dns      1  inf"]
    assert list(csv.reader(nights.pexen("sql", "--csv", query).lines))[1] == ["net/dns", "1", "inf", ""]
    assert json.loads(nights.pexen("sql", "--json", query).out)["rows"] == [["net/dns", 1, float("inf"), None]]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "QUERY is missing: a question in SQL, in quotes; the name of a saved query (-l lists them); or -"),
        (["select", "1"], "only one QUERY can be asked; '1' is one too many. Put a question in SQL in quotes."),
        (["faild"], "no query is saved as 'faild'. Did you mean 'failed'? `pexen sql -l` lists them"),
        (["-l", "faild"], "no query is saved as 'faild'. Did you mean 'failed'?"),
        (["-l", "failed", "flaky"], "-l lists the saved queries, and prints the SQL of one NAME; it asks nothing"),
        (["-l", "--from", "x.db"], "-l lists the saved queries, and prints the SQL of one NAME; it asks nothing"),
        (["story"], "the question needs a value for :task: add -p task=VALUE."),
        (["failed", "-p", "rnu=1"], "the question has no parameter :rnu. Did you mean 'run'? It has: :run."),
        (["failed", "-p", "run"], "-p: 'run' says no value. Write NAME=VALUE, for example -p run=12"),
        (["failed", "-p", "=1"], "-p: '=1' says no value."),
        (["failed", "-p", "run=1", "-p", "run=2"], "-p: run is given twice"),
        (["failed", "-p", "run=77"], "the journal has no run 77. `pexen runs` lists them."),
        (["failed", "-p", "run=wekly"], "no run is named 'wekly'. The journal has: nightly, weekly.jobs."),
        (["SELECT ?"], "a parameter needs a name: write :name for it in place of ?"),
        (["ATTACH 'x.db' AS x"], "pexen sql --from A.db B.db QUERY"),
        (["--from", ".pexen/journal.db"], "QUERY is missing"),
        (["--from", "night.jsonl", ".pexen/journal.db"], ".pexen/journal.db is a file; the QUERY comes after"),
        (["--from", ".pexen", "SELECT 1"], "--from names a directory: .pexen. Name a file in it: .pexen/journal.db"),
        (["--from", ".pexen/journal.db", "./.pexen/journal.db", "SELECT 1"], "are the same journal. Name it once."),
        (["--from", ".pexen/journal.db", "failed", "-p", "run=9"], "journal.db: the journal has no run 9."),
        (["--from", *"abcdefghijk", "SELECT 1"], "11 journals were named, and SQLite takes 10 at a time."),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(nights: Box, words: list[str], told: str):
    done = nights.pexen("sql", *words)

    assert (done.code, done.out) == (2, "")
    assert told in done.err


@pytest.fixture
def two(nights: Box, box: Box) -> Box:
    """Journals of two hosts."""
    for host in ("alpha", "beta"):
        (box.directory / host).mkdir()
        shutil.copy(nights.journal, box.directory / host / "journal.db")
    return box


@pytest.mark.parametrize(
    "words",
    [
        ["--from", "alpha/journal.db", "beta/journal.db", "QUERY"],
        ["--from", "alpha/journal.db", "--from", "beta/journal.db", "QUERY", "--csv"],
        ["--csv", "--from=alpha/journal.db", "beta/journal.db", "QUERY"],
    ],
)
def test_several_journals_are_asked_at_once(two: Box, words: list[str]):
    query = "SELECT journal, count(*) AS tasks FROM tasks GROUP BY journal"

    done = two.pexen("sql", *[query if word == "QUERY" else word for word in words])

    assert done.code == 0, done.err
    assert [line.replace(",", " ").split() for line in done.lines[1:]] == [
        ["alpha/journal.db", "31"],
        ["beta/journal.db", "31"],
    ]


def test_a_saved_query_is_asked_of_each_journal_by_itself(two: Box):
    """Its joins know no journals, and each has a newest run of its own."""
    found = two.json("sql", "--from", "alpha/journal.db", "beta/journal.db", "retries", "-p", "run=1")

    assert found["columns"][:3] == ["journal", "task", "attempt"]
    assert [row[:2] for row in found["rows"]] == [
        ["alpha/journal.db", "net/dns"],
        ["alpha/journal.db", "kernel/module"],
        ["beta/journal.db", "net/dns"],
        ["beta/journal.db", "kernel/module"],
    ]


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda path: path.unlink(), "there is no journal"),
        (lambda path: path.write_bytes(b"dear diary, " * 1000), "is no SQLite database, so it is no journal"),
        (lambda path: os.truncate(path, path.stat().st_size - 8192), "is damaged"),
    ],
)
def test_of_several_journals_the_one_that_cannot_be_read_is_named(two: Box, break_it, told: str):
    journal = two.directory / "beta/journal.db"
    break_it(journal)

    for query in ("SELECT 1", "failed"):
        done = two.pexen("sql", "--from", "alpha/journal.db", "beta/journal.db", query)
        assert done.code == 3
        assert str(journal) in done.err
        assert told in done.err


def test_ctrl_c_ends_a_long_question(nights: Box):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with nights.started("sql", endless) as question:
        while not has_open(question.process.pid, nights.journal):
            assert question.process.poll() is None
        question.signal(signal.SIGINT)
        done = question.ended()

    assert (done.code, done.out, done.err) == (4, "", "pexen: interrupted\n")


def has_open(pid: int, path: Path) -> bool:
    directory = f"/proc/{pid}/fd"
    for descriptor in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            if os.readlink(f"{directory}/{descriptor}") == str(path):
                return True
    return False


def test_a_table_is_cut_on_a_terminal_and_whole_elsewhere(nights: Box):
    query = "SELECT 1 AS number, printf('%.*c', 300, 'x') AS long, 'end' AS last"

    assert nights.pexen("sql", query).lines[1] == f"     1  {'x' * 300}  end"
    shown = on_a_terminal(nights, 40, "sql", query)
    assert shown == [f"number  {'long':26}  last", f"     1  {'x' * 23}...  end"]


def on_a_terminal(box: Box, columns: int, *words: str) -> list[str]:
    """What a command writes to a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in box.environment.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [*COMMAND, *words], cwd=box.directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # nobody has the other end any more
                break
            written += piece
        assert process.wait() == 0, written
    os.close(ours)
    return written.decode().replace("\r\n", "\n").splitlines()
