"""What can be wrong with a journal, one class for each kind. Every message says what, which, why, and the way out."""

from __future__ import annotations

import sqlite3

from pexen_state.util import PexenError


class JournalError(PexenError):
    """The journal cannot be used as asked. The root of the errors below."""


class JournalMissing(JournalError):
    """There is no journal there, or no directory for one."""


class NotAJournal(JournalError):
    """What is there was not written by pexen."""


class JournalCorrupt(JournalError):
    """It was a journal, but it is damaged."""


class JournalTooNew(JournalError):
    """A newer pexen wrote it."""


class JournalUnsafe(JournalError):
    """Somebody else could put something in its place. Nothing was opened or made there."""


class JournalReadOnly(JournalError):
    """The file, or its directory, cannot be written to."""


class JournalConflict(JournalError):
    """A task is not where the decision to be written says: somebody else wrote to this run. Nothing was written."""


class JournalWriteError(JournalError):
    """A write failed. Whether it is in the file is unknown until the journal is opened again."""


class JournalFull(JournalWriteError):
    """The disk is full."""


class JournalGone(JournalWriteError):
    """The file was deleted, moved or replaced while it was open."""


class JournalBusy(JournalError):
    """Another process holds the journal. `pid` and `since` (seconds since 1970) are None where nobody can say."""

    def __init__(self, message: str, pid: int | None = None, since: float | None = None) -> None:
        super().__init__(message)
        self.pid = pid
        self.since = since


class NoRunner(JournalError):
    """Nobody runs this journal, so nobody answers on its control socket."""


_PRIMARY = 0xFF  # SQLite's extended result codes keep the plain one in the low byte


def from_sqlite(error: sqlite3.Error, path: str) -> JournalError:
    """The error of ours that says what SQLite's means for a journal. To be raised `from` it."""
    code = getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_ERROR
    if code == sqlite3.SQLITE_READONLY_ROLLBACK:
        return half_written(path)
    match code & _PRIMARY:
        case sqlite3.SQLITE_NOTADB:
            return NotAJournal(f"{path} is no SQLite database, so it is no journal. Name another file with --journal.")
        case sqlite3.SQLITE_CORRUPT:
            return corrupt(path, str(error))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return JournalReadOnly(
                f"the journal {path} cannot be written to ({error}). Give yourself the right to write to the file and "
                "its directory, or name another file with --journal."
            )
        case sqlite3.SQLITE_FULL:
            return full(path)
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_NOMEM:
            return JournalWriteError(
                f"the journal {path} could not be read or written ({error}). What was committed before is safe. "
                "Look at the disk (the kernel's log names it), then `pexen resume`."
            )
        case sqlite3.SQLITE_CANTOPEN:
            return JournalError(
                f"the journal {path} cannot be opened ({error}). Look at its permissions, and those of its directory."
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return JournalBusy(f"another program writes to the journal {path} ({error}). Wait until it is done.")
        case _:
            return JournalError(
                f"the journal {path} could not be used: {error}. `pexen db check` says whether it is damaged; "
                "another one is named with --journal."
            )


def corrupt(path: str, why: str) -> JournalCorrupt:
    return JournalCorrupt(
        f"the journal {path} is damaged ({why}). It is left as it is. Take a copy of it with its -wal file, then "
        "restore a backup (`pexen db backup` makes them), or name another file with --journal."
    )


def half_written(path: str) -> JournalReadOnly:
    return JournalReadOnly(
        f"the journal {path} was cut off while it was written, and what was half done has to be taken back before it "
        "is read. `pexen db upgrade` by somebody who may write to it and its directory puts that right."
    )


def full(path: str) -> JournalFull:
    return JournalFull(
        f"the disk of the journal {path} is full. Nothing new was started, and what was committed is safe. "
        "Free some space, then `pexen resume`."
    )


def too_new(path: str, found: str, known: str) -> JournalTooNew:
    return JournalTooNew(
        f"the journal {path} was written by a newer pexen (its schema is {found}, this one knows {known}). "
        "Upgrade pexen, or name another file with --journal."
    )
