"""Permission to reboot the box: typed by a person, never read from a tree; refused where the run would not survive it.

One runner of a box may have it at a time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pexen_state.box.mounts import VOLATILE, kind_of
from pexen_state.cli.errors import BoxBusy, UsageError
from pexen_state.cli.running.options import Options
from pexen_state.report.text import safe

#: The first of these that can be written to holds the lock. They are emptied by a boot, and by nobody else.
_DIRECTORIES = ("/run/lock", "/run", "/tmp")
_NAME = "pexen-reboot.lock"


def check(
    options: Options, journal: str, environ: Mapping[str, str] = os.environ, *, is_of_a_service: bool = False
) -> None:
    """Raises UsageError if the run could not go on after a reboot. `environ` is that of whoever typed the command."""
    if not options.allow_reboot:
        return
    directory = os.path.dirname(journal)
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    kind = kind_of(directory)
    if kind in VOLATILE:
        raise UsageError(
            f"--allow-reboot: the journal {safe(journal)} is on a file system ({kind}) that does not survive a reboot. "
            "Name another one with --journal."
        )
    if not (options.resume_by_hand or is_of_a_service or _has_service(journal, environ)):
        raise UsageError(
            "--allow-reboot: nothing goes on with this run after a reboot. With --resume-by-hand you do, by "
            "`pexen resume`; a service does: `pexen run --detach`, or `pexen service install NAME`."
        )


def _has_service(journal: str, environ: Mapping[str, str]) -> bool:
    """Whether a service goes on with the runs of that journal after a boot."""
    from pexen_state.service.installed import of_journal, on_this_box

    service = of_journal(journal, on_this_box(environ))
    return service is not None and service.is_of_boots


@contextmanager
def held(options: Options) -> Iterator[None]:
    """Be the runner that may reboot this box. Raises BoxBusy if there is one."""
    if not options.allow_reboot:
        yield
        return
    lock = _open()
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "?"
            raise BoxBusy(
                f"--allow-reboot: the process {safe(holder)} runs tasks that may reboot this box, and two would cut "
                "each other off. Wait for its end, or run this one without."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def _open() -> int:
    error: OSError | None = None
    for directory in _DIRECTORIES:
        try:
            # Whoever made it, everybody may lock it.
            return os.open(os.path.join(directory, _NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as found:
            error = found
    assert error is not None
    raise UsageError(f"--allow-reboot: the lock {_NAME} cannot be made: {error.strerror}")
