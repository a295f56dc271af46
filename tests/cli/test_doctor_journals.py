"""What the doctor sees of journals that are whole, old, damaged or none, and of what dead runs left beside them."""

from __future__ import annotations

import os
import random
import shutil
import socket
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from pexen_state.cli.doctor import reading_journal
from pexen_state.cli.doctor.examination import findings
from pexen_state.cli.doctor.finding import Level
from pexen_state.cli.doctor.seen import Seen
from pexen_state.journal.paths import JournalPaths
from tests.cli.box import Box

FIXTURES = Path(__file__).parents[1] / "journal" / "fixtures"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    box = Box(tmp_path_factory.mktemp("whole"))
    box.file("s.jobs", "".join(f"task-{number}: true\n" for number in range(40)))
    assert box.pexen("run", "s.jobs", "-j2").code == 0
    return box.journal


def test_a_whole_journal(whole: Path):
    found = reading_journal.journal(str(whole), True)

    assert found.trouble is None
    assert found.content is not None
    assert found.content.faults == ()
    assert not found.content.may_reboot
    assert len(found.content.uuids) == 1
    with closing(sqlite3.connect(f"file:{whole}?mode=ro", uri=True)) as connection:
        ((ended,),) = connection.execute("SELECT max(ended_us) FROM session").fetchall()
    assert found.content.newest_us == ended


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ('{"options": {"allow_reboot": true}}', True),
        ('{"options": {"allow_reboot": false}}', False),
        ('{"options": {}}', False),
        ('{"options": [1]}', False),
        ('["options"]', False),
        ("null", False),
        ("[" * 100_000, False),
        ("", False),
    ],
)
def test_whether_a_run_may_reboot_the_box(whole: Path, tmp_path: Path, recorded: str, expected: bool):
    copy = shutil.copyfile(whole, tmp_path / "journal.db")
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE run SET recorded = ?", (recorded,))

    found = reading_journal.journal(str(copy), True)

    assert found.content is not None
    assert found.content.may_reboot is expected


@pytest.mark.parametrize("fixture", sorted(FIXTURES.glob("journal-*.db")), ids=lambda path: path.stem)
def test_a_journal_of_each_schema_is_examined_before_it_is_upgraded(tmp_path: Path, fixture: Path):
    copy = tmp_path / "journal.db"
    shutil.copyfile(fixture, copy)

    found = reading_journal.journal(str(copy), True)

    assert found.content is not None
    assert found.content.revision == fixture.stem.removeprefix("journal-")
    assert found.content.faults == ()
    assert found.content.newest_us is not None
    assert found.content.uuids


def test_what_is_no_journal(tmp_path: Path):
    (tmp_path / "text").write_text("hello, " * 1000)
    (tmp_path / "empty").write_text("")
    (tmp_path / "lost").write_text("")
    (tmp_path / "lost-wal").write_text("what was in it")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    with closing(sqlite3.connect(tmp_path / "other")) as connection:
        connection.execute("CREATE TABLE a (b)")

    found = {
        one: reading_journal.journal(str(tmp_path / one), True) for one in ("text", "other", "pipe", "link", "lost")
    }

    assert all(one.trouble for one in found.values())
    assert "no SQLite database" in (found["text"].trouble or "")
    assert "no journal of pexen" in (found["other"].trouble or "")
    assert "is no file" in (found["pipe"].trouble or "")
    assert "is damaged (it is empty" in (found["lost"].trouble or "")
    assert (tmp_path / "lost-wal").read_text() == "what was in it"
    empty = reading_journal.journal(str(tmp_path / "empty"), True)
    assert (empty.trouble, empty.content) == (None, None)
    missing = reading_journal.journal(str(tmp_path / "a/b/c.db"), True)
    assert (missing.is_there, missing.trouble) == (False, None)
    assert missing.mount is not None


@pytest.mark.parametrize("seed", range(150))
def test_a_damaged_journal_is_told_or_usable_and_never_a_traceback(whole: Path, tmp_path: Path, seed: int):
    chance = random.Random(seed)
    data = bytearray(whole.read_bytes())
    match seed % 3:
        case 0:
            for _ in range(chance.randint(1, 20)):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 1:
            del data[chance.randrange(len(data)) :]
        case _:
            pages = len(data) // 4096
            one, two = (4096 * chance.randrange(pages) for _ in range(2))
            data[one : one + 4096], data[two : two + 4096] = data[two : two + 4096], data[one : one + 4096]
    damaged = tmp_path / "journal.db"
    damaged.write_bytes(data)

    found = reading_journal.journal(str(damaged), True)
    uuids = found.content.uuids if found.content is not None else ()
    said = findings(Seen((3, 51, 3), found, reading_journal.left(str(damaged), uuids)))

    assert damaged.read_bytes() == bytes(data)
    if seed % 3 == 1 and 0 < len(data) < whole.stat().st_size - 4096:
        assert said[0].level is Level.BAD, said[0]


# -- what dead runs have left


def test_sockets_that_nobody_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    served = []
    for name in ("pexen-deserted", "pexen-serving_", "pexen-new_one_", "pexen-holds_it"):
        (tmp_path / name).mkdir()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / name / "socket"))
        if name == "pexen-serving_":
            listener.listen(1)
            served.append(listener)
        else:
            listener.close()
        os.utime(tmp_path / name, (0, 0))
    os.utime(tmp_path / "pexen-new_one_")
    (tmp_path / "pexen-holds_it/else").touch()
    (tmp_path / "pexen-short").mkdir()
    (tmp_path / "pexen-linked__").symlink_to("pexen-deserted")

    found = reading_journal.left(str(tmp_path / "journal.db"), ()).directories

    assert [path for path in found if path.startswith(str(tmp_path))] == [str(tmp_path / "pexen-deserted")]
    for listener in served:
        listener.close()


def test_half_copies_and_the_files_of_a_killed_runner(tmp_path: Path):
    paths = JournalPaths.of(tmp_path / "journal.db")
    half = tuple(f"{paths.backup('0003')}.partial{part}" for part in ("", "-journal", "-shm", "-wal"))
    for path in (paths.reserve, *half, str(tmp_path / "other.partial")):
        Path(path).touch()

    found = reading_journal.left(paths.db, ())

    assert found.files == (paths.reserve,)
    assert tuple(sorted(found.copies)) == half
    assert found.processes == ()
