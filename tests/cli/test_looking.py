"""The looking verbs: runs, show, logs, sql, db check; and which RUN and TASK they are about."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3

import pytest

from tests.cli.box import Box


@pytest.fixture
def two_runs(box: Box) -> Box:
    """Run 1 failed, run 2 passed in the second attempt of a task."""
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
    assert "3: 2 passed, 1 failed" in lines[3]
    assert lines[-1].split() == ["FAIL", *lines[-1].split()[1:-3], "suite/net/dhcp/renew", "exit", "3"]


def test_show_a_task_tells_its_attempts_and_its_story(two_runs: Box):
    out = two_runs.pexen("show", "dhcp/renew").out

    assert "suite/net/dhcp/renew  succeeded, verdict pass, flaky" in out
    assert "attempt 1: failed  exited  exit 1" in out
    assert "attempt 2: succeeded  returned  exit 0" in out
    assert "ready -> submitted: dispatch" in out


def test_logs_show_what_a_task_printed(two_runs: Box):
    assert two_runs.pexen("logs", "dhcp/renew").out == "attempt 2\n"
    assert two_runs.pexen("logs", "dhcp/renew", "--attempt", "1").out == "attempt 1\n"
    assert two_runs.pexen("logs", "1").out == "attempt 1\n"
    assert two_runs.pexen("logs", "1", "--failed").out == "attempt 1\n"
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


def test_db_check_proves_a_good_journal_and_finds_what_was_changed_by_hand(two_runs: Box):
    good = two_runs.pexen("db", "check")
    assert good.code == 0
    assert good.out == ".pexen/journal.db: every decision was replayed, and nothing is wrong\n"
    with sqlite3.connect(two_runs.journal) as connection:
        connection.execute("UPDATE task SET verdict = 3 WHERE verdict = 5")
    connection.close()

    bad = two_runs.pexen("db", "check")

    assert bad.code == 1
    assert "run 1: suite/net/dhcp/renew: its verdict is pass, by replay fail" in bad.lines
    assert two_runs.json("db", "check", code=1)["findings"][0]["run"] == 1


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
