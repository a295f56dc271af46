"""A pexen that is newer than the journal: it can be looked at as it is, and a resume upgrades it and goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pexen_state.journal.versions import REVISION
from tests.cli.box import Box
from tests.cli.typed import typed

FIXTURES = sorted((Path(__file__).parents[1] / "journal" / "fixtures").glob("journal-*.db"))
OLD = FIXTURES[0]

LOOKING = (
    ["runs"],
    ["status"],
    ["status", "2", "--json"],
    ["show"],
    ["show", "2"],
    ["show", "jobs", "second"],
    ["why", "jobs", "last"],
    ["locks"],
    ["logs", "--all"],
    ["events", "2"],
    ["events"],
    ["sql", "SELECT * FROM tasks JOIN attempts USING (run, task) JOIN runs ON runs.id = run"],
    ["sql", "SELECT * FROM results JOIN facts USING (run)"],
    ["sql", "-l"],
    ["report", "2", "--junit", "-"],
    ["report", "2", "--jsonl", "-"],
    ["report", "3", "--md", "-"],
    ["report", "2", "--html", "report.html"],
    ["diff", "2", "3"],
    ["history", "second"],
    ["flaky"],
    ["slowest"],
    ["sql", "SELECT * FROM facts"],
    ["resume", "--plan"],
    ["resume", "--check"],
    ["db", "check"],
    ["db", "prune", "--keep", "1", "-n"],
    ["db", "backup", "copy.db", "--force"],
)


def test_a_run_that_an_older_pexen_left_is_gone_on_with_after_an_upgrade(box: Box) -> None:
    box.journal.parent.mkdir()
    shutil.copy(OLD, box.journal)

    assert [line.split()[0] for line in box.pexen("runs").lines] == ["run", "3", "2", "1"]
    assert box.sql("SELECT version_num FROM alembic_version") == [("0001",)]

    resumed = box.pexen("resume")

    assert resumed.code == 1, resumed.err  # `second` had failed
    assert box.sql("SELECT task, state, attempts FROM tasks WHERE run = 3 ORDER BY number") == [
        ("first", "succeeded", 1),
        ("second", "failed", 1),
        ("hangs", "succeeded", 2),
        ("last", "succeeded", 2),
    ]
    assert box.sql("SELECT version_num FROM alembic_version") == [(REVISION,)]
    assert box.journal.with_name("journal.db.backup-0001").is_file()
    assert box.pexen("db", "check").code == 0
    assert box.sql("SELECT state FROM runs ORDER BY id") == [("finished",), ("superseded",), ("finished",)]


@pytest.mark.parametrize("written", FIXTURES, ids=lambda path: path.stem)
def test_every_look_at_a_journal_of_any_schema_says_what_it_says_after_the_upgrade(
    tmp_path: Path, written: Path
) -> None:
    journal = tmp_path / ".pexen/journal.db"
    journal.parent.mkdir()
    shutil.copy(written, journal)
    raw = journal.read_bytes()

    before = [looked(tmp_path, words) for words in LOOKING]

    assert journal.read_bytes() == raw
    assert list(tmp_path.rglob("*backup*")) == []
    assert typed(tmp_path, "db", "upgrade").code == 0
    for words, seen in zip(LOOKING, before, strict=True):
        assert seen[0] in (0, 1), f"{words}: {seen}"
        assert looked(tmp_path, words) == seen, words


def looked(directory: Path, words: list[str]) -> tuple[int, str]:
    """What is said, but for what an upgrade may change: the bytes of a copy."""
    code, out, err = typed(directory, *words)
    return code, "" if "backup" in words else out + err


@pytest.mark.parametrize("written", FIXTURES[:-1], ids=lambda path: path.stem)
def test_what_deletes_or_exports_runs_of_an_older_journal_leaves_a_sound_one(tmp_path: Path, written: Path) -> None:
    journal = tmp_path / ".pexen/journal.db"
    journal.parent.mkdir()
    shutil.copy(written, journal)

    exported = typed(tmp_path, "db", "export", "2", "some.db")
    pruned = typed(tmp_path, "db", "prune", "--keep", "1")

    assert (exported.code, pruned.code) == (0, 0)
    assert "was upgraded; what it was is in .pexen/journal.db.backup-" in pruned.err
    for path in ("some.db", ".pexen/journal.db"):
        assert typed(tmp_path, "db", "check", "--journal", path).code == 0
    assert typed(tmp_path, "show", "2", "--journal", "some.db").code == 0
