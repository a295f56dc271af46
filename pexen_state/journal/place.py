"""Whether a journal lies where nobody else can put something in its place.

Who may replace the file, or what is beside it, decides what the next resume runs, and with whose rights. Asked before
anything is opened or made beside it, by whoever is about to write. Looking at a journal of somebody else is another
thing: nothing in it is run by that.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from pexen_state.journal.errors import JournalUnsafe
from pexen_state.journal.paths import JournalPaths

_ROOT = 0


@dataclass(frozen=True, slots=True)
class Place:
    """What was seen there. `mode` and `owner` (a user's number) are of the name itself, and None if there is none."""

    mode: int | None
    owner: int | None
    directory_mode: int


def seen(paths: JournalPaths) -> Place | None:
    """None if it cannot be looked at: whoever opens it next says why."""
    try:
        directory_mode = os.stat(paths.parent).st_mode
        try:
            own = os.lstat(paths.db)
        except FileNotFoundError:
            return Place(None, None, directory_mode)
    except OSError:
        return None
    return Place(own.st_mode, own.st_uid, directory_mode)


def fault_of(place: Place, user: int) -> str | None:
    """Why `user` should not write to a journal there, and the way out; None if nothing speaks against it."""
    if place.mode is not None and stat.S_ISLNK(place.mode):
        return "is a symbolic link, which may lead elsewhere tomorrow. Name the file that it leads to with --journal."
    if place.owner is not None and place.owner not in (user, _ROOT):
        return (
            f"belongs to the user {place.owner}, who decides what is in it; you are {user}. Run as that user, or take "
            "a copy of your own with `pexen db backup`, and name that with --journal."
        )
    if _is_everybodys(place) and not place.directory_mode & stat.S_ISVTX:
        return (
            "lies in a directory in which everybody may replace it. `chmod o-w` the directory, or name a file "
            "elsewhere with --journal."
        )
    return None


def refuse_unsafe(paths: JournalPaths) -> None:
    """Raises JournalUnsafe."""
    place = seen(paths)
    fault = fault_of(place, os.geteuid()) if place is not None else None
    if fault is not None:
        raise JournalUnsafe(f"the journal {paths.db} {fault}")


def warning_about(paths: JournalPaths) -> str | None:
    """A sentence about a place that is not refused, but is not a good one either."""
    place = seen(paths)
    if place is None or not _is_everybodys(place):
        return None
    return (
        f"the journal {paths.db} lies in a directory to which everybody may add files. A directory of your own is a "
        "better place: name a file there with --journal"
    )


def _is_everybodys(place: Place) -> bool:
    return bool(place.directory_mode & stat.S_IWOTH)
