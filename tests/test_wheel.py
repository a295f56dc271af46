"""What is shipped: the wheel works in an environment of its own, far from the checkout."""

from __future__ import annotations

import os
import select
import subprocess
import tarfile
import zipfile

import pytest

from tests.wheels import build, install


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The programs of a fresh environment that has the wheel and what it requires, and nothing of the checkout."""
    return install(wheel, tmp_path_factory.mktemp("environment"))


@pytest.fixture
def pexen(installed, tmp_path, monkeypatch):
    """Run the installed command in a directory that has nothing to do with the checkout."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    # Somebody may have a journal in a directory above.
    monkeypatch.setenv("PEXEN_JOURNAL", "journal.db")

    def run(*arguments, **options):
        return subprocess.run(
            [installed / "pexen", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False, **options
        )

    return run


def test_the_wheel_holds_the_package_its_type_marker_and_the_migrations(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert "pexen_state/__init__.py" in names
    assert "pexen_state/py.typed" in names
    assert "pexen_state/journal/asking/questions/failed.sql" in names
    assert "pexen_state/_migrations/env.py" in names
    assert any(name.startswith("pexen_state/_migrations/versions/") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "migrations/"))]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_source_distribution_holds_all_that_a_wheel_is_made_of(tmp_path):
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "alembic.ini", "migrations/env.py"):
        assert name in names
    assert "tests/test_wheel.py" in names
    assert "scripts/check" in names


def test_what_is_installed_is_the_wheel_and_what_it_requires(installed):
    code = "import importlib.util, pexen_state; print(pexen_state.__file__, importlib.util.find_spec('pytest'))"
    done = subprocess.run([installed / "python", "-c", code], capture_output=True, text=True, check=True, cwd="/")

    where, pytest_is_there = done.stdout.split()
    assert where.startswith(str(installed.parent))
    assert pytest_is_there == "None"


def test_a_run_of_the_installed_command_is_killed_and_resumed_and_asked_by_sql(pexen, installed, tmp_path):
    os.mkfifo(tmp_path / "never-written")
    os.mkfifo(tmp_path / "begun")
    begun = os.open(tmp_path / "begun", os.O_RDWR)  # opened for both, it waits for nobody
    (tmp_path / "night.jobs").write_text(
        "quick: echo quick >> witness\n"
        "slow: echo slow >> witness; if [ ! -e again ]; then echo > begun; cat never-written; fi\n"
    )
    with subprocess.Popen(
        [installed / "pexen", "run", "-j1", "night.jobs"], cwd=tmp_path, stdout=subprocess.DEVNULL
    ) as runner:
        ended = os.pidfd_open(runner.pid)
        ready, _, _ = select.select([begun, ended], [], [])
        # The second task may begin before it is on the disk that the first has ended.
        while "quick,succeeded" not in pexen("sql", "--csv", "SELECT task, state FROM tasks").stdout:
            assert runner.poll() is None
        runner.kill()
    os.close(ended)
    os.close(begun)
    assert ready == [begun], "the run ended before its second task began"
    (tmp_path / "again").touch()

    resumed = pexen("resume")
    asked = pexen("sql", "--csv", "SELECT task, state, attempts FROM tasks ORDER BY task")

    assert resumed.returncode == 0, resumed.stderr
    assert (tmp_path / "witness").read_text().split() == ["quick", "slow", "slow"]
    assert asked.stdout.splitlines() == ["task,state,attempts", "quick,succeeded,1", "slow,succeeded,2"]
    assert pexen("resume").returncode == 5


def test_tasks_of_the_installed_command_find_theirs_and_may_run_a_pexen_of_their_own(pexen, tmp_path):
    inner = "echo 'one: true' >inner.jobs && pexen --journal inner.db run inner.jobs"
    keeps = 'pexen checkpoint k v && test "$(pexen checkpoint k)" = v'
    (tmp_path / "s.jobs").write_text(f"keeps: {keeps}\nskips: pexen skip no\nruns: {inner}\n")

    done = pexen("run", "s.jobs")
    asked = pexen("sql", "--csv", "SELECT task, verdict FROM tasks ORDER BY number")

    assert done.returncode == 0, done.stdout + done.stderr
    assert asked.stdout.splitlines() == ["task,verdict", "keeps,pass", "skips,skip", "runs,pass"]
