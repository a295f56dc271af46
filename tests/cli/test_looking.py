"""The looking verbs: runs, show, logs, sql, db check; and which RUN and TASK they are about."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.cli.box import Box
from tests.cli.typed import typed


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Run 1 failed, run 2 passed in the second attempt of a task. To be looked at, and not to be changed."""
    box = Box(tmp_path_factory.mktemp("two_runs"))
    box.script("suite/net/dhcp/renew", 'echo "attempt $PEXEN_ATTEMPT"; test -e ../../../ok || exit 3')
    box.script("suite/fs/renew", "echo fine")
    box.script("suite/fs/quiet")
    assert box.pexen("run", "suite").code == 1
    box.file("ok", "")
    box.script("suite/net/dhcp/renew", 'echo "attempt $PEXEN_ATTEMPT"; test "$PEXEN_ATTEMPT" = 2')
    assert box.pexen("run", "suite", "--retries=1", "--name", "nightly").code == 0
    return box


def test_runs_are_listed_newest_first(two_runs: Box):
    title, newest, oldest = two_runs.pexen("runs").lines

    assert title.split()[:4] == ["run", "suite", "state", "verdict"]
    assert newest.split()[:9] == ["2", "nightly", "finished", "pass", "3", "3", "0", "0", "0"]
    assert oldest.split()[:9] == ["1", f"{two_runs.directory.name}/suite", "finished", "fail", "3", "2", "0", "1", "0"]
    assert [run["id"] for run in two_runs.json("runs")["runs"]] == [2, 1]
    assert len(two_runs.pexen("runs", "-n", "1").lines) == 2


def test_whether_an_unfinished_run_runs_is_known_to_the_lock(box: Box):
    first, second = box.gate("gate1"), box.gate("gate2")
    box.script("suite/waits", 'cat "../gate$PEXEN_ATTEMPT"')
    with box.started("run", "suite") as run:
        first.reached()
        assert box.json("runs")["runs"][0]["doing"] == "running"
        assert "  running" in box.pexen("runs").out
        assert "suite/waits" in box.pexen("show").out
        run.signal(signal.SIGKILL)
        run.process.wait()
        assert box.json("runs")["runs"][0]["doing"] == "interrupted"
    with box.started("resume") as run:
        second.reached()
        run.signal(signal.SIGTERM)
        run.ended()
    assert box.json("runs")["runs"][0]["doing"] == "interrupted"
    assert box.json("runs")["runs"][0]["state"] == "unfinished"


@pytest.mark.parametrize(
    ("words", "run", "task"),
    [
        ([], 2, None),
        (["1"], 1, None),
        (["latest-1"], 1, None),
        (["nightly"], 2, None),
        (["-r", "nightly"], 2, None),
        (["dhcp/renew"], 2, "suite/net/dhcp/renew"),
        (["1", "quiet"], 1, "suite/fs/quiet"),
        (["-r", "1", "uiet"], 1, "suite/fs/quiet"),
        (["latest", "suite/fs/renew"], 2, "suite/fs/renew"),
    ],
)
def test_a_run_and_a_task_are_found_by_what_people_type(two_runs: Box, words: list[str], run: int, task: str | None):
    document = two_runs.json("show", *words)

    assert document["run"]["id"] == run
    assert document.get("task", {}).get("task") == task


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["3"], "the journal has no run 3"),
        (["latest-7"], "the journal has no run 'latest-7'"),
        (["renew"], "'renew' may be any of 2 tasks of run 2: suite/fs/renew, suite/net/dhcp/renew"),
        (["suite/fs/quite"], "run 2 has no task 'suite/fs/quite'. Did you mean 'suite/fs/quiet'?"),
        (["nightly", "quiet", "renew"], "only one TASK can be named; 'renew' is one too many"),
        (["-r", "weekly"], "no run is named 'weekly'"),
    ],
)
def test_what_is_not_found_says_what_there_is(two_runs: Box, words: list[str], said: str):
    done = two_runs.pexen("show", *words)

    assert done.code == 2
    assert said in done.err


def test_show_puts_failures_where_they_are_seen(two_runs: Box):
    lines = two_runs.pexen("show", "1").lines

    assert lines[0].endswith("/suite  finished, verdict fail")
    assert "  tasks     3: 2 passed, 1 failed" in lines
    first = lines[lines.index("") + 1].split()
    assert (first[0], first[-3:]) == ("FAIL", ["suite/net/dhcp/renew", "exit", "3"])


def test_show_a_task_tells_its_attempts_and_its_story(two_runs: Box):
    out = two_runs.pexen("show", "dhcp/renew").out

    assert "suite/net/dhcp/renew  succeeded, verdict pass, flaky" in out
    assert "attempt 1: exit 1  [" in out
    assert "attempt 2: ended well  [" in out
    assert "ready -> submitted: dispatch" in out


