"""One line of what the doctor says."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"  #: good to know; or it cannot be found out, or matters only to runs that this box does not have
    WARN = "warn"  #: something that may well happen would cost more than it has to
    BAD = "bad"  #: runs fail now, or lose what is promised


class Finding(NamedTuple):
    what: str  #: a fixed word or two
    level: Level
    says: str  #: what is so
    matters: str | None = None  #: what follows from it; None: nothing
    mend: str | None = None  #: a command for a shell, of root where it has to be, or what else is to be done

    @property
    def is_trouble(self) -> bool:
        return self.level in (Level.WARN, Level.BAD)


def ok(what: str, says: str) -> Finding:
    return Finding(what, Level.OK, says)


def unknown(what: str, why: str) -> Finding:
    return Finding(what, Level.NOTE, f"cannot be found out: {why}")
