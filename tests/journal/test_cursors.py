"""Where consumers keep how far they got: lost, damaged, replaced, on a full disk, or not to be written to."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from pexen_state.journal.following import ConsumerError, events
from pexen_state.journal.following.cursors import Cursors
from pexen_state.journal.following.stream import Position
from pexen_state.journal.paths import JournalPaths
from tests.crash.disks import clear, ext4, fail, fill, tmpfs
from tests.journal.following import BootClock, Run, cursors, leases, worker

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def run(path: Path) -> Iterator[Run]:
    run = Run(path, 3)
    yield run
    run.runner.close(None)


def test_the_file_is_for_its_owner_alone_whatever_the_umask(path: Path, run: Run):
    before = os.umask(0)
    try:
        next(worker(path))
    finally:
        os.umask(before)

    made = [file for file in path.parent.iterdir() if ".consumers" in file.name]
    assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}
    assert len(made) == 2


def test_the_file_says_what_it_is_and_has_no_log(path: Path, run: Run):
    next(worker(path))

    with closing(sqlite3.connect(cursors(path))) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"pexc", "big"),)
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)  # as one that nobody has changed


def test_a_deleted_file_is_noticed_and_a_new_start_is_given_everything_again(path: Path, run: Run):
    run.end()
    follower = worker(path)
    first = next(follower)
    cursors(path).unlink()

    with pytest.raises(ConsumerError, match="was deleted, moved or replaced while a consumer used it"):
        first.ack()
    with pytest.raises(ConsumerError, match="was deleted"):
        list(follower)

    assert len(list(worker(path))) == 12


def test_a_replaced_file_is_noticed(path: Path, run: Run):
    run.end()
    follower = worker(path)
    next(follower)
    for file in (cursors(path), Path(f"{cursors(path)}-journal")):
        file.unlink()
    next(worker(path, "another"))

    with pytest.raises(ConsumerError, match="was deleted, moved or replaced while a consumer used it"):
        list(follower)


@pytest.mark.parametrize("part", [100, 4096, 5000])
def test_a_truncated_file_is_told_with_the_way_out(path: Path, run: Run, part: int):
    run.end()
    next(worker(path))
    os.truncate(cursors(path), part)

    with pytest.raises(ConsumerError, match=r"consumers keep how far they got, is damaged .* Delete it"):
        list(worker(path))

    cursors(path).unlink()
    assert len(list(worker(path))) == 12


def test_an_empty_file_is_as_none(path: Path, run: Run):
    run.end()
    cursors(path).touch()

    assert len(list(worker(path))) == 12


def test_every_page_overwritten_is_an_error_or_nothing(path: Path, run: Run):
    run.end()
    list(worker(path, "old"))
    whole = cursors(path).read_bytes()
    for page in range(len(whole) // 4096):
        broken = bytearray(whole)
        broken[page * 4096 : (page + 1) * 4096] = os.urandom(4096)
        cursors(path).write_bytes(broken)
        given = said = None
        try:
            given = list(worker(path, f"new {page}"))
        except ConsumerError as error:
            said = str(error)
        assert given is None or len(given) == 12
        assert said is None or "Delete it" in said or "Move it away" in said


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"\0" * 5000])
def test_what_somebody_else_put_there_is_left_alone(path: Path, run: Run, content: bytes):
    cursors(path).write_bytes(content)

    with pytest.raises(ConsumerError, match=r"is damaged .* Delete it"):
        worker(path)
    assert cursors(path).read_bytes() == content


def test_a_database_of_somebody_else_is_left_alone(path: Path, run: Run):
    with closing(sqlite3.connect(cursors(path))) as connection, connection:
        connection.execute("CREATE TABLE theirs(x)")

    with pytest.raises(ConsumerError, match="is a database of somebody else"):
        worker(path)

    with closing(sqlite3.connect(cursors(path))) as connection, connection:
        connection.execute("PRAGMA application_id=1")
    with pytest.raises(ConsumerError, match="was not written by pexen"):
        worker(path)


def test_a_file_of_another_version_is_left_alone(path: Path, run: Run):
    next(worker(path))
    with closing(sqlite3.connect(cursors(path))) as connection, connection:
        connection.execute("PRAGMA user_version=2")

    with pytest.raises(ConsumerError, match=r"another version of pexen \(its schema is 2, this one knows 1\)"):
        worker(path)


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
def test_what_is_no_file_is_not_touched(path: Path, run: Run, kind: str):
    other = path.parent / "other.db"
    if kind == "link":
        other.touch()
        cursors(path).symlink_to(other)
    elif kind == "directory":
        cursors(path).mkdir()
    else:
        os.mkfifo(cursors(path))

    with pytest.raises(ConsumerError, match=r"is no file\. Move it away"):
        worker(path)
    assert kind != "link" or other.stat().st_size == 0


def as_nobody(path: Path, consumer: str | None) -> str:
    """What is said to a user who may only read, and follows it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.write(writing, b"%d events" % len(list(events(path, consumer=consumer))))
        except ConsumerError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading) as said:
        return said.read()


