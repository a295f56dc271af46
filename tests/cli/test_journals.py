"""Which journal a command is about, in the order in which places are looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pexen_state.cli import journals
from pexen_state.cli.errors import UsageError
from pexen_state.journal.errors import JournalReadOnly


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two directories deep in a project that has a journal; the home is above."""
    (tmp_path / "project/deep/er").mkdir(parents=True)
    (tmp_path / "project/.pexen").mkdir()
    (tmp_path / "project/.pexen/journal.db").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "project/deep/er")
    return tmp_path


def path_of(option: str | None = None) -> str | None:
    found = journals.find(option)
    return found.path if found is not None else None


def test_the_option_wins_over_the_environment_over_the_service_over_what_is_upwards(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    assert path_of() == str(here / "project/.pexen/journal.db")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/pexen:/var/lib/other")
    assert path_of() == "/var/lib/pexen/journal.db"
    monkeypatch.setenv("PEXEN_JOURNAL", "named.db")
    assert path_of() == str(here / "project/deep/er/named.db")
    assert path_of("/x/y.db") == "/x/y.db"


def test_a_nearer_journal_wins(here: Path):
    (here / "project/deep/.pexen").mkdir()
    (here / "project/deep/.pexen/journal.db").touch()

    assert path_of() == str(here / "project/deep/.pexen/journal.db")


def test_nobody_looks_above_a_home_directory(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(here / "project/deep"))

    assert path_of() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_journal_of_somebody_else_is_not_found_but_can_be_named(here: Path, monkeypatch: pytest.MonkeyPatch):
    journal = here / "project/.pexen/journal.db"
    os.chown(journal, 4711, -1)

    assert path_of() is None
    assert path_of(str(journal)) == str(journal)
    monkeypatch.setenv("SUDO_UID", "4711")
    assert path_of() == str(journal)


def test_a_new_run_makes_its_journal_in_the_root_of_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "suite"
    root.mkdir()

    path = journals.for_run(None, str(root))
    assert list(root.iterdir()) == []
    journals.prepare(path)

    assert path == str(root / ".pexen/journal.db")
    assert (root / ".pexen/.gitignore").read_text() == "*\n"
    assert (root / ".pexen").stat().st_mode & 0o777 == 0o700
    journals.prepare(path)  # again, as every run does


def test_a_directory_of_another_name_is_not_ours_to_make(tmp_path: Path):
    journals.prepare(str(tmp_path / "var/journal.db"))

    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_told(tmp_path: Path):
    (tmp_path / ".pexen").touch()

    with pytest.raises(JournalReadOnly, match="no journal can be made in"):
        journals.prepare(str(tmp_path / ".pexen/journal.db"))


def test_a_directory_is_no_journal(here: Path):
    with pytest.raises(UsageError, match="names a directory"):
        journals.find(str(here))


def test_the_next_command_names_the_journal_only_where_it_has_to(here: Path):
    journal = str(here / "project/.pexen/journal.db")
    deep = str(here / "project/deep")

    assert journals.option_for(journal, None, deep) == ""
    assert journals.option_for(journal, journal, str(here / "project")) == " --journal .pexen/journal.db"
    assert journals.option_for("/a b/j.db", None, deep) == " --journal '/a b/j.db'"


def test_the_next_command_is_for_who_types_it_whatever_the_environment_of_the_tasks_is(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    typed_in = dict(os.environ)
    journal = str(here / "project/.pexen/journal.db")
    deep = str(here / "project/deep")
    for name, value in (("HOME", deep), ("STATE_DIRECTORY", "/var/lib/pexen")):
        monkeypatch.setenv(name, value)

        assert journals.option_for(journal, None, deep) == f" --journal {journal}"
        assert journals.option_for(journal, None, deep, typed_in) == ""


def test_latest_leads_to_the_newest_runs_output(tmp_path: Path):
    journal = tmp_path / ".pexen/journal.db"
    journal.parent.mkdir()

    for run in (1, 2):
        journals.link_latest(str(journal), str(tmp_path / f".pexen/journal.d/run-{run}"))

    assert os.readlink(tmp_path / ".pexen/latest") == "journal.d/run-2"
