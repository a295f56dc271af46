"""What the command costs before it does anything, and what its help says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pexen_state.cli.main import VERBS
from tests.cli.box import Box

HEAVY = ("sqlalchemy", "alembic", "rich", "psutil")


def imported_by(*words: str, cwd: str = "/") -> set[str]:
    """The modules that a command has imported when it ends."""
    code = (
        "import sys; from pexen_state.cli.main import execute; import os;"
        f"sys.stdout = open(os.devnull, 'w'); execute({list(words)!r});"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cwd)
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["resume", "--help"]])
def test_help_imports_nothing_of_weight(words: list[str]):
    modules = imported_by(*words)

    assert not modules & {*HEAVY, "sqlite3", "pexen_state.sched", "pexen_state.journal.writer"}


def test_looking_verbs_use_the_standard_librarys_sqlite3_alone(box: Box):
    box.script("suite/a", "exit 3")
    box.pexen("run", "suite")

    for words in (
        ["runs"],
        ["show"],
        ["show", "a"],
        ["logs"],
        ["why", "a"],
        ["locks"],
        ["events"],
        ["sql", "select * from tasks"],
        ["db", "check"],
        ["doctor"],
    ):
        assert not imported_by(*words, cwd=str(box.directory)) & set(HEAVY), words


def test_status_loads_little_more_than_the_command_itself(box: Box):
    """Somebody types it again and again, and `--watch` is no excuse: its time is that of its imports."""
    box.script("suite/a", "exit 3")
    box.pexen("run", "suite")

    status, help_ = imported_by("status", cwd=str(box.directory)), imported_by("--help")

    needless = {"pathlib", "pexen_state.core.plan", "pexen_state.journal.control", "pexen_state.journal.values"}
    assert not status & {*HEAVY, *needless, "subprocess"} - help_
    ours = {name for name in status - help_ if name.startswith("pexen_state")}
    assert len(ours) < 33, sorted(ours)
    assert len(status - help_) < 75, sorted(status - help_)


def test_the_groups_of_the_help_hold_every_verb(box: Box):
    done = box.pexen("--help")

    assert done.code == 0
    titles = [line.rstrip(":") for line in done.lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Options", "Run", "Look", "Steer", "Journal"]
    for name, verb in VERBS.items():
        assert any(line.split()[:1] == [name] for line in done.lines)
        assert verb.help.endswith(".")


@pytest.mark.parametrize("name", list(VERBS))
def test_every_verb_explains_itself(box: Box, name: str):
    done = box.pexen(name, "--help")

    assert done.code == 0
    assert done.lines[0].startswith(f"Usage: pexen {name} ")


def test_no_verb_at_all_shows_the_help_and_is_a_mistake(box: Box):
    done = box.pexen()

    assert done.code == 2
    assert "Usage: pexen" in done.err
