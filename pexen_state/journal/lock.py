"""One runner per journal: a `flock` on a file of its own, which says who holds it.

The runner and its keepers hold the lock (a keeper inherits the descriptor by fork), so it is free only when all of
them are gone. A runner that was killed leaves a keeper, which needs a moment to end what ran; if it does not, it is
killed here, after a look at who it is. Nothing here knows what is in the journal.

A keeper that outlives its runner says so in the file. Whoever comes after a reboot knows by that word that the runner
had been killed before: the box did not take it down. The word stays until another runner dies.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from pexen_state.box.life import boot_id
from pexen_state.descriptors import above_standard
from pexen_state.journal.errors import (
    JournalBusy,
    JournalError,
    JournalMissing,
    JournalReadOnly,
    JournalWriteError,
)
from pexen_state.journal.identity import ProcessIdentity, descendants, is_alive, kill, process_identity
from pexen_state.journal.lock_file import died, put, said_in
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.place import refuse_unsafe

_PATIENCE_S = 2.0  # with a live holder: a child forked a moment ago may hold the lock until it execs
_KEEPERS_TIME_S = 1.0  # for the keeper of a dead runner, to end everything by itself
_PAUSE_S = 0.02
_LONG_PAUSE_S = 0.25  # once nobody can expect it to be free at once


class Holder(NamedTuple):
    """Who holds a lock, as it wrote into it."""

    runner: ProcessIdentity
    since: float  #: seconds since 1970
    keepers: tuple[ProcessIdentity, ...] = ()


class RunLock:
    """Held from `acquire` to `release`. `fd` is for the keeper, which must keep it open."""

    def __init__(self, paths: JournalPaths, fd: int) -> None:
        self.paths = paths
        self.fd = fd
        identity = process_identity(os.getpid())
        assert identity is not None, "/proc does not know this process"
        self._holder = Holder(identity, time.time())
        self._died = died(said_in(fd))
        self._write()

    @classmethod
    def acquire(cls, path: str | os.PathLike[str], wait_s: float = 10.0, patience_s: float = _PATIENCE_S) -> RunLock:
        """Take the lock of the journal at `path`, which need not exist yet.

        Waits up to `wait_s` seconds, but only `patience_s` for a holder that lives; both may be `math.inf`. Raises
        JournalBusy, JournalUnsafe, and JournalMissing or JournalReadOnly if there can be no lock.
        """
        paths = JournalPaths.of(path)
        refuse_unsafe(paths)
        fd = _Taker(paths, wait_s, patience_s).take()
        try:
            left = _read(fd)
            if left is not None:  # it was cut off; nothing of it may go on beside us
                _kill_rest_of(left)
            return cls(paths, fd)
        except BaseException:
            os.close(fd)
            raise

    def record_keeper(self, pid: int) -> None:
        """Say who has inherited the lock, so that whoever comes after a kill knows whom to end.

        For each keeper that is forked, also while the run goes on.
        """
        keeper = process_identity(pid)
        if keeper is not None:
            living = [who for who in self._holder.keepers if is_alive(who)]
            self._holder = self._holder._replace(keepers=(*living, keeper))
            self._write()

    def _write(self) -> None:
        line = json.dumps(
            {
                "pid": self._holder.runner.pid,
                "start": self._holder.runner.start,
                "boot_id": self._holder.runner.boot_id,
                "since": self._holder.since,
                "keepers": [[who.pid, who.start] for who in self._holder.keepers],
                "died": self._died,
            }
        )
        try:
            put(self.fd, line)
        except OSError as error:
            raise JournalWriteError(
                f"the lock {self.paths.lock} cannot be written to ({error.strerror}). Look at the disk, and try again."
            ) from error

    def release(self) -> None:
        """Give the lock up, also for a keeper that still has the descriptor. Its tasks must have ended."""
        if self.fd >= 0:
            # Where the disk fails: who is dead, or has another start time, is not taken for its holder by anybody.
            with suppress(OSError):
                os.ftruncate(self.fd, 0)
                if self._died is not None:
                    put(self.fd, json.dumps({"died": self._died}))
            with suppress(OSError):
                fcntl.flock(self.fd, fcntl.LOCK_UN)
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class _Taker:
    """One attempt at getting the lock: tries, looks who is in the way, ends what a dead runner left."""

    def __init__(self, paths: JournalPaths, wait_s: float, patience_s: float) -> None:
        self.paths = paths
        self.now: Callable[[], float] = time.monotonic
        self.deadline = self.now() + wait_s
        self.patience_s = patience_s
        self.seen: Holder | None = None
        self.seen_at = self.now()

    def take(self) -> int:
        began = self.now()
        while True:
            fd = self._try()
            if fd is not None:
                return fd
            time.sleep(_PAUSE_S if self.now() < began + _PATIENCE_S else _LONG_PAUSE_S)

    def _try(self) -> int | None:
        """A descriptor that holds the lock, or None. Raises JournalBusy when it is time to give up."""
        fd = _open(self.paths, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(fd)
            os.close(fd)
            self._consider(holder)
            return None
        except OSError as error:
            os.close(fd)
            raise JournalError(
                f"the lock {self.paths.lock} cannot be taken ({error.strerror}). Put the journal on a file system "
                "that has locks, for example a local one."
            ) from error
        if _is_at(fd, self.paths.lock):
            with suppress(OSError):
                os.fchmod(fd, 0o600)  # whatever the umask, and whatever the file was before
            return fd
        os.close(fd)  # somebody deleted or replaced it while we looked: this one protects nothing
        return None

    def _consider(self, holder: Holder | None) -> None:
        now = self.now()
        if holder is None or self.seen is None or holder.runner != self.seen.runner:
            self.seen, self.seen_at = holder, now
        same_for = now - self.seen_at
        if holder is not None:
            if is_alive(holder.runner):
                # Nobody waits for ever for what only he himself can give back.
                if same_for >= (min(self.patience_s, _PATIENCE_S) if _is_us(holder) else self.patience_s):
                    raise _busy(self.paths, holder)
            elif same_for >= _KEEPERS_TIME_S:
                _kill_rest_of(holder)
        if now >= self.deadline:
            raise _busy(self.paths, holder)


def _is_us(holder: Holder) -> bool:
    return holder.runner == process_identity(os.getpid())


def holder_of(path: str | os.PathLike[str]) -> Holder | None:
    """Who runs this journal now, or None. Takes nothing, changes nothing."""
    return _look(path)[1]


def is_held(path: str | os.PathLike[str]) -> bool:
    """Whether anybody holds the run lock, be it the keeper of a runner that is dead."""
    return _look(path)[0]


def _look(path: str | os.PathLike[str]) -> tuple[bool, Holder | None]:
    try:
        fd = os.open(JournalPaths.of(path).lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False, None
    try:
        # A shared lock is refused exactly while somebody holds the exclusive one. It lives for an instant:
        # whoever wants to run tries again.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True, _read(fd)
    else:
        return False, None
    finally:
        os.close(fd)


def _open(paths: JournalPaths, flags: int) -> int:
    try:
        return above_standard(os.open(paths.lock, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        if not os.path.isdir(paths.parent):
            raise JournalMissing(
                f"there is no directory {paths.parent} for the journal {paths.name}. Make it, or name another file "
                "with --journal."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT):
            raise JournalReadOnly(
                f"the lock {paths.lock} cannot be written to ({error.strerror}). Give yourself the right to write to "
                f"{paths.parent}, or name another file with --journal."
            ) from error
        raise JournalError(f"the lock {paths.lock} cannot be opened: {error.strerror}.") from error


def _is_at(fd: int, path: str) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(fd), os.stat(path))
    return False


def _read(fd: int) -> Holder | None:
    """Who wrote into the lock file last; None if nobody did, or if it is being written just now."""
    said = said_in(fd)
    try:
        boot = said["boot_id"]
        return Holder(
            ProcessIdentity(said["pid"], said["start"], boot),
            said["since"],
            tuple(ProcessIdentity(pid, start, boot) for pid, start in said["keepers"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def outlived(path: str | os.PathLike[str]) -> ProcessIdentity | None:
    """The last runner of the journal at `path` whose keeper saw it die, whoever holds the lock now."""
    try:
        fd = os.open(JournalPaths.of(path).lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        who = died(said_in(fd))
        return ProcessIdentity(*who) if who is not None else None
    finally:
        os.close(fd)


def _kill_rest_of(holder: Holder) -> None:
    """End what a dead runner left. The keepers first: they would replace their workers."""
    if holder.runner.boot_id != boot_id() or is_alive(holder.runner):
        return
    below = [who for keeper in holder.keepers if is_alive(keeper) for who in descendants(keeper.pid)]
    for who in (*holder.keepers, *below):
        kill(who)


def _busy(paths: JournalPaths, holder: Holder | None) -> JournalBusy:
    if holder is None:
        return JournalBusy(f"another process holds the journal {paths.db}, and has not said who it is. Try again.")
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
    pid = holder.runner.pid
    if _is_us(holder):
        message = (
            f"this process, {pid}, holds the journal {paths.db} itself, since {since}: another run() in it has not "
            "ended. Take the last of its results, or close() it, before you begin another."
        )
    elif is_alive(holder.runner):
        message = (
            f"the journal {paths.db} is held by the process {pid}, since {since}. Wait for its end, or stop it with "
            f"`kill {pid}`."
        )
    else:
        message = (
            f"the journal {paths.db} is held by what is left of the process {pid}, which began at {since} and is "
            "dead. Find what still runs (`ps -ef`), end it, and try again."
        )
    return JournalBusy(message, pid, holder.since)
