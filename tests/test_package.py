"""The package as a whole: what importing it costs, and what it offers."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pexen_state

ROOT = Path(__file__).parent.parent


def modules_after(statement):
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_that_costs():
    loaded = modules_after("import pexen_state")

    assert not loaded & {"sqlalchemy", "alembic", "rich", "click", "psutil", "sqlite3", "asyncio", "multiprocessing"}
    assert {name for name in loaded if name.startswith("pexen_state")} == {"pexen_state", "pexen_state.util"}


@pytest.mark.parametrize(
    "statement",
    ["from pexen_state import task", "from pexen_state import factory", "import pexen_state; pexen_state.sched.meta"],
)
def test_a_file_of_tasks_needs_neither_the_journal_nor_a_pool(statement):
    loaded = modules_after(statement)

    assert not loaded & {"sqlalchemy", "alembic", "rich", "click", "sqlite3", "asyncio", "multiprocessing"}
    assert not loaded & {"pexen_state.sched.planner", "pexen_state.sched.pool", "pexen_state.journal"}


def test_every_public_name_is_there():
    for package in (pexen_state, pexen_state.sched, pexen_state.factory):
        for name in package.__all__:
            assert getattr(package, name) is not None
            assert name in dir(package)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'pexen_state' has no attribute 'Shed'"):
        pexen_state.Shed  # noqa: B018
    with pytest.raises(AttributeError, match=r"module 'pexen_state\.sched' has no attribute 'Shed'"):
        pexen_state.sched.Shed  # noqa: B018


def test_the_version_stands_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert "version" not in project
    assert "version" in project["dynamic"]
    assert pexen_state.__version__[0].isdigit()
    assert f"## {pexen_state.__version__}" in (ROOT / "CHANGELOG.md").read_text()
