"""Looks at a journal and at what is beside it. Whatever is wrong with it is a value, not an error.

Read by SQLite alone, as looking verbs do it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import quote

from pexen_state.box.mounts import mount_of
from pexen_state.cli.doctor.seen import Content, Journal, Left
from pexen_state.journal import place
from pexen_state.journal.care.copies import PARTIAL
from pexen_state.journal.errors import JournalError
from pexen_state.journal.lock import is_held
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.reader import check_not_emptied, cut_off, lies_still, reading, revision_of

_QUICK_CHECK_S = 20.0
_MOST_FAULTS = 20
_STEPS = 10_000  # of SQLite's machine, between two looks at the clock

_BUSY_S = 2.0

# The latest by number. The clock may have gone back since, so these are compared.
_TIMES = (
    "SELECT at_us FROM (SELECT at_us FROM transition ORDER BY seq DESC LIMIT 100)",
    "SELECT at_us FROM (SELECT at_us FROM run_event ORDER BY seq DESC LIMIT 100)",
    "SELECT max(began_us, coalesce(ended_us, 0)) FROM (SELECT * FROM session ORDER BY id DESC LIMIT 100)",
)
_RUNS = "SELECT uuid, recorded FROM run ORDER BY id DESC LIMIT 20"

_SOCKETS = re.compile(r"pexen-[a-z0-9_]{8}")
_MOST_DIRECTORIES = 2000
_BEING_MADE_S = 10.0  # a keeper that begins does not serve its socket yet


def journal(path: str, is_named: bool) -> Journal:
    paths = JournalPaths.of(path)
    fault = warning = None
    if (where := place.seen(paths)) is not None:
        fault, warning = place.fault_of(where, os.geteuid()), place.warning_about(paths)
    directory = paths.parent
    while not os.path.isdir(directory) and os.path.dirname(directory) != directory:
        directory = os.path.dirname(directory)
    mount = mount_of(directory)
    free_bytes = free_files = None
    with suppress(OSError):
        disk = os.statvfs(directory)
        free_bytes = disk.f_bavail * disk.f_frsize
        free_files = disk.f_favail if disk.f_files else None
    trouble, content, size = None, None, 0
    is_there = os.path.lexists(paths.db)
    if is_there:
        try:
            size = os.stat(paths.db).st_size
            content = _content(paths)
        except JournalError as error:
            trouble = str(error)
        except OSError as error:
            trouble = f"{paths.db} cannot be reached: {error.strerror}"
    return Journal(
        paths.db,
        is_there,
        is_named,
        size,
        fault,
        warning,
        trouble,
        content,
        is_held(path),
        mount,
        free_bytes,
        free_files,
    )


def _content(paths: JournalPaths) -> Content | None:
    """None for an empty file, which a kill may leave before anything is written. Raises a JournalError."""
    found = os.stat(paths.db)
    if not stat.S_ISREG(found.st_mode):
        raise JournalError(f"{paths.db} is no file. Name another one with --journal.")
    check_not_emptied(paths)
    if found.st_size == 0:
        return None
    revision = revision_of(paths.db)
    with reading(paths.db), closing(_connected(paths)) as connection:
        cut_off(connection, paths)
        faults = _faults(connection)
        return Content(revision, faults, _newest(connection), *_runs(connection))


def _connected(paths: JournalPaths) -> sqlite3.Connection:
    """Of any schema: a journal may be looked at by a doctor before it is upgraded."""
    how = "immutable=1" if lies_still(paths) else "mode=ro"
    connection = sqlite3.connect(f"file:{quote(os.fsencode(paths.db))}?{how}", uri=True, timeout=_BUSY_S)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _faults(connection: sqlite3.Connection) -> tuple[str, ...] | None:
    until = time.monotonic() + _QUICK_CHECK_S
    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        found = connection.execute(f"PRAGMA quick_check({_MOST_FAULTS})").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    finally:
        connection.set_progress_handler(None, 0)
    return tuple(str(said) for (said,) in found if said != "ok")


def _newest(connection: sqlite3.Connection) -> int | None:
    times = [when for query in _TIMES for when in _answers(connection, query) if isinstance(when, int)]
    return max(times, default=None)


def _runs(connection: sqlite3.Connection) -> tuple[bool, tuple[str, ...]]:
    """Whether one may reboot the box; their uuids."""
    may_reboot = False
    uuids = []
    with suppress(sqlite3.DatabaseError):  # of a schema that this version does not know
        for uuid, recorded in connection.execute(_RUNS):
            if isinstance(uuid, str) and len(uuid) >= 32:  # a shorter one would be that of anybody's processes
                uuids.append(uuid)
            with suppress(ValueError, TypeError, LookupError, RecursionError):
                may_reboot |= json.loads(recorded)["options"]["allow_reboot"] is True
    return may_reboot, tuple(uuids)


def _answers(connection: sqlite3.Connection, query: str) -> Iterator[object]:
    with suppress(sqlite3.DatabaseError):
        yield from (row[0] for row in connection.execute(query))


# -- what dead runs have left


def left(path: str, uuids: tuple[str, ...]) -> Left:
    paths = JournalPaths.of(path)
    copies = tuple(
        os.path.join(paths.parent, name)
        for name in _names(paths.parent)
        if name.startswith(paths.name) and name.endswith(PARTIAL)
    )
    directories = tuple(_deserted())
    if is_held(path):
        return Left(copies=copies, directories=directories)  # all else is of the run that goes on
    from pexen_state.sched.pool.strays import strays

    found = strays(uuids, paths.slots if os.path.exists(paths.slots) else None)
    files = tuple(one for one in (paths.reserve, paths.socket) if os.path.lexists(one))
    return Left(tuple(map(str, found)), tuple(one.pid for one in found), files, copies, directories)


def _deserted() -> Iterator[str]:
    """Directories of our own with the socket of a keeper that is dead."""
    looked_at = 0
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp")):
        for name in _names(parent):
            if _SOCKETS.fullmatch(name) is None:
                continue
            looked_at += 1
            if looked_at > _MOST_DIRECTORIES:
                return
            if _is_deserted(os.path.join(parent, name)):
                yield os.path.join(parent, name)


def _is_deserted(directory: str) -> bool:
    address = f"{directory}/socket"
    try:
        own = os.lstat(directory)
        is_ours = stat.S_ISDIR(own.st_mode) and own.st_uid == os.geteuid() and os.listdir(directory) == ["socket"]
        is_new = time.time() - own.st_mtime < _BEING_MADE_S
        if is_new or not (is_ours and stat.S_ISSOCK(os.lstat(address).st_mode)):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as asks:
            asks.connect(address)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False  # gone meanwhile, or so busy that it takes nobody
    return False


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
