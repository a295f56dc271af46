"""The page about the command line names every verb and every exit code."""

from __future__ import annotations

from pathlib import Path

from pexen_state.cli.errors import Exit
from pexen_state.cli.main import VERBS

PAGE = (Path(__file__).parents[2] / "docs/cli.md").read_text()


def test_every_verb_is_there_and_no_other():
    named = {line.split("`")[1].split()[1] for line in PAGE.splitlines() if line.startswith("| `pexen ")}

    assert named == set(VERBS)


def test_every_exit_code_is_there():
    codes = {int(line.split()[1]) for line in PAGE.splitlines() if line.startswith("| ") and line.split()[1].isdigit()}

    assert codes == set(map(int, Exit))
