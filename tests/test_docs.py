"""The documentation as a whole: what it points to is there, and what it shows of the sample suite is right."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests import state_page
from tests.examples import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SUITE = ROOT / "docs/examples/box"
CHECKS = sorted(path for path in SUITE.rglob("*") if path.is_file() and path.name not in ("README.md", "pexen.toml"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """As hosting sites make them of headings."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def test_the_page_about_states_is_the_one_of_today():
    assert state_page.page(state_page.PAGE.read_text()) == state_page.PAGE.read_text(), (
        "run: .venv/bin/python scripts/write_docs states"
    )


def test_every_page_is_reached_from_the_readme():
    seen, pending = set(), [ROOT / "README.md"]
    while pending:
        page = pending.pop()
        seen.add(page)
        for target in re.findall(r"\]\(([^)\s#]+\.md)[^)]*\)", page.read_text()):
            there = Path(os.path.normpath(page.parent / target))
            if there not in seen and there.exists():
                pending.append(there)

    assert {name_of(page) for page in PAGES} - {name_of(page) for page in seen} <= {"CHANGELOG.md"}


def test_the_sample_suite_is_about_forty_checks_three_levels_deep_in_two_languages():
    assert 36 <= len(CHECKS) <= 60
    assert {len(path.relative_to(SUITE).parts) for path in CHECKS} == {3}
    first = [path.read_text().partition("\n")[0] for path in CHECKS]
    assert set(first) == {"#!/bin/sh", "#!/usr/bin/env python3"}
    assert min(first.count(line) for line in set(first)) >= 15


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_a_check_is_executable_can_be_read_by_its_interpreter_and_says_what_it_is_for(check):
    text = check.read_text()

    assert check.stat().st_mode & stat.S_IXUSR
    if text.startswith("#!/bin/sh"):
        subprocess.run(["sh", "-n", str(check)], check=True)
        assert re.match(r"#!/bin/sh\n# [A-Z/].*\.\n(#.*\n)*set -eu\n", text)
    else:
        assert ast.get_docstring(ast.parse(text))
    assert "exit 77" not in text or "skip: " in text
