"""The reference of the command line is complete and of today; the hand-written part names what is promised."""

from __future__ import annotations

import re

import click
import pytest

from pexen_state.cli.errors import Exit
from pexen_state.cli.main import VERBS
from tests import reference

TEXT = reference.PAGE.read_text()
WRITTEN_BY_HAND, _, MADE = TEXT.partition(reference.BEGIN)


@pytest.mark.parametrize("typed", [typed for typed, _ in reference.commands()])
def test_every_command_is_documented(typed):
    assert re.search(rf"^#### `{re.escape(typed)}[ `]", MADE, re.MULTILINE), "run: scripts/write_docs cli"


def test_the_reference_is_the_one_of_today():
    assert reference.page(TEXT) == TEXT, "run: .venv/bin/python scripts/write_docs cli"


def test_every_command_and_every_option_says_what_it_does():
    silent = [
        f"{typed} {param.opts[0]}"
        for typed, command in reference.commands()
        for param in command.params
        if isinstance(param, click.Option) and not param.hidden and not param.help
    ]

    assert silent == []
    assert [typed for typed, command in reference.commands() if not (command.help or command.short_help)] == []


def test_the_table_at_the_top_names_every_verb_and_no_other():
    named = {line.split("`")[1].split()[1] for line in WRITTEN_BY_HAND.splitlines() if line.startswith("| `pexen ")}

    assert named == set(VERBS)


def test_every_exit_code_is_there():
    rows = [line.split() for line in WRITTEN_BY_HAND.splitlines() if line.startswith("| ")]

    assert {int(row[1]) for row in rows if row[1].isdigit()} == set(map(int, Exit))


#: Typed by tasks alone: another `pexen` is first in their PATH.
IN_A_TASK = ("reboot", "checkpoint", "result", "fact", "skip", "deadline", "heartbeat")


def test_what_is_typed_in_the_pages_is_there():
    """No page shows a verb that there is none of. Options are checked in lines that are code."""
    known = dict(reference.commands())
    for page in sorted([reference.ROOT / "README.md", *(reference.ROOT / "docs").rglob("*.md")]):
        for line in re.findall(r"^(?:\$ )?(pexen [a-z].*)$|`(pexen [a-z][^`]*)`", page.read_text(), re.MULTILINE):
            words = (line[0] or line[1]).split("#")[0].split()
            command = known.get(" ".join(words[:3])) or known.get(" ".join(words[:2]))
            if words[1] in ("VERB", *IN_A_TASK) or words[1].startswith("-"):
                continue
            assert command is not None, f"{page.name}: there is no command {' '.join(words[:2])}"
            offered = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
            for word in words[2:]:
                if re.fullmatch(r"--[a-z][a-z-]*", word) and "|" not in words:
                    assert word in {*offered, "--help", "--version"}, f"{page.name}: {' '.join(words)}"
