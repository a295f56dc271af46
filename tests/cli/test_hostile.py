"""Names and output that are meant to do harm, through every verb: nothing reaches the terminal, nothing is lost."""

from __future__ import annotations

import json
import os
import unicodedata

import pytest

from tests.cli.box import Box

NAMES = {
    "newline": b"new\nline",
    "ansi": b"\x1b[2J\x1b[31mred",
    "title": b"\x1b]0;owned\x07",
    "c1": "\x9b31m".encode(),
    "command": b"::error::owned",
    "surrogate": b"caf\xe9-\xff",
    "bidi": "\u202egnp.exe".encode(),
    "dots": b"..",
    "quote": b"'; rm -rf $HOME; '",
    "glob": b"*?[a]",
    "dash": b"--all",
    "long": b"x" * 250,
    "space": b" ",
    "percent": b"%s%n%00",
}


def is_harmless(text: str) -> bool:
    shown = "".join(line for line in text.splitlines(keepends=False))
    return all(unicodedata.category(char) not in ("Cc", "Cs", "Cf") for char in shown.replace("\t", "")) and not any(
        line.lstrip().startswith("::") for line in text.splitlines()
    )


@pytest.fixture
def hostile(box: Box) -> Box:
    """A tree whose files have such names; each prints its name, and fails."""
    box.script("suite/plain")
    for label, name in NAMES.items():
        if label == "dots":
            continue  # no file can have that name
        path = os.fsencode(box.directory) + b"/suite/" + name
        with open(path, "wb") as file:
            file.write(b'#!/bin/sh\nprintf \'%s\\n\' "$0" "$PEXEN_TASK"\n')
            file.write(b"printf '\\033[31m::error::x\\r::warning::y\\n'\nexit 1\n")
        os.chmod(path, 0o755)
    return box


def test_a_tree_of_hostile_names_runs_and_is_shown_through_every_verb(hostile: Box):
    done = hostile.pexen("run", "suite", "-j2")

    assert done.code == 1
    assert is_harmless(done.out)
    assert is_harmless(done.err)
    assert len(NAMES) == hostile.sql("SELECT count(*) FROM tasks")[0][0]
    for words in (
        ["runs"],
        ["show"],
        ["show", "--json"],
        ["logs", "--all"],
        ["logs", "--json"],
        ["sql", "select * from tasks"],
        ["sql", "--csv", "select * from tasks"],
        ["sql", "--json", "select * from tasks"],
        ["db", "check"],
    ):
        looked = hostile.pexen(*words)
        assert looked.code == 0, looked.err
        assert is_harmless(looked.out), words
    again = hostile.pexen("run", "suite")
    assert again.code == 1


@pytest.mark.parametrize("label", [label for label in NAMES if label not in ("dots", "dash")])
def test_a_hostile_task_is_found_by_its_own_name_and_by_the_one_that_is_shown(hostile: Box, label: str):
    hostile.pexen("run", "suite", "-j2")
    shown = [task["task"] for task in hostile.json("show")["tasks"]]
    assert len(shown) == len(NAMES)

    by_name = hostile.pexen("logs", b"suite/" + NAMES[label], "--path")

    assert by_name.code == 0, by_name.err
    with open(by_name.out.rstrip("\n"), "rb") as file:
        lines = file.read().split(b"\n")
    assert b"suite/" + NAMES[label] in b"\n".join(lines)
    (path,) = by_name.lines
    assert os.path.realpath(path).startswith(str(hostile.directory / ".pexen/journal.d/run-1/"))


def test_the_command_that_a_failure_suggests_works_when_it_is_typed(hostile: Box):
    done = hostile.pexen("run", "suite", "-j2")
    suggested = [line.partition("  pexen ")[2] for line in done.lines if "  pexen logs " in line]
    assert len(suggested) == len(NAMES) - 1

    for typed in suggested:
        looked = hostile.pexen(prefix=("sh", "-c", f'exec "$@" {typed}', "sh"))
        assert looked.code == 0, (typed, looked.err)
        assert looked.out, typed


@pytest.mark.parametrize("label", list(NAMES))
def test_a_name_of_a_task_list_cannot_leave_the_directory_of_the_run(box: Box, label: str):
    name = os.fsdecode(NAMES[label])
    task = json.dumps({"name": name if label != "dots" else "../../../../etc/cron.d/evil", "cmd": "echo here"})
    box.file("s.jsonl", task + "\n")

    done = box.pexen("run", "s.jsonl")

    assert done.code == 0, done.err
    (path,) = box.pexen("logs", "--all", "--path").lines
    assert path.startswith(f"{box.directory}/.pexen/journal.d/run-1/")
    assert os.path.realpath(path) == path
    with open(path) as file:
        assert file.read() == "here\n"


def test_a_key_of_lone_surrogates_is_resumed(box: Box):
    box.script("suite/a")
    path = os.fsencode(box.directory) + b"/suite/caf\xe9"
    with open(path, "wb") as file:
        file.write(b"#!/bin/sh\ncat ../gate\n")
    os.chmod(path, 0o755)
    gate = box.gate()
    with box.started("run", "suite") as run:
        gate.reached()
        run.process.kill()
        run.process.wait()
    gate.path.unlink()  # and not opened: what the keeper has not killed yet must not go on
    box.file("gate", "")

    done = box.pexen("resume")

    assert done.code == 0, done.err
    assert "1 was running: suite/caf\\udce9" in done.out
    assert "2 tasks: 2 pass" in done.out