@pytest.fixture
def readable() -> Iterator[Path]:
    """A directory that others may enter; those of tests they may not."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody who may only read")
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def test_a_directory_that_cannot_be_written_to_lets_nobody_remember_and_everybody_look(readable: Path):
    path = readable / "journal.db"
    Run(path, 3).end()
    path.chmod(0o644)

    assert "journal.db.consumers cannot be written to (Permission denied), so no consumer" in as_nobody(path, "upload")
    assert as_nobody(path, None) == "12 events"


def begin_many(path: Path) -> None:
    """Until the file needs a page more."""
    for _ in range(2000):
        list(worker(path, os.urandom(99).hex(), follow=False))


def test_a_full_disk_keeps_what_was_acknowledged(tmp_path: Path):
    with tmpfs(tmp_path / "disk") as place:
        path = place / "journal.db"
        Run(path, 50).end()
        follower = worker(path, ack=False)
        done = [next(follower) for _ in range(5)]
        for event in done:
            event.ack()
        fill(place)
        with pytest.raises(ConsumerError, match=r"the disk of .* is full\. What was acknowledged before is kept"):
            begin_many(path)
        clear(place)
        follower.close()

        rest = list(worker(path))

        assert not {event.position for event in rest} & {event.position for event in done}
        assert len(rest) + len(done) == len(list(events(path)))
        assert check(path) == []


def test_a_disk_that_fails_is_told(tmp_path: Path):
    with ext4(tmp_path / "disk") as place:
        path = place / "journal.db"
        Run(path, 3).end()
        follower = worker(path)
        event = next(follower)
        fail(place)

        with pytest.raises(ConsumerError, match=r"cannot be written to|could not be read or written"):
            event.ack()
        del follower


def test_many_who_begin_at_once_make_one_file(path: Path, run: Run):
    run.end()
    began: list[int] = []
    failed: list[BaseException] = []
    gate = threading.Barrier(8)

    def begin(number: int) -> None:
        gate.wait()
        try:
            began.append(len(list(worker(path, f"consumer {number}"))))
        except ConsumerError as error:
            failed.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert began == [12] * 8


def test_processes_that_begin_at_once_share(path: Path, run: Run):
    run.end()
    code = (
        "import sys; from pexen_state import events\n"
        f"print(*[f'{{event.seq}}.{{event.position.nth}}' for event in events({str(path)!r}, consumer='upload')])"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)})
        for _ in range(3)
    ]
    given = [word for one in workers for word in one.communicate()[0].split()]

    assert [one.returncode for one in workers] == [0, 0, 0]
    assert len(given) == len(set(given)) == 12


def test_what_is_handed_out_twice_is_done_when_one_of_the_two_says_so(path: Path):
    clock = BootClock()
    desk = Cursors(JournalPaths.of(path), clock)
    consumer, slow = desk.enter("upload", 1, "uuid", "everything")
    _, other = desk.enter("upload", 1, "uuid", "everything")
    offered = [(Position(seq, 0), None) for seq in range(1, 5)]
    assert desk.claim(consumer, slow, offered, 3, 60.0).new == [Position(1, 0), Position(2, 0), Position(3, 0)]
    clock.go_on(60.0)

    taken = desk.claim(consumer, other, offered, 10, 60.0)
    desk.acknowledge(consumer, [Position(1, 0)])

    assert taken.again == [(Position(1, 0), 2), (Position(2, 0), 2), (Position(3, 0), 2)]
    assert taken.new == [Position(4, 0)]
    assert leases(path) == [(2, 0), (3, 0), (4, 0)]
    assert desk.standing(consumer, other).others is False
    desk.leave(consumer, other)
    assert desk.standing(consumer, slow).free is True


def test_another_boot_frees_what_its_workers_had(path: Path, run: Run):
    run.end()
    follower = worker(path, lease=None)
    next(follower)
    with closing(sqlite3.connect(cursors(path))) as connection, connection:
        connection.execute("UPDATE worker SET boot_id = 'of yesterday'")

    assert len(list(worker(path, lease=None))) == 12


def test_a_consumer_that_was_forgotten_is_told(path: Path, run: Run):
    follower = worker(path)
    next(follower)
    with closing(sqlite3.connect(cursors(path))) as connection, connection:
        connection.execute("DELETE FROM consumer")

    with pytest.raises(ConsumerError, match="does not know this consumer any more"):
        list(follower)


def test_whoever_is_stopped_in_the_middle_is_waited_for_and_then_told_of(
    path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
):
    next(worker(path))
    monkeypatch.setattr("pexen_state.journal.following.cursors._BUSY_S", 0.0)
    with closing(sqlite3.connect(cursors(path), isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")

        with pytest.raises(ConsumerError, match=r"another process has held .* Look for who was stopped"):
            worker(path, "another")