def test_show_a_task_tells_what_each_attempt_reported_with_numbers_files_and_every_line(box: Box):
    box.script(
        "suite/disks",
        """
        echo "$PEXEN_ATTEMPT" > sda.log
        pexen result sda pass --metric mb_s=412.5 --metric retries=3 --file sda.log
        pexen result sdb fail --note "$(printf 'too slow\n  got: 3\n::error::no')"
        """,
    )
    assert box.pexen("run", "suite", "--retries=1").code == 1

    lines = box.pexen("show", "disks").lines

    first, second = (place for place, line in enumerate(lines) if line.startswith("  attempt "))
    for number, begin in ((1, first), (2, second)):
        said = lines[begin : begin + 9]
        place = said.index("    PASS    sda  mb_s=412.5  retries=3")
        assert said[place + 1] == f"    file    journal.d/run-1/suite%2Fdisks-1/{number}/artifacts/sda.log"
        assert said[place + 2 : place + 5] == [
            "    FAIL    sdb  too slow",
            "              got: 3",
            r"            \::error::no",
        ]
        file = box.directory / ".pexen" / said[place + 1].split()[1]
        assert file.read_text() == f"{number}\n"


def test_logs_show_what_a_task_printed(two_runs: Box):
    assert two_runs.pexen("logs", "dhcp/renew").out == "attempt 2\n"
    assert two_runs.pexen("logs", "dhcp/renew", "--attempt", "1").out == "attempt 1\n"
    whose = "== suite/net/dhcp/renew, attempt 1: failed =="
    assert two_runs.pexen("logs", "1").lines == [whose, "attempt 1"]
    assert two_runs.pexen("logs", "1", "--failed").lines == [whose, "attempt 1"]
    assert two_runs.pexen("logs", "1", "dhcp/renew", "--failed").out == "attempt 1\n"
    assert two_runs.pexen("logs", "--failed").err == "nothing failed in run 2; --all shows every output\n"
    assert two_runs.pexen("logs", "quiet").err == "suite/fs/quiet printed nothing in attempt 1\n"


def test_logs_of_several_tasks_say_whose_they_are(two_runs: Box):
    assert two_runs.pexen("logs", "dhcp/renew", "--all").lines == [
        "== suite/net/dhcp/renew, attempt 1: failed ==",
        "attempt 1",
        "",
        "== suite/net/dhcp/renew, attempt 2: succeeded ==",
        "attempt 2",
    ]
    assert "fine" in two_runs.pexen("logs", "--all").lines


def test_logs_as_paths_are_files_to_open(two_runs: Box):
    (path,) = two_runs.pexen("logs", "fs/renew", "--path", cwd="suite").lines

    with open(path) as file:
        assert file.read() == "fine\n"
    assert two_runs.json("logs", "fs/renew")["outputs"][0]["output"] == path


def test_sql_answers_as_a_table_as_csv_and_as_json(two_runs: Box):
    query = "SELECT task, attempts FROM tasks WHERE run = 2 AND flaky"

    assert two_runs.pexen("sql", query).lines == ["task                  attempts", "suite/net/dhcp/renew         2"]
    assert list(csv.reader(two_runs.pexen("sql", "--csv", query).lines)) == [
        ["task", "attempts"],
        ["suite/net/dhcp/renew", "2"],
    ]
    assert json.loads(two_runs.pexen("sql", "--json", query).out) == {
        "schema": 1,
        "columns": ["task", "attempts"],
        "rows": [["suite/net/dhcp/renew", 2]],
    }
    assert two_runs.pexen("sql", "-", stdin=query.encode()).lines[1].split() == ["suite/net/dhcp/renew", "2"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM taks", "no such table: taks. Did you mean 'tasks'? There are: attempts, facts, results, runs"),
        ("SELECT verdct FROM tasks", "no such column: verdct. Did you mean 'verdict'?"),
        ("DELETE FROM run", "`pexen sql` only reads"),
        ("CREATE TABLE mine (x)", "`pexen sql` only reads"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELEC 1", "syntax error"),
        ("", "that is no question"),
        ("SELECT 1 \udcff", "surrogates"),
        ("ATTACH '/tmp/other.db' AS other", "that is no question"),
    ],
)
def test_bad_sql_is_a_sentence_and_changes_nothing(two_runs: Box, query: str, said: str):
    before = two_runs.sql("SELECT count(*) FROM tasks")

    done = two_runs.pexen("sql", os.fsencode(query))

    assert done.code == 2
    assert said in done.err
    assert two_runs.sql("SELECT count(*) FROM tasks") == before


def test_db_check_proves_a_good_journal_and_finds_what_was_changed_by_hand(two_runs: Box, tmp_path: Path):
    copied = Box(tmp_path / "copied")
    shutil.copytree(two_runs.directory, copied.directory)
    good = copied.pexen("db", "check")
    assert good.code == 0
    assert good.out == ".pexen/journal.db: every decision was replayed, and nothing is wrong\n"
    with sqlite3.connect(copied.journal) as connection:
        connection.execute("UPDATE task SET verdict = 3 WHERE verdict = 5")
    connection.close()

    bad = copied.pexen("db", "check")

    assert bad.code == 1
    assert "run 1: suite/net/dhcp/renew: its verdict is pass, by replay fail" in bad.lines
    assert copied.json("db", "check", code=1)["findings"][0]["run"] == 1


