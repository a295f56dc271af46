"""docs/sql.md does what it says: every question is asked of a journal that real runs made, every command is typed,
and the views and the saved queries are those that there are.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pexen_state.core.states import State, Verdict, Word
from pexen_state.journal.asking.question import Answer, ask
from pexen_state.journal.asking.saved import every
from pexen_state.journal.reader import reader
from pexen_state.journal.records import HowEnded, RunState
from pexen_state.journal.uptodate import bring_up_to_date
from pexen_state.journal.views import VIEWS
from tests.cli.box import COMMAND, Box

DOCUMENT = (Path(__file__).parent.parent / "docs" / "sql.md").read_text()
QUESTION = re.compile(r"^### (\d+)\. (.*?)\n.*?^```sql\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CONSOLE = re.compile(r"^( *)```console\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^( *)```python\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)

QUESTIONS = {int(number): (words, query) for number, words, query in QUESTION.findall(DOCUMENT)}

#: number -> values, and rows where they are determined. What a task took, and what a kernel is called, is not.
ANSWERS: dict[int, tuple[dict[str, str], list[tuple[Any, ...]]]] = {
    1: (
        {"run": "1"},
        [
            ("net/dhcp/renew", "fail", "exit 3"),
            ("db/start", "fail", "exit 1"),
            ("raid/rebuild", "timeout", "over its time limit of 1 s"),
            ("kernel/oops", "error", "killed by SIGSEGV"),
        ],
    ),
    2: (
        {"run": "1"},
        [
            ("db/query", "requires 'db', which was provided by nobody: db/start (fail)"),
            ("raid/check", "lock '/dev/md0' is still held by raid/rebuild"),
        ],
    ),
    3: ({"run": "1"}, [("net/dns", 2)]),
    4: (
        {"suite": "nightly"},
        [(3, "error", 3, 0, 3, 0), (2, "error", 13, 9, 3, 0), (1, "timeout", 13, 6, 4, 2)],
    ),
    5: ({"run": "2"}, [("time/sync", "exit 1", "pass"), ("new/nvme", "exit 4", None)]),
    6: (
        {"run": "2"},
        [
            ("net/dhcp/renew", "fail", "exit 3"),
            ("db/start", "fail", "exit 1"),
            ("raid/rebuild", "timeout", "over its time limit of 1 s"),
        ],
    ),
    7: ({"run": "2"}, [("came", "new/nvme"), ("went", "old/floppy")]),
    8: ({"run": "2"}, [("box/fs/ext4",)]),
    9: (
        {"suite": "nightly"},
        [
            ("old/floppy", 1),
            ("time/sync", 1),
            *((task, 2) for task in ("box/fs/ext4", "db/query", "db/start", "kernel/module", "net/dhcp/renew")),
            *((task, 2) for task in ("net/dns", "raid/check", "raid/rebuild", "setup/net")),
        ],
    ),
    10: (
        {},
        [
            ("kernel/oops", 3, "killed by SIGSEGV"),
            ("new/nvme", 2, "exit 4"),
            ("time/sync", 2, "exit 1"),
            ("db/start", 1, "exit 1"),
            ("net/dhcp/renew", 1, "exit 3"),
            ("raid/rebuild", 1, "over its time limit of 1 s"),
        ],
    ),
    11: ({}, [(1, 1, "killed"), *((number, number - 1, "finished") for number in range(2, 6))]),
    12: ({}, [(1, 1, "kernel/module", 1, "runner_died")]),
    13: (
        {"run": "1"},
        [
            ("net/dhcp/renew", 1, "exited", 3, None),
            ("net/dns", 1, "exited", 1, None),
            ("db/start", 1, "exited", 1, None),
            ("raid/rebuild", 1, "timed_out", None, 15),
            ("kernel/module", 1, "runner_died", None, None),
            ("kernel/oops", 1, "signalled", None, 11),
        ],
    ),
    14: ({"run": "1"}, [("net/dhcp/renew", "journal.d/run-1/net%2Fdhcp%2Frenew-4/1/output.log")]),
    18: (
        {"run": "1"},
        [
            ("box", 2, 1, 0),
            ("db", 2, 0, 1),
            ("kernel", 2, 1, 1),
            ("net", 2, 1, 1),
            ("old", 1, 1, 0),
            ("raid", 2, 0, 1),
            ("setup", 1, 1, 0),
            ("time", 1, 1, 0),
        ],
    ),
    19: ({"run": "1", "task": "db/query"}, [(0, "waiting", "skipped", "unmet")]),
    21: ({}, []),
}

#: number -> values; the answer is looked at by `test_what_is_measured_is_asked_for_as_well`.
MEASURED: dict[int, dict[str, str]] = {
    15: {"run": "1"},
    16: {"suite": "nightly"},
    17: {"run": "1"},
    20: {"task": "kernel/oops"},
}


def asked(nights: Box, number: int, values: dict[str, str]) -> Answer:
    with reader(nights.journal) as connection:
        return ask(connection, QUESTIONS[number][1], values)


def test_there_are_twenty_one_questions_and_each_is_asked_here():
    assert list(QUESTIONS) == list(range(1, 22))
    assert all(words.endswith("?") for words, _ in QUESTIONS.values())
    assert sorted([*ANSWERS, *MEASURED]) == list(QUESTIONS)


@pytest.mark.parametrize("number", sorted(ANSWERS), ids=lambda number: QUESTIONS[number][0])
def test_each_question_has_its_answer(nights: Box, number: int):
    values, rows = ANSWERS[number]

    assert asked(nights, number, values).rows == rows


def test_what_is_measured_is_asked_for_as_well(nights: Box):
    slowest = asked(nights, 15, MEASURED[15])
    assert slowest.columns == ["task", "seconds", "percent"]
    assert slowest.rows[0][0] == "raid/rebuild"
    assert len(slowest.rows) == 10

    usually = {row[0]: row[1:] for row in asked(nights, 16, MEASURED[16]).rows}
    assert (len(usually), usually["setup/net"][0], usually["old/floppy"][0]) == (11, 2, 1)
    assert all(0 < average <= most for _, average, most in usually.values())

    workers = asked(nights, 17, MEASURED[17]).rows
    assert [row[:2] for row in workers] == [(1, 0), (2, 0)]
    assert all(0 < row[3] <= 110 for row in workers)  # by two clocks

    ((_, runs, failures),) = asked(nights, 20, MEASURED[20]).rows
    assert (runs, failures) == (3, 3)


def test_who_crashed_the_box_is_found_where_it_crashed(tmp_path: Path):
    journal = shutil.copy(Path(__file__).parent / "journal/fixtures/journal-0003.db", tmp_path / "journal.db")
    bring_up_to_date(Path(journal))
    with reader(journal) as connection:
        found = ask(connection, QUESTIONS[21][1], {})

    assert list(found.rows) == [("culprit", 2, 1), ("innocent", 0, 1)]


@pytest.mark.parametrize("number", sorted(QUESTIONS), ids=lambda number: QUESTIONS[number][0])
def test_each_question_can_be_asked_of_the_latest_run_as_it_stands(nights: Box, number: int):
    values = {"task": "net/dns"} if ":task" in QUESTIONS[number][1] else {}

    assert asked(nights, number, values).columns


def test_every_command_prints_what_stands_there(nights: Box, box: Box):
    for host in ("alpha", "beta"):
        (box.directory / host).mkdir()
        shutil.copy(nights.journal, box.directory / host / "journal.db")
    (box.directory / ".pexen").mkdir()
    shutil.copy(nights.journal, box.journal)
    typed = []
    for indent, block in CONSOLE.findall(DOCUMENT):
        command, _, wanted = "\n".join(line.removeprefix(indent) for line in block.splitlines()).partition("\n")
        words = command.removeprefix("$ ")
        if words.startswith("sqlite3") and shutil.which("sqlite3") is None:
            continue
        typed.append(words.split()[0])
        pexen = " ".join(f"'{word}'" for word in COMMAND)
        done = subprocess.run(
            ["sh", "-c", re.sub(r"^pexen", pexen, words)],
            cwd=box.directory,
            env=box.environment,
            capture_output=True,
            text=True,
        )
        assert (done.stderr, done.stdout.rstrip("\n")) == ("", wanted.rstrip("\n")), words
    assert typed.count("pexen") == 2


def test_the_python_example_works(nights: Box):
    ((indent, block),) = PYTHON.findall(DOCUMENT)
    code = "\n".join(line.removeprefix(indent) for line in block.splitlines())

    done = subprocess.run([sys.executable, "-c", code], cwd=nights.directory, capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("net/dhcp/renew exit 3\ndb/start exit 1\n", "")


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def section(title: str, level: int = 3) -> str:
    found = re.search(rf"^{'#' * level} {title}\n(.*?)(?=^#|\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found is not None, f"docs/sql.md has nothing about {title}"
    return found[1]


@pytest.mark.parametrize("view", VIEWS)
def test_the_columns_of_each_view_are_told_in_their_order(nights: Box, view: str):
    told = [
        name for row in re.findall(r"^\| (`.*?) \|", section(view), re.MULTILINE) for name in re.findall("`(.*?)`", row)
    ]
    with reader(nights.journal) as connection:
        there = [row[1] for row in connection.execute(f"PRAGMA table_info({view})")]

    assert told == there


@pytest.mark.parametrize(
    ("view", "column", "words"),
    [
        ("runs", "state", RunState),
        ("sessions", "how_ended", HowEnded),
        ("tasks", "state", State),
        ("tasks", "verdict", [one for one in Verdict if one]),
    ],
)
def test_all_words_of_a_column_are_told(view: str, column: str, words: Iterable[Word]):
    row = re.search(rf"^\| `{column}` \| (.*)$", section(view), re.MULTILINE)

    assert row is not None
    assert set(re.findall("`(.*?)`", row[1])) >= {one.word for one in words}


def test_the_table_of_saved_queries_is_that_of_what_ships():
    told = re.findall(r"^\| `(.*?)` \| (.*?) \| (.*?) ?\|$", section("Saved queries", 2), re.MULTILINE)
    there = []
    for saved in every(None):
        names = sorted(set(re.findall(r"(?<![\w:]):([a-z]\w*)", re.sub(r"--.*", "", saved.text))))
        values = [f"`:{name}`" + (f" = {saved.defaults[name]}" if name in saved.defaults else "") for name in names]
        there.append((saved.name, saved.answers, ", ".join(values)))

    assert told == there


def test_no_view_is_forgotten():
    assert re.findall(r"^### ([a-z]+)$", DOCUMENT, re.MULTILINE) == list(VIEWS)
