"""Disks that are full, or fail, while a run goes on: nothing new starts, exit code 3, and nothing committed is lost."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.crash import disks, suite
from tests.crash.aftermath import ask, leftovers, resume, violations
from tests.crash.sessions import Ended, Nursery, Session

Disk = Callable[[Path], AbstractContextManager[Path]]
BOTH_DISKS = pytest.mark.parametrize("disk", [disks.tmpfs, disks.ext4])


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Where the witness writes: a disk that fails must not silence it."""
    (tmp_path / "outside").mkdir()
    return tmp_path / "outside"


def held(nursery: Nursery, place: Path, outside: Path, after: int = 4) -> Session:
    """A session on that disk whose caller has so many results."""
    (place / "witness.log").symlink_to(outside / "witness.log")
    session = suite.start(nursery, place, "process", "--hold-after", str(after))
    assert session.held(), session.wait().err
    return session


def ends_with(session: Ended, error: str) -> None:
    assert session.code == suite.JOURNAL_FAILED, session.err
    assert session.err.startswith(f"{error}: "), session.err
    assert session.err.count("\n") == 1, session.err


def goes_on(nursery: Nursery, place: Path, session: Ended) -> None:
    assert leftovers(place) == []
    assert list(violations(place, [session, *resume(nursery, place, "process")])) == []


@BOTH_DISKS
@pytest.mark.parametrize("leave", [0, 40_000, 900_000])
def test_a_disk_that_is_full_ends_the_session_and_the_end_is_written(
    disk: Disk, leave: int, nursery: Nursery, tmp_path: Path, outside: Path
) -> None:
    with disk(tmp_path / "small") as place:
        session = held(nursery, place, outside)
        disks.fill(place, leave)
        session.go_on()
        ended = session.wait()

        ends_with(ended, "JournalFull")
        assert ask(place, "SELECT how_ended FROM sessions") == [("failed",)]
        assert not (place / "journal.db.reserve").exists()
        disks.clear(place)
        goes_on(nursery, place, ended)


@BOTH_DISKS
def test_a_disk_that_is_full_before_says_so(disk: Disk, nursery: Nursery, tmp_path: Path, outside: Path) -> None:
    with disk(tmp_path / "small") as place:
        (place / "witness.log").symlink_to(outside / "witness.log")
        disks.fill(place)

        ended = suite.start(nursery, place, "process").wait()

        assert ended.code == suite.JOURNAL_FAILED, ended.err
        assert "Traceback" not in ended.err
        disks.clear(place)
        assert list(violations(place, [ended, *resume(nursery, place, "process")])) == []


def test_a_disk_that_turns_read_only_ends_the_session(nursery: Nursery, tmp_path: Path, outside: Path) -> None:
    with disks.ext4(tmp_path / "small") as place:
        session = held(nursery, place, outside)
        disks.fail(place)
        session.go_on()
        ended = session.wait()

        assert ended.code == suite.JOURNAL_FAILED, ended.err
        assert ended.err.startswith("Journal"), ended.err
        assert ended.err.count("\n") == 1
        assert leftovers(place) == []
        subprocess.run(["umount", "-l", place], check=True)
        disks.mount_again(place)
        assert list(violations(place, [ended, *resume(nursery, place, "process")])) == []


@pytest.mark.parametrize("over", [0, 20_000])
def test_a_limit_of_the_size_of_files_is_reached(over: int, nursery: Nursery, tmp_path: Path, outside: Path) -> None:
    session = held(nursery, tmp_path, outside)
    most = os.stat(tmp_path / "journal.db-wal").st_size + over
    resource.prlimit(session.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    session.go_on()
    ended = session.wait()

    assert ended.code == suite.JOURNAL_FAILED, ended.err
    assert ended.err.startswith("Journal"), ended.err
    assert ended.err.count("\n") == 1
    goes_on(nursery, tmp_path, ended)
