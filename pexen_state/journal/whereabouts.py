"""Whether the files of a journal that is written to are still where they were.

SQLite goes on writing into a file that was deleted, without a word; and a lock that is held on a deleted file keeps
nobody out. So it is looked at before each turn. That takes some microseconds.
"""

from __future__ import annotations

import os

from pexen_state.journal.errors import JournalGone
from pexen_state.journal.paths import JournalPaths

Identity = tuple[int, int]


class Whereabouts:
    """Made when the journal is open: from then on they are to stay."""

    def __init__(self, paths: JournalPaths, lock: int) -> None:
        """`lock` is the descriptor of the run lock."""
        self._paths = paths
        self._journal = _of(paths.db)
        status = os.fstat(lock)
        self._lock = status.st_dev, status.st_ino
        self._beside: dict[str, Identity] = {}
        self.log_bytes = 0  #: of the write-ahead log, when it was looked at last
        self.opened_anew()

    def opened_anew(self) -> None:
        """What SQLite keeps beside the file may be others after that."""
        self._beside = {}
        self._meet_those_beside()

    def check(self) -> None:
        """Raises JournalGone."""
        self.check_journal()
        self._meet_those_beside()
        for path, known in self._beside.items():
            found = _stat(path)
            if found is not None and path.endswith("-wal"):
                self.log_bytes = found.st_size
            if _identity(found) != known:
                raise JournalGone(
                    f"{path} was deleted, moved or replaced while the journal was written to. What was committed is "
                    "written into the journal now. Leave all files beside it alone, then `pexen resume`."
                )

    def check_journal(self) -> None:
        """The same, of what is still needed when the journal is opened anew."""
        if _of(self._paths.db) != self._journal:
            raise JournalGone(
                f"the journal {self._paths.db} was deleted, moved or replaced while it was written to. What was "
                "decided before is in the old file. Put it back, then `pexen resume`."
            )
        if _of(self._paths.lock) != self._lock:
            raise JournalGone(
                f"the lock {self._paths.lock} was deleted, moved or replaced while the journal was written to, so it "
                "keeps nobody else out. What was committed is safe. `pexen resume` goes on."
            )

    def _meet_those_beside(self) -> None:
        # They are there since the first statement, or the first write.
        for path in (f"{self._paths.db}-wal", f"{self._paths.db}-shm"):
            if path not in self._beside and (found := _of(path)) is not None:
                self._beside[path] = found


def _of(path: str) -> Identity | None:
    return _identity(_stat(path))


def _identity(found: os.stat_result | None) -> Identity | None:
    return None if found is None else (found.st_dev, found.st_ino)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
