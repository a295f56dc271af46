"""The mapped page that workers, the keeper and the runner share: which attempts were begun, and since when.

A worker writes what it is doing into its own slot; that costs no message, and it survives the death of
everybody. The keeper reads the slots to enforce time limits, the runner to know who began, and a resumer
reads the file to know which attempts never began at all. Only within one boot: after a crash of the machine
the file may be older than what happened, and is not believed.

Layout, in words of 8 bytes: a header, then for each worker a head and a ring of marks. A mark names an
attempt: `task << 32 | attempt`. The ring is needed because several attempts may have begun, and ended, since
the journal was last written; it is longer than a pool may have attempts in flight.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
from typing import NamedTuple

from pexen_state.box.life import boot_id
from pexen_state.sched.common import PoolError

MAGIC = 0x3130_544F_4C53_5850  # "PXSLOT01" read as a little-endian number
RING = 4096  #: marks a worker keeps; the most attempts that a pool may have in flight
HEADER = 64  #: words
HEAD = 16  #: words before each ring

# Words of the header.
_MAGIC, _WORKERS, _RING, _WITHDRAWN, _BOOT, _RUN = 0, 1, 2, 3, 8, 16
_TEXT_BYTES = 64

# Words of a worker's head.
COUNT, CURRENT, BEGAN, DEADLINE, IDLE, GRACE, CHILD, OUTPUT, LATEST = range(9)


def mark_of(task: int, attempt: int) -> int:
    return task << 32 | attempt


def attempt_of(mark: int) -> tuple[int, int]:
    return mark >> 32, mark & 0xFFFF_FFFF


class Current(NamedTuple):
    """What a worker is doing. Times are `time.monotonic()`, which all processes of a machine share."""

    mark: int
    began: float
    deadline: float | None
    idle_timeout: float | None
    grace: float
    child: int | None  #: pid of the executable; None for a python task
    output: int | None  #: the worker's descriptor of its output file, where idleness is measured


class BegunMarks(NamedTuple):
    """What a slot file of this boot says: of which run, and which (task, attempt) were begun."""

    run: str
    begun: frozenset[tuple[int, int]]


class Slots:
    """The mapping itself. Every number is one aligned word, so a reader never sees half of one."""

    def __init__(self, workers: int, path: str | None = None) -> None:
        """Make a fresh one: in the file `path` (0600), or in anonymous shared memory."""
        self.workers = workers
        size = 8 * (HEADER + workers * (HEAD + RING))
        if path is None:
            self._map = mmap.mmap(-1, size)
        else:
            self._map = _map_file(path, size)
        self._words = memoryview(self._map).cast("Q")
        self._times = memoryview(self._map).cast("d")
        self._words[_WORKERS] = workers
        self._words[_RING] = RING
        self._write_text(_BOOT, boot_id())
        self._words[_MAGIC] = MAGIC  # last: without it the rest is not believed

    def _write_text(self, at: int, text: str) -> None:
        raw = text.encode("utf-8", "surrogateescape")[:_TEXT_BYTES].ljust(_TEXT_BYTES, b"\0")
        self._map[8 * at : 8 * at + _TEXT_BYTES] = raw

    def name_run(self, run: str) -> None:
        """Say which run the marks are of, before the first is made."""
        self._write_text(_RUN, run)

    def close(self) -> None:
        self._words.release()
        self._times.release()
        self._map.close()

    # -- the runner's word to all workers

    @property
    def withdrawn(self) -> int:
        """Jobs up to this serial number are not to be begun any more."""
        return self._words[_WITHDRAWN]

    @withdrawn.setter
    def withdrawn(self, serial: int) -> None:
        self._words[_WITHDRAWN] = serial

    # -- a worker's own slot

    def begin(
        self,
        worker: int,
        mark: int,
        now: float,
        timeout: float | None,
        idle_timeout: float | None,
        grace: float,
        total: float | None = None,
    ) -> None:
        """Write down that an attempt begins. Before this, it never began; after it, it may have had effects."""
        head = HEADER + worker * (HEAD + RING)
        words, times = self._words, self._times
        times[head + BEGAN] = now
        times[head + DEADLINE] = now + timeout if timeout is not None else 0.0
        times[head + IDLE] = idle_timeout or 0.0
        times[head + GRACE] = grace
        times[head + LATEST] = now + total if total is not None else 0.0
        words[head + CHILD] = 0
        words[head + OUTPUT] = 0
        self.note(worker, mark)
        words[head + CURRENT] = mark  # last: whoever sees the mark sees its limits

    def note(self, worker: int, mark: int) -> None:
        """As `begin`, of an attempt that nobody watches by its slot: it is only known to have begun."""
        words, head = self._words, HEADER + worker * (HEAD + RING)
        count = words[head]  # COUNT, which is its first word
        words[head + HEAD + count % RING] = mark
        words[head] = count + 1

    def extend(self, worker: int, deadline: float) -> float:
        """The attempt that a worker is at has until then, but no longer than the limit of all attempts together allows.
        Returns until when. For the keeper, while that worker stands still or is idle.
        """
        head = HEADER + worker * (HEAD + RING)
        latest = self._times[head + LATEST]
        until = self._times[head + DEADLINE] = min(deadline, latest) if latest else deadline
        return until

    def end(self, worker: int) -> None:
        self._words[HEADER + worker * (HEAD + RING) + CURRENT] = 0

    def has_child(self, worker: int, pid: int) -> None:
        self._words[HEADER + worker * (HEAD + RING) + CHILD] = pid

    def has_output(self, worker: int, descriptor: int) -> None:
        self._words[HEADER + worker * (HEAD + RING) + OUTPUT] = descriptor + 1

    # -- reading others'

    def mark(self, worker: int) -> int:
        """The attempt that a worker is at, 0 for none."""
        return self._words[HEADER + worker * (HEAD + RING) + CURRENT]

    def began(self, worker: int) -> tuple[int, float]:
        """(mark, since when) of what a worker is doing."""
        head = HEADER + worker * (HEAD + RING)
        while True:
            mark = self._words[head + CURRENT]
            since = self._times[head + BEGAN]
            if mark == self._words[head + CURRENT]:
                return mark, since

    def current(self, worker: int) -> Current | None:
        """All that is known of what a worker is doing, None if it is idle."""
        head = HEADER + worker * (HEAD + RING)
        words, times = self._words, self._times
        while True:
            mark = words[head + CURRENT]
            if not mark:
                return None
            found = Current(
                mark,
                times[head + BEGAN],
                times[head + DEADLINE] or None,
                times[head + IDLE] or None,
                times[head + GRACE],
                words[head + CHILD] or None,
                words[head + OUTPUT] - 1 if words[head + OUTPUT] else None,
            )
            # The worker may have gone on to another attempt meanwhile; a mark is never used twice.
            if words[head + CURRENT] == mark:
                return found

    def since(self, worker: int, mark: int) -> float | None:
        """When an attempt began, if it is the last one that this worker began."""
        head = HEADER + worker * (HEAD + RING)
        count = self._words[head + COUNT]
        if count and self._words[head + HEAD + (count - 1) % RING] == mark:
            return self._times[head + BEGAN]
        return None

    def count(self, worker: int) -> int:
        """How many attempts were ever begun in this slot."""
        return self._words[HEADER + worker * (HEAD + RING) + COUNT]

    def begun_by(self, worker: int, count: int) -> set[int]:
        """The first `count` marks ever made in this slot, as far as the ring still holds them."""
        head = HEADER + worker * (HEAD + RING)
        oldest = max(0, self._words[head + COUNT] - RING)
        return {self._words[head + HEAD + at % RING] for at in range(oldest, count)}


def begun_marks(path: str) -> BegunMarks | None:
    """What the last session's slot file says, None if there is none, or none that can be believed.

    To be read before the pool is opened, which writes the file anew.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    if len(data) < 8 * HEADER or len(data) % 8:
        return None
    words = memoryview(data).cast("Q")
    workers, ring = words[_WORKERS], words[_RING]
    if words[_MAGIC] != MAGIC or len(words) < HEADER + workers * (HEAD + ring):
        return None
    if _read_text(data, _BOOT) != boot_id():
        return None
    begun: set[int] = set()
    for worker in range(workers):
        head = HEADER + worker * (HEAD + ring)
        begun.update(words[head + HEAD : head + HEAD + min(words[head + COUNT], ring)])
    return BegunMarks(_read_text(data, _RUN), frozenset(attempt_of(mark) for mark in begun if mark))


def _read_text(data: bytes, at: int) -> str:
    return data[8 * at : 8 * at + _TEXT_BYTES].rstrip(b"\0").decode("utf-8", "surrogateescape")


def _map_file(path: str, size: int) -> mmap.mmap:
    # Unlinked first, not truncated: a process of an earlier session that still has it mapped would die of
    # SIGBUS, or scribble into ours.
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PoolError(f"cannot make the slot file {path}: {error.strerror}") from error
    try:
        os.fchmod(descriptor, 0o600)
        _allocate(descriptor, size)
        return mmap.mmap(descriptor, size)
    except OSError as error:
        raise PoolError(f"cannot make the slot file {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _allocate(descriptor: int, size: int) -> None:
    # A mapped page for which the disk has no room kills the process by SIGBUS; so the room is taken now.
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            raise
        os.write(descriptor, bytes(size))
