"""After a crash of the box: which of the attempts in flight is tried first.

Pure: what is known is handed in. The most suspicious one is tried first because most crashes have one culprit, and
whoever comes after it is then never held up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pexen_state.box.last_words import Named

#: The kernel keeps that much of a process's name.
_COMM_LENGTH = 15


class Suspect(NamedTuple):
    """An attempt that was in flight when the box crashed, and what speaks against it."""

    task: int
    attempt: int
    key: str
    pid: int | None  #: of its worker, if that was written down
    crashes: int  #: that it was blamed for before, in this run and in earlier ones
    is_running: bool  #: a worker had said that it began
    place: int  #: the later its beginning stands in the kernel's last log, the higher; 0: not there, or with its end
    since: int  #: `seq` of its submission, or of its beginning


def most_suspicious_first(suspects: Iterable[Suspect], named: Sequence[Named] = ()) -> list[Suspect]:
    """Named by the kernel; blamed before; surely begun; the latest to begin, for the others have run without a crash
    for longer.
    """

    def innocence(one: Suspect) -> tuple[bool, int, bool, int, int, int]:
        return (
            not is_named(one.key, one.pid, named),
            -one.crashes,
            not one.is_running,
            -one.place,
            -one.since,
            one.task,
        )

    return sorted(suspects, key=innocence)


def is_named(key: str, pid: int | None, named: Iterable[Named]) -> bool:
    """Whether the kernel named the task's worker, or a process that is called as the task is."""
    return any(one.pid == pid or one.name == _name_of(key) for one in named)


def _name_of(key: str) -> str:
    """What the kernel would call an executable of this key."""
    return key.rpartition("/")[2].encode()[:_COMM_LENGTH].decode("utf-8", "ignore")
