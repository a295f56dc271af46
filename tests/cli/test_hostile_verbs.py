"""Every verb that there is, over a journal in which every name, command, output and reason means harm."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pexen_state.cli.main import VERBS
from pexen_state.journal import queries
from pexen_state.journal.specs import sql_text
from pexen_state.report.text import safe
from tests.cli.box import Box
from tests.cli.hostility import OUTPUTS, STRINGS, is_harmless
from tests.cli.typed import typed_bytes
from tests.report.readers import READERS, agree, agree_with_the_journal

SUITE = "\x1b]0;owned\x07\n::error::suite\u202e"
NAMES = [os.fsdecode(text) for text in STRINGS]
PYTHON = """
import pexen_state

def failing(number, reason):
    @pexen_state.task(name=f"py/{number}", claims=[f"lock {reason}"], provides=[f"name {reason}"])
    def task():
        raise ValueError(reason) if number % 2 else pexen_state.TaskFailError(reason)
    return task

def behind(number, reason):
    @pexen_state.task(name=f"behind/{number}", requires=[f"name {reason}"], uses=[f"lock {reason}"])
    def task():
        pass
    return task

def Factory():
    for number, reason in enumerate(NAMES):
        yield failing(number, reason)
        yield behind(number, reason)
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Run 1: a list, a tree, python, all of them hostile. Run 2: what failed there. What they said is in `told`."""
    box = Box(tmp_path_factory.mktemp("hostile"))
    tasks = []
    for number, output in enumerate(OUTPUTS):
        box.file(f"outputs/{number}", output)
        name = NAMES[number] if number < len(NAMES) else f"output {number}"
        tasks.append({"name": f"list/{number}/{name}", "cmd": f"cat outputs/{number}; exit {number % 3}"})
    text = "".join(f"{json.dumps(task)}\n" for task in tasks)
    text += "".join(f"{json.dumps({'cmd': ['true', name]})}\n" for name in NAMES)
    box.file("s.jobs", os.fsencode(text))
    for label, content in zip(STRINGS, OUTPUTS, strict=False):
        if b"/" not in label and label.strip(b".") and len(label) < 256:
            path = os.fsencode(box.directory) + b"/tree/" + label
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(b"#!/bin/sh\ncat <<'never'\n" + content.replace(b"\0", b"") + b"\nnever\nexit 1\n")
            os.chmod(path, 0o755)
    box.file("mine.py", f"NAMES = {NAMES!a}\n{PYTHON}")
    told = box.directory / "told"
    told.mkdir()
    for number, words in enumerate(
        (["run", "s.jobs", "tree", "py:mine:Factory", "--name", SUITE, "-j2"], ["rerun", "--failed", "-j2"])
    ):
        done = box.pexen(*words)
        assert done.code == 1, done.err
        (told / str(number)).write_text(done.out + done.err, "utf-8")
    return box


def keys(box: Box, run: int = 1) -> list[str]:
    _, out, _ = typed_bytes(box.directory, "sql", "--json", f"SELECT task FROM tasks WHERE run = {run} ORDER BY number")
    return [row[0] for row in json.loads(out)["rows"]]


def _each(*words: str, step: int) -> Callable[[Box], Iterator[list[str]]]:
    """The verb for each task of the first run; its key typed as it is, or, every second one, as it is shown."""

    def lines(box: Box) -> Iterator[list[str]]:
        # Each kind of task is tried by each verb, and each string by some verb; more would only take longer.
        for number, key in enumerate(keys(box)[sum(map(len, words)) % step :: step]):
            typed_as = safe(key) if number % 2 else key
            yield [word for one in words for word in ([typed_as] if one == "KEY" else [one])]

    return lines


def _these(*lines: list[str]) -> Callable[[Box], Iterator[list[str]]]:
    return lambda box: iter(lines)


def _told(number: int) -> Callable[[Box], Iterator[list[str]]]:
    """A real run, whose output the fixture has kept."""

    def look(box: Box) -> Iterator[list[str]]:
        assert is_harmless((box.directory / "told" / str(number)).read_text("utf-8"))
        yield from ()

    return look


def _names(*before: str) -> Callable[[Box], Iterator[list[str]]]:
    """The verb with each hostile string for an argument: nothing of that name is there, and that is said.

    Nothing that is there is named: who names `/` lists, or runs, everything.
    """

    def lines(box: Box) -> Iterator[list[str]]:
        for name in NAMES[sum(map(len, before)) % 3 :: 3]:
            path = os.path.join(box.directory, name)
            if "\0" not in name and not os.path.lexists(path) and not queries.is_run(name):
                yield [*before, "--", name]

    return lines


_SQL = "SELECT * FROM tasks t JOIN transitions USING (task) WHERE t.run = 1"

#: How each verb is driven. A verb that is not here fails the test.
DRIVEN: dict[str, list[Callable[[Box], Iterator[list[str]]]]] = {
    "run": [_told(0), _names("run", "-n"), _these(["run", "s.jobs", "-n"], ["run", "tree", "py:mine:Factory", "-n"])],
    "resume": [_these(["resume", SUITE], ["resume"], ["resume", "--plan"]), _names("resume")],
    "rerun": [_told(1), _names("rerun")],
    "list": [
        _these(
            ["list", "s.jobs", "tree", "py:mine:Factory"], ["list", "s.jobs", "--json"], ["list", "tree", "-k", "c"]
        ),
        _names("list"),
    ],
    "plan": [
        _these(["plan", "s.jobs", "tree", "py:mine:Factory", "--all"], ["plan", "py:mine:Factory", "--json"]),
        lambda box: (["plan", "py:mine:Factory", "--explain", f"name {name}"] for name in NAMES[::20]),
        lambda box: (["plan", "py:mine:Factory", "--explain", f"lock {name}"] for name in NAMES[::20]),
        lambda box: (["plan", "py:mine:Factory", "--explain", f"nothing {name}"] for name in NAMES[::20]),
    ],
    "runs": [_these(["runs"], ["runs", "--json"])],
    "status": [
        _these(["status"], ["status", "1", "--json"], ["status", SUITE], ["status", "--watch"]),
        _names("status"),
    ],
    "show": [
        _these(["show"], ["show", "1", "--all"], ["show", "1", "--json"], ["show", "1", "--tree"], ["show", "2"]),
        _each("show", "-r", "1", "--", "KEY", step=11),
        _names("show", "-r"),
    ],
    "why": [
        _each("why", "-r", "1", "--", "KEY", step=19),
        _each("why", "--json", "1", "--", "KEY", step=41),
        _names("why"),
    ],
    "locks": [_these(["locks", "1"], ["locks", "1", "--json"], ["locks", SUITE]), _names("locks")],
    "logs": [
        _these(["logs", "1", "--failed"], ["logs", "1", "--all"], ["logs", "1", "--json"], ["logs", "-f", "1"]),
        _each("logs", "-r", "1", "--", "KEY", step=7),
        _names("logs"),
    ],
    "events": [
        _these(["events", "1"], ["events", "-f"], ["events", SUITE], ["events", "1", "--consumer", SUITE]),
        _names("events"),
        lambda box: (["events", "2", "--consumer", name] for name in NAMES[::9] if "\0" not in name),
    ],
    "sql": [_these(["sql", _SQL], ["sql", "--csv", _SQL], ["sql", "--json", _SQL], ["sql", "-l"]), _names("sql")],
    "diff": [
        _these(["diff", "1", "2"], ["diff", "1", "2", "--json"]),
        lambda box: (["diff", "1", n] for n in NAMES[::9]),
        _these(["diff", "--by", "host"], ["diff", "1", "2", "--by", "cpu.flags", "--json"]),
        lambda box: (["diff", "--by", n] for n in NAMES[::9] if "\0" not in n),
    ],
    "history": [_each("history", "--", "KEY", step=11), _names("history")],
    "flaky": [_these(["flaky"], ["flaky", "--json"])],
    "slowest": [_these(["slowest"], ["slowest", "--json"])],
    "report": [lambda box: (["report", f"--{kind}", "-"] for kind in ("junit", "tap", "jsonl", "md", "html", "trace"))],
    "facts": [_these(["facts"], ["facts", "--json"], ["facts", "1"], ["facts", SUITE, "--json"]), _names("facts")],
    "pause": [_these(["pause"], ["pause", SUITE]), _names("pause")],
    "cancel": [_these(["cancel"], ["cancel", SUITE]), _names("cancel")],
    "unlock": [_names("unlock", "-r", "1"), lambda box: (["unlock", "--", f"lock {name}"] for name in NAMES)],
    "db": [_these(["db", "check"], ["db", "check", "--json"], ["db", "export"]), _names("db"), _names("db", "check")],
    "service": [
        _these(["service", "list"], ["service", "status"], ["service", "print", SUITE]),
        _names("service"),
        _names("service", "status"),
        _names("service", "remove"),
        lambda box: (["service", "print", n, "--user"] for n in NAMES[::5] if n and n[0] != "-"),
        lambda box: (["--journal", f"@{n}", "runs"] for n in NAMES[::9] if "\0" not in n),
    ],
    "doctor": [_these(["doctor"], ["doctor", "--json"], ["-q", "doctor"]), _names("doctor")],
    "completion": [_these(["completion", "bash"]), _names("completion")],
}


def is_there(name: str) -> bool:
    module = VERBS[name].place.partition(":")[0]
    try:
        return importlib.util.find_spec(f"pexen_state.cli.verbs.{module}") is not None
    except ImportError:
        return False


def test_every_verb_is_driven():
    assert set(DRIVEN) == set(VERBS)


@pytest.mark.parametrize("verb", [name for name in VERBS if is_there(name)])
def test_no_verb_lets_anything_through(hostile: Box, verb: str):
    for lines in DRIVEN[verb]:
        for words in lines(hostile):
            code, out, err = typed_bytes(hostile.directory, *words)
            assert code in (0, 1, 2, 3, 5), (words, err[-500:])
            assert b"pexen itself failed" not in err, (words, err[-2000:])
            for said in (out.decode("utf-8"), err.decode("utf-8")):
                assert is_harmless(said), (words, next(line for line in said.split("\n") if not is_harmless(line)))


def test_every_task_of_a_hostile_list_is_shown_whatever_its_name(hostile: Box):
    shown = typed_bytes(hostile.directory, "show", "1", "--all", "--json")[1]
    tasks = json.loads(shown)["tasks"]

    assert [task["task"] for task in tasks] == keys(hostile)
    assert len({task["task"] for task in tasks}) == len(tasks) > 3 * len(STRINGS)


def test_no_byte_of_a_name_is_lost(hostile: Box):
    stored = set(keys(hostile))

    for number, name in enumerate(NAMES):
        assert sql_text(f"list/{number}/{name}") in stored
    for text in STRINGS:
        if b"/" not in text and text.strip(b".") and len(text) < 256:
            assert sql_text(f"tree/{os.fsdecode(text)}") in stored


def test_no_byte_of_an_output_is_lost(hostile: Box):
    for number, output in enumerate(OUTPUTS):
        name = NAMES[number] if number < len(NAMES) else f"output {number}"
        code, raw, err = typed_bytes(hostile.directory, "logs", "-r", "1", "--raw", "--", f"list/{number}/{name}")
        assert code == 0, err
        assert raw == output, number


def test_a_reason_is_stored_as_it_was_said(hostile: Box):
    _, out, _ = typed_bytes(
        hostile.directory, "sql", "--json", "SELECT task, reason FROM tasks WHERE run = 1 AND task LIKE 'py/%'"
    )
    reasons = dict(json.loads(out)["rows"])

    for number, name in enumerate(NAMES):
        if name == "".join(name.split()):  # a reason is one line, whatever white space it had
            assert sql_text(name) in reasons[f"py/{number}"], number


def reported(box: Box, kind: str, run: int = 1) -> str:
    code, _, err = typed_bytes(box.directory, "report", str(run), f"--{kind}", f"out.{kind}")
    assert code == 0, err
    return (box.directory / f"out.{kind}").read_text("utf-8")


def test_every_report_is_read_whatever_is_in_it_and_all_of_them_agree(hostile: Box):
    reports = {kind: read(reported(hostile, kind)) for kind, read in READERS.items()}

    _, out, _ = typed_bytes(hostile.directory, "sql", "--json", "SELECT task, verdict, flaky FROM tasks WHERE run = 1")
    agree(reports)
    agree_with_the_journal(reports, json.loads(out)["rows"])


def test_no_report_hides_anything_or_commands_anybody(hostile: Box):
    for kind in READERS:
        for line in reported(hostile, kind).split("\n"):
            assert is_harmless(line), (kind, line)


def test_markdown_has_no_mark_that_a_task_has_made(hostile: Box):
    code = None  # the fence that it is in
    for line in reported(hostile, "md").split("\n"):
        if (fence := re.fullmatch("(`{3,})(text)?", line)) is not None:
            code = fence[1] if code is None else None if code == fence[1] else code
        elif code is None:
            plain = re.sub(r"\\.|<!-- -->", "", line)  # an empty comment keeps a number from being a reference
            assert not re.search(r"[<>\[\]`&@~]", plain), line
            assert plain.count("|") in (0, 5), line


def test_output_is_in_junit_as_far_as_xml_can_hold_it(hostile: Box):
    import lxml.etree

    root = lxml.etree.fromstring(reported(hostile, "junit").encode())
    said = {text for case in root.iter("testcase") for text in case.xpath("system-out/text()")}
    for output in OUTPUTS:
        text = output.decode("utf-8", "backslashreplace")
        if len(output) < 1000 and "\r" not in text and text.isprintable():
            assert text in said


@pytest.mark.parametrize("query", ["SELECT * FROM tasks", "SELECT reason, task, cause FROM transitions", "SELECT '=1'"])
def test_a_spreadsheet_finds_no_formula_and_nothing_is_lost_from_the_journal(hostile: Box, query: str):
    _, out, _ = typed_bytes(hostile.directory, "sql", "--csv", query)
    _, exact, _ = typed_bytes(hostile.directory, "sql", "--json", query)

    _, *cells = csv.reader(io.StringIO(out.decode("utf-8"), newline=""))
    rows = json.loads(exact)["rows"]
    assert len(cells) == len(rows)
    for shown, stored in zip(cells, rows, strict=True):
        for cell, value in zip(shown, stored, strict=True):
            if isinstance(value, str):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
                assert cell in (safe(value), f"'{safe(value)}")
            elif value is not None:
                assert float(cell) == value


def test_a_line_of_a_mebibyte_is_shown_whole_and_safe(hostile: Box):
    number = len(STRINGS) + 1

    out = typed_bytes(hostile.directory, "logs", "-r", "1", f"output {number}")[1]

    assert out == b"m" * (1 << 20) + b"\n"


def test_nothing_was_run_that_a_name_asked_for(hostile: Box):
    assert not (hostile.directory / "owned").exists()
    assert not list(Path(hostile.directory).glob("**/owned"))
