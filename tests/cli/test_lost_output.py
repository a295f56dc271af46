"""Standard output that cannot be written to: what was asked for is lost, and that is told. A run goes on."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pexen_state.cli.output import note, take_trouble
from tests.cli.box import COMMAND, Box

FULL = "pexen: standard output cannot be written to: No space left on device\n"


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    box = Box(tmp_path_factory.mktemp("one-run"))
    box.script("suite/one", "echo hello")
    box.pexen("run", "suite")
    return box.directory


@pytest.fixture
def ran(box: Box, one_run: Path) -> Box:
    shutil.copytree(one_run, box.directory, symlinks=True, dirs_exist_ok=True)
    return box


def to_full_disk(box: Box, *words: str) -> tuple[int, str]:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *words], cwd=box.directory, env=box.environment, stdout=full, stderr=subprocess.PIPE, text=True
        )
    return done.returncode, done.stderr


def to_nobody(box: Box, *words: str) -> tuple[int, str]:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*COMMAND, *words], cwd=box.directory, env=box.environment, stdout=write, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(write)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "runs",
        "sql --json SELECT*FROM\ttasks",
        "events 1",
        "logs one",
        "db backup -",
        "completion bash",
        "--help",
        "runs --help",
        "--version",
    ],
)
@pytest.mark.parametrize("is_unbuffered", ["", "1"])
def test_what_a_full_disk_does_not_take_is_told(ran: Box, words: str, is_unbuffered: str) -> None:
    ran.environment["PYTHONUNBUFFERED"] = is_unbuffered

    assert to_full_disk(ran, *words.split(" ")) == (3, FULL)


def test_a_run_goes_on_and_tells_it_at_its_end(box: Box) -> None:
    box.script("suite/one")
    box.script("suite/two")

    code, said = to_full_disk(box, "run", "suite")

    assert code == 0
    assert said.endswith(FULL)
    assert box.sql("SELECT task, verdict FROM tasks ORDER BY number") == [("suite/one", "pass"), ("suite/two", "pass")]
    box.script("suite/two", "exit 1")
    assert to_full_disk(box, "rerun")[0] == 1


def test_a_reader_that_left_is_no_fault_unless_a_copy_is_not_whole(ran: Box) -> None:
    assert to_nobody(ran, "runs") == (0, "")
    assert to_nobody(ran, "--help") == (0, "")
    assert to_nobody(ran, "db", "backup", "-") == (
        3,
        "pexen: the reader of standard output left before the copy was whole\n",
    )


def test_a_copy_to_standard_output_never_has_a_name_for_long(ran: Box) -> None:
    """A killed one leaves nothing: while it waits for its reader, there is no file."""
    before = set(os.listdir(ran.journal.parent))
    with ran.started("db", "backup", "-") as running:
        assert running.process.stdout is not None
        assert running.process.stdout.read(16) == b"SQLite format 3\0"
        assert {name for name in os.listdir(ran.journal.parent) if not name.endswith(("-wal", "-shm"))} == before
        running.process.kill()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("db export 1 -", "runs are copied into a file, not to standard output. Name one; ./- is a file called -."),
        ("db backup .pexen/journal.db-journal", "is the journal itself, or a part of it."),
        ("db backup .pexen/journal.db.lock --force", "is the journal itself, or a part of it."),
        ("db backup other.db-wal", "other.db-wal would be taken for a part of "),
        ("db backup left.db", "left.db-journal is there, and would become a part of "),
    ],
)
def test_names_that_belong_to_a_journal_are_refused(ran: Box, words: str, said: str) -> None:
    ran.file("other.db", "")
    ran.file("left.db-journal", "")

    done = ran.pexen(*words.split())

    assert done.code == 2
    assert said in done.err
    assert not (ran.directory / "-").exists()


def test_which_errors_mean_that_the_reader_left(tmp_path: Path) -> None:
    def is_trouble(number: int, path: str) -> bool:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            return note(OSError(number, os.strerror(number)), descriptor)
        finally:
            os.close(descriptor)

    file = str(tmp_path / "file")
    assert not is_trouble(errno.EPIPE, file)
    assert is_trouble(errno.EIO, file)
    assert not is_trouble(errno.EIO, "/dev/null")  # as a terminal is, a device
    assert is_trouble(errno.EFBIG, file)
    assert is_trouble(errno.ENOSPC, "/dev/null")
    assert not note(ValueError("closed"), 1)
    assert take_trouble() is None  # it was not standard output
