"""A pexen that is newer than the journal: looking says what to do, a resume does it by itself and goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

from pexen_state.journal.versions import REVISION
from tests.cli.box import Box

OLD = Path(__file__).parents[1] / "journal" / "fixtures" / "journal-0001.db"


def test_a_run_that_an_older_pexen_left_is_gone_on_with_after_an_upgrade(box: Box) -> None:
    box.journal.parent.mkdir()
    shutil.copy(OLD, box.journal)

    refused = box.pexen("runs")
    assert (refused.code, refused.out) == (3, "")
    assert "was written by an older pexen (its schema is 0001" in refused.err
    assert "`pexen db upgrade` brings it up to date after a backup; every run does so by itself." in refused.err

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
