"""Where everything that belongs to a journal lies. Names only: nothing here touches the disk.

All of it is beside the journal, so that moving the directory moves the whole. The journal's own files (`.db`,
`-wal`, `-shm`) are only ever opened by SQLite: closing a descriptor of them would drop SQLite's locks.
"""

from __future__ import annotations

import os
import string
import zlib
from dataclasses import dataclass

_PLAIN = frozenset((string.ascii_letters + string.digits + "._-").encode())
_QUOTED = [chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in range(256)]
_COMPONENT_CHARS = 100
_SOCKET_NAME_BYTES = 80  # of the 107 that an AF_UNIX address has; the rest is /proc/self/fd/N/


@dataclass(frozen=True, slots=True)
class JournalPaths:
    """`db` is absolute, as it was given otherwise. Make one with `of`."""

    db: str

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> JournalPaths:
        return cls(os.path.abspath(os.fspath(path)))

    @property
    def parent(self) -> str:
        return os.path.dirname(self.db)

    @property
    def name(self) -> str:
        return os.path.basename(self.db)

    @property
    def wal(self) -> str:
        return f"{self.db}-wal"

    @property
    def lock(self) -> str:
        """The run lock, and who holds it."""
        return f"{self.db}.lock"

    @property
    def slots(self) -> str:
        """Which attempt each worker is in, within one boot."""
        return f"{self.db}.slots"

    @property
    def reserve(self) -> str:
        """Space that is given back when the disk is full."""
        return f"{self.db}.reserve"

    @property
    def consumers(self) -> str:
        """How far those got who follow the events of a run."""
        return f"{self.db}.consumers"

    @property
    def socket(self) -> str:
        """The control socket. A long name is shortened: an address of a socket holds 107 bytes."""
        name = os.fsencode(self.name)
        if len(name) + len(".socket") <= _SOCKET_NAME_BYTES:
            return f"{self.db}.socket"
        return os.path.join(self.parent, f"{zlib.crc32(name):08x}.socket")

    @property
    def own(self) -> tuple[str, ...]:
        """All that stands beside the journal and belongs to it: nobody else may write there."""
        of_sqlite = (f"{self.db}{suffix}" for suffix in ("-wal", "-shm", "-journal"))
        return (self.db, *of_sqlite, self.lock, self.slots, self.reserve, self.consumers, self.socket, self.dir)

    def backup(self, revision: str) -> str:
        """The copy that is made before an upgrade from that revision."""
        return f"{self.db}.backup-{revision}"

    @property
    def dir(self) -> str:
        """Output and artifacts: `journal.db` has `journal.d`."""
        stem, suffix = os.path.splitext(self.db)
        return f"{stem}.d" if suffix == ".db" else f"{self.db}.journal.d"

    def run_dir(self, run: int) -> str:
        return os.path.join(self.dir, f"run-{run}")

    def task_dir(self, run: int, key: str, task: int) -> str:
        return os.path.join(self.run_dir(run), component(key, task))

    def attempt_dir(self, run: int, key: str, task: int, nth: int) -> str:
        return attempt_dir_in(self.task_dir(run, key, task), nth)

    def output(self, run: int, key: str, task: int, nth: int) -> str:
        """What an attempt prints. The file is only there if it printed something, or still runs."""
        return output_in(self.attempt_dir(run, key, task, nth))


def attempt_dir_in(task_dir: str, nth: int) -> str:
    return f"{task_dir}/{nth}"


def data_dir_in(task_dir: str) -> str:
    """What a task keeps over its attempts."""
    return f"{task_dir}/data"


def output_in(attempt_dir: str) -> str:
    return f"{attempt_dir}/output.log"


def component(key: str, task: int) -> str:
    """A task's name as one component of a path: never empty, hidden, `..` or too long, and never another task's.

    `task` is its number in the run.
    """
    quoted = "".join(map(_QUOTED.__getitem__, key_bytes(key)))
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    cut = quoted[:_COMPONENT_CHARS]
    if len(quoted) > _COMPONENT_CHARS and "%" in cut[-2:]:
        cut = cut[: cut.rindex("%")]  # half an escape would say nothing
    return f"{cut}-{task}"


def key_bytes(key: str) -> bytes:
    """The bytes of a key. Names of files may hold any; `os.fsdecode` made lone surrogates of them."""
    try:
        return key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return key.encode("utf-8", "surrogatepass")
