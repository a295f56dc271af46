"""Files that `db backup` and `db export` make: which names will not do, and how large they became."""

from __future__ import annotations

import os

from pexen_state.cli.errors import UsageError
from pexen_state.journal.care.copies import is_in_use
from pexen_state.journal.paths import JournalPaths
from pexen_state.report.text import safe

#: What stands beside a database, by the end of its name.
_SUFFIXES = ("-wal", "-shm", "-journal", ".lock", ".slots", ".reserve", ".socket")


def check_target(target: str, journal: str, force: bool) -> None:
    """Raises UsageError for a file that must not be written."""
    named = safe(target)
    if os.path.isdir(target):
        raise UsageError(f"{named} is a directory. Name a file in it.")
    if not os.path.isdir(os.path.dirname(target)):
        raise UsageError(f"there is no directory {safe(os.path.dirname(target))}. Make it, or name another file.")
    if any(os.path.realpath(target) == os.path.realpath(one) for one in JournalPaths.of(journal).own):
        raise UsageError(f"{named} is the journal itself, or a part of it. Name another file.")
    for suffix in _SUFFIXES:
        if target.endswith(suffix) and os.path.isfile(target.removesuffix(suffix)):
            other = safe(target.removesuffix(suffix))
            raise UsageError(f"{named} would be taken for a part of {other}. Name another file.")
    if not os.path.lexists(target):
        for log in ("wal", "journal"):
            if os.path.lexists(f"{target}-{log}"):
                raise UsageError(f"{named}-{log} is there, and would become a part of {named}. Name another file.")
        return
    if not force:
        raise UsageError(f"{named} is there already. --force replaces it.")
    if is_in_use(target):
        raise UsageError(f"{named} is a database that is in use, or was cut off. Name another file.")


def size(byte_count: int) -> str:
    """For people: `812 B`, `1.2 MiB`."""
    value = float(byte_count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
