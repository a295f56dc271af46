"""A disk that is full: an error that says so, nothing that was committed lost, and the end still written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pexen_state.core.inputs import PoolHasRoom
from pexen_state.journal.care.check import check
from pexen_state.journal.errors import JournalFull, JournalWriteError
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.records import AttemptEnd
from pexen_state.journal.reserve import Reserve
from tests.journal.telling import Runner, sql
from tests.stories import returned, spec


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Eight MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path, leave: int) -> None:
    disk = os.statvfs(place)
    free = disk.f_bavail * disk.f_frsize
    with open(place / "ballast", "ab") as ballast:
        os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, free - leave)


def test_a_turn_for_which_there_is_no_room_is_refused_before_it_is_written(small_disk: Path) -> None:
    path = small_disk / "journal.db"
    runner = Runner(path)
    runner.begin(spec("a"), spec("b"))
    fill(small_disk, leave=64 * 1024)

    with pytest.raises(JournalFull, match=r"the disk of the journal .* is full"):
        runner.turn(returned("a"), PoolHasRoom(1))
    with pytest.raises(JournalWriteError):
        runner.journal.append([])
    runner.journal.end_session("failed")
    runner.close(None)

    assert check(path) == []
    assert sql(path, "SELECT how_ended FROM sessions") == [("failed",)]
    assert sql(path, "SELECT task, state FROM tasks") == [("a", "submitted"), ("b", "ready")]


def test_a_write_that_the_disk_cuts_off_is_an_error_and_the_end_is_still_written(small_disk: Path) -> None:
    path = small_disk / "journal.db"
    runner = Runner(path)
    runner.begin(spec("a"), spec("b"))
    fill(small_disk, leave=3 * 1024 * 1024)

    # More than the look before the write can know of.
    with pytest.raises(JournalFull):
        runner.turn(returned("a"), PoolHasRoom(1), left={"a": AttemptEnd(ret_json='"' + "x" * 5_000_000 + '"')})
    runner.journal.end_session("failed")
    runner.close(None)

    assert check(path) == []
    assert sql(path, "SELECT how_ended FROM sessions") == [("failed",)]
    assert sql(path, "SELECT state FROM tasks WHERE task = 'a'") == [("submitted",)]
    (small_disk / "ballast").unlink()
    again = Runner(path)
    again.go_on()
    again.close()


def test_the_reserve_is_there_while_it_runs_and_given_back_at_the_end(tmp_path: Path) -> None:
    reserve = tmp_path / "journal.db.reserve"
    runner = Runner(tmp_path / "journal.db")
    assert reserve.stat().st_blocks * 512 >= 1024 * 1024

    runner.close(None)

    assert not reserve.exists()


def test_a_disk_without_room_for_a_reserve_is_run_on_without_one(small_disk: Path) -> None:
    fill(small_disk, leave=100_000)
    reserve = Reserve(JournalPaths.of(small_disk / "journal.db"))

    assert not reserve.hold()
    assert not (small_disk / "journal.db.reserve").exists()
    with pytest.raises(JournalFull):
        reserve.check()