def test_the_journal_is_found_from_below_and_by_name(two_runs: Box):
    below = two_runs.directory / "suite/net"

    assert two_runs.pexen("runs", cwd=below).lines[1].split()[0] == "2"
    journal = str(two_runs.journal)
    for place in ({"PEXEN_JOURNAL": journal}, {"STATE_DIRECTORY": str(two_runs.journal.parent)}):
        assert two_runs.pexen("runs", cwd="/", env=place).code == 0
    assert two_runs.pexen("--journal", journal, "runs", cwd="/").code == 0
    assert two_runs.pexen("runs", "--journal", journal, cwd="/").code == 0


def test_a_looking_verb_makes_no_journal(box: Box):
    for words in (["runs"], ["show"], ["logs"], ["sql", "select 1"], ["db", "check"]):
        done = box.pexen(*words)
        assert done.code == 3
        assert "there is no journal here" in done.err
        assert "`pexen run` makes one" in done.err
    assert list(box.directory.iterdir()) == []


def test_colours_only_where_they_are_wanted(two_runs: Box):
    assert "\x1b" not in two_runs.pexen("show").out
    assert "\x1b[32mPASS" in two_runs.pexen("show", "--color", "always").out
    assert "\x1b[32mPASS" in two_runs.pexen("show", env={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in two_runs.pexen("show", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).out
    assert "\x1b" not in two_runs.pexen("--color=never", "show", env={"FORCE_COLOR": "1"}).out


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names that look like something else: a suite called as a task is, tasks called as a RUN is."""
    box = Box(tmp_path_factory.mktemp("named"))
    box.file("s.jobs", "1: echo one\nlatest: echo newest\nnet/a: echo net\nfs/a: echo fs\nnet/b: echo b\n")
    assert box.pexen("run", "s.jobs", "--name", "net/b").code == 0
    return box.directory


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["latest", "1"], "one"),
        (["-r", "1", "latest"], "newest"),
        (["-r", "net/b", "net/b"], "b"),
        (["net/b", "net/b"], "b"),  # a run's name is a RUN, so the second is the TASK
        (["net/a"], "net"),
        (["/b"], "b"),
        (["1", "fs/a"], "fs"),
    ],
)
@pytest.mark.parametrize("verb", ["logs", "show", "why"])
def test_names_that_look_like_something_else_are_told_apart(named: Path, verb: str, words: list[str], said: str):
    done = typed(named, verb, *words)

    assert done.code == 0, done.err
    assert done.out == f"{said}\n" if verb == "logs" else done.out


@pytest.mark.parametrize("verb", ["logs", "show", "why"])
def test_an_ambiguous_tail_lists_what_it_may_be(named: Path, verb: str):
    done = typed(named, verb, "a")

    assert done.code == 2
    assert done.err == "pexen: 'a' may be any of 2 tasks of run 1: net/a, fs/a. Say more of its key.\n"


LOOKING = (
    ["runs"],
    ["status"],
    ["show"],
    ["why", "task"],
    ["locks"],
    ["logs"],
    ["events"],
)


@pytest.mark.parametrize("words", LOOKING, ids=lambda words: str(words[0]))
def test_what_is_no_journal_or_holds_no_run_is_told_by_every_looking_verb(tmp_path: Path, words: list[str]):
    from tests.journal.telling import Runner, change

    nothing = typed(tmp_path, *words)
    assert (nothing.code, nothing.out) == (3, "")
    assert nothing.err.startswith(f"pexen: there is no journal here: neither {tmp_path} nor a directory above it has ")
    missing = typed(tmp_path, *words, "--journal", "none.db")
    assert missing.code == 3
    assert missing.err.startswith(f"pexen: there is no journal {tmp_path}/none.db. `pexen run` makes one;")
    (tmp_path / "text.db").write_text("no database\n" * 100)
    assert "is no SQLite database, so it is no journal" in typed(tmp_path, *words, "--journal", "text.db").err
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    foreign = typed(tmp_path, *words, "--journal", "other.db")
    assert (foreign.code, foreign.err) == (
        3,
        f"pexen: {tmp_path}/other.db is no journal of pexen. Name another file with --journal.\n",
    )
    Runner(tmp_path / "empty.db").close(None)
    empty = typed(tmp_path, *words, "--journal", "empty.db")
    assert "the journal has no run yet. `pexen run` begins one.\n" in empty.err
    assert (empty.code, empty.out) == (0 if words == ["runs"] else 2, "")
    change(tmp_path / "empty.db", "UPDATE alembic_version SET version_num = '0001'")
    old = typed(tmp_path, *words, "--journal", "empty.db")
    assert (old.code, old.out, old.err) == (empty.code, empty.out, empty.err)
    change(tmp_path / "empty.db", "UPDATE alembic_version SET version_num = '9999'")
    new = typed(tmp_path, *words, "--journal", "empty.db")
    assert new.code == 3
    assert "was written by a newer pexen" in new.err
