"""SIGKILL at a system call of an upgrade, and what must hold of the journal and its backup after.

An instant is the k-th call of one name: whatever is written, made sure of, named or deleted is one. A kill comes
before its call is carried out, so that the instants of an upgrade, and its end, are all that a kill can leave.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import alembic.command
import alembic.config  # noqa: F401 - both are imported once, and not in each child

from pexen_state.journal.care.check import check
from pexen_state.journal.care.copies import PARTIAL
from pexen_state.journal.lock import RunLock
from pexen_state.journal.reader import reader, revision_of
from pexen_state.journal.uptodate import bring_up_to_date
from pexen_state.journal.versions import REVISION
from pexen_state.journal.writer import Journal
from tests.crash.faults import traced

FIXTURES = Path(__file__).parents[1] / "journal" / "fixtures"

#: What changes files, or makes sure of them; and SQLite's locks, between which it opens and makes files.
CALLS = "write,pwrite64,fsync,fdatasync,ftruncate,fallocate,rename,unlink,fcntl"

#: What whoever was killed may leave, until the next upgrade. Names begin with that of the journal.
MAY_BE_LEFT = ("", "-wal", "-shm", "-journal", ".lock", ".reserve")
OF_A_BACKUP = ("", *PARTIAL)


def by_upgrade(path: Path) -> None:
    """As `pexen db upgrade` does."""
    bring_up_to_date(path)


def by_resume(path: Path) -> None:
    """As whoever runs or resumes does."""
    with RunLock.acquire(path) as lock:
        Journal.open(lock).close()


class Upgrade(NamedTuple):
    revision: str  #: that it begins with
    work: Callable[[Path], None]

    def __str__(self) -> str:
        return f"{self.revision} {self.work.__name__}"


class Instant(NamedTuple):
    call: str
    k: int

    def __str__(self) -> str:
        return f"{self.call} when={self.k}"


UPGRADES = tuple(Upgrade(revision, work) for revision in ("0001", "0002", "0003") for work in (by_upgrade, by_resume))


def lay(upgrade: Upgrade, directory: Path) -> Path:
    """An old journal in a directory of its own."""
    directory.mkdir()
    return Path(shutil.copy(FIXTURES / f"journal-{upgrade.revision}.db", directory / "journal.db"))


def run(upgrade: Upgrade, path: Path, *options: str) -> int:
    """Upgrade in a child that strace traces. Returns its exit status, negative for a signal."""
    held, go_on = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        sys.dont_write_bytecode = True  # of the migrations: those calls would be made once only
        try:
            os.read(held, 1)
            upgrade.work(path)
            status = 0
        finally:
            os._exit(status)
    try:
        with traced(child, *options):
            os.write(go_on, b"x")
            _, status = os.waitpid(child, 0)
    finally:
        os.close(held)
        os.close(go_on)
    return os.waitstatus_to_exitcode(status)


def instants(upgrade: Upgrade, directory: Path) -> list[Instant]:
    """All that an upgrade has to which nothing happens."""
    path = lay(upgrade, directory)
    trace = directory / "strace"
    assert run(upgrade, path, "-o", str(trace), "-e", f"trace={CALLS}", "-e", "signal=none") == 0
    names = Counter(line.partition("(")[0] for line in trace.read_text().splitlines() if "(" in line)
    return [Instant(name, k) for name, count in sorted(names.items()) for k in range(1, count + 1)]


def sample(upgrade: Upgrade, all_of_them: list[Instant], many: int) -> list[Instant]:
    """So many of each call, chosen by a seed that is the upgrade itself."""
    of_call: dict[str, list[Instant]] = {}
    for one in all_of_them:
        of_call.setdefault(one.call, []).append(one)
    chance = random.Random(str(upgrade))
    return [one for some in of_call.values() for one in chance.sample(some, min(many, len(some)))]


def try_instant(upgrade: Upgrade, instant: Instant, directory: Path) -> list[str]:
    """Kill there, look, and go on. Returns what was wrong. The directory is gone if that is nothing."""
    path = lay(upgrade, directory)
    before = _told(path)
    kill = f"inject={instant.call}:signal=KILL:when={instant.k}"
    ended = run(upgrade, path, "-o", os.devnull, "-e", f"trace={instant.call}", "-e", kill)
    if ended != -signal.SIGKILL:
        return [f"{upgrade}, {instant}: it ended with {ended}, and was not killed"]
    wrong = [f"{upgrade}, {instant}: {what}" for what in violations(upgrade, path, before)]
    if not wrong:
        shutil.rmtree(directory)
    return wrong


def violations(upgrade: Upgrade, path: Path, before: list[Any]) -> Iterator[str]:
    """What of a journal whose upgrade was killed is not as promised. Upgrades it in the end."""
    backup = path.with_name(f"{path.name}.backup-{upgrade.revision}")
    may_be_there = {path.name + part for part in MAY_BE_LEFT} | {backup.name + part for part in OF_A_BACKUP}
    if strangers := set(os.listdir(path.parent)) - may_be_there:
        yield f"it left {sorted(strangers)}"
    revision = revision_of(path)
    if revision not in (upgrade.revision, REVISION):
        yield f"it is of revision {revision}"
    if revision == REVISION and not backup.exists():
        yield "it is new, and there is no backup"
    yield from _is_whole(path, before)
    if backup.exists():
        yield from _is_the_old(backup, upgrade, before)

    upgrade.work(path)

    if revision_of(path) != REVISION:
        yield f"another upgrade left it at {revision_of(path)}"
    yield from _is_whole(path, before)
    yield from _is_the_old(backup, upgrade, before)
    if left := set(os.listdir(path.parent)) - {path.name + part for part in MAY_BE_LEFT} - {backup.name}:
        yield f"another upgrade left {sorted(left)}"


def _is_whole(path: Path, before: list[Any]) -> Iterator[str]:
    yield from (f"{path.name}: {finding.what}" for finding in check(path))
    if _told(path) != before:
        yield f"{path.name} tells another story than before"


def _is_the_old(backup: Path, upgrade: Upgrade, before: list[Any]) -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{backup}?mode=ro", uri=True)) as connection:
        if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            yield "the backup is not whole"
        if connection.execute("SELECT version_num FROM alembic_version").fetchall() != [(upgrade.revision,)]:
            yield "the backup is of another revision"
    if _told(backup) != before:
        yield "the backup tells another story than the journal did"


def _told(path: Path) -> list[Any]:
    """What those who look are told of it, whatever its revision."""
    with reader(path) as connection:
        return [
            connection.execute(f"SELECT * FROM {view}").fetchall()
            for view in ("runs", "sessions", "tasks", "attempts", "transitions")
        ]
