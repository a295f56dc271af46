"""Copies of a journal: the whole of it, by SQLite itself, which knows what is still in the -wal.

A copy is one file, for its owner alone, and only there when it is whole and on the disk. The standard library's
sqlite3 alone, through a connection that cannot write: a run may go on meanwhile.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import BinaryIO

from pexen_state.journal.errors import JournalError, from_sqlite
from pexen_state.journal.lock import is_held

#: What a copy is called until it is whole, and what SQLite has beside it: it begins with the mode of its source.
PARTIAL = (".partial", ".partial-journal", ".partial-wal", ".partial-shm")

_FORMAT_AT = 18  # in the header of a database: by what it is written and read
_ROLLBACK = b"\x01\x01"  # one file, without a -wal


def copy(source: sqlite3.Connection, target: str) -> None:
    """The journal that `source` reads, as a file at `target`, which is replaced. Raises a JournalError."""
    with new_file(target) as partial:
        fill(source, partial)


def fill(source: sqlite3.Connection, path: str) -> None:
    """Write the journal that `source` reads into a file that is empty. Raises a JournalError."""
    try:
        with closing(sqlite3.connect(path)) as writer:
            source.backup(writer)  # in one go: a copy by and by begins again each time the run writes
            writer.execute("PRAGMA journal_mode=DELETE")  # one file, without a -wal
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error


@contextmanager
def nameless(source: sqlite3.Connection, directory: str | None) -> Iterator[BinaryIO]:
    """The journal that `source` reads, as a file without a name: whoever is killed leaves nothing in `directory`."""
    try:
        fd, path = tempfile.mkstemp(dir=directory)
    except OSError as error:
        place = directory or "the directory for temporary files"
        raise JournalError(
            f"no file can be made in {place} ({error.strerror}). Name a file for the copy, elsewhere."
        ) from error
    with open(fd, "r+b", buffering=0) as file:
        try:
            try:
                writer = sqlite3.connect(path)  # opens it
            finally:
                os.unlink(path)
            with closing(writer):
                writer.execute("PRAGMA journal_mode=OFF")  # which would need the name
                source.backup(writer)
        except sqlite3.Error as error:
            raise from_sqlite(error, path) from error
        os.pwrite(fd, _ROLLBACK, _FORMAT_AT)
        yield file


@contextmanager
def new_file(target: str) -> Iterator[str]:
    """An empty file to be filled; it takes the name `target` when it is, and is gone if that fails."""
    partial = f"{target}{PARTIAL[0]}"
    _make(partial, target)
    try:
        yield partial
        sync(partial)
        os.replace(partial, target)
        sync(os.path.dirname(os.path.abspath(target)))
    except OSError as error:
        raise JournalError(f"{target} cannot be written ({error.strerror}). Name another place.") from error
    finally:
        for part in PARTIAL:
            with suppress(OSError):
                os.unlink(target + part)


def _make(partial: str, target: str) -> None:
    try:
        for part in PARTIAL:  # of a copy that was killed
            with suppress(FileNotFoundError):
                os.unlink(target + part)
        fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.fchmod(fd, 0o600)
        os.close(fd)
    except OSError as error:
        raise JournalError(f"no file can be made at {target} ({error.strerror}). Name another place.") from error


def is_in_use(path: str) -> bool:
    """Whether `path` is a database that somebody has open, or left something in a log beside it.

    What stood in that log would become part of whatever took the file's place.
    """
    return is_held(path) or any(os.path.lexists(f"{path}-{part}") for part in ("wal", "journal"))


def sync(path: str) -> None:
    """Wait until it is on the disk; of a directory, the names in it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
