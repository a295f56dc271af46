"""Exit codes, and which of them an error means. Users' scripts hold on to these numbers."""

from __future__ import annotations

from enum import IntEnum

from pexen_state.box.scarcity import BoxError
from pexen_state.util import PexenError


class Exit(IntEnum):
    DONE = 0  #: finished; every verdict is pass, info, skip or warn
    FAILED = 1  #: finished; something failed, or could not run
    USAGE = 2  #: wrong usage or configuration
    BROKEN = 3  #: the journal, or pexen itself, failed
    UNFINISHED = 4  #: interrupted, paused, parked or waiting for a reboot; `pexen resume` goes on
    NOTHING = 5  #: nothing selected, nothing to resume
    BUSY = 6  #: another process holds this journal


class UsageError(PexenError):
    """What was typed, or a setting, cannot be used."""


class NothingToDo(PexenError):
    """There is nothing selected, or nothing to resume."""


class Interrupted(PexenError):
    """Somebody said stop before the run began."""


class BoxBusy(PexenError):
    """Somebody else on this box has what only one may have."""


def exit_code_of(error: PexenError) -> Exit:
    """The exit code of an error that a person is told as a sentence."""
    # Imported here: `pexen --help` needs none of them.
    from pexen_state.journal.errors import JournalBusy, JournalError
    from pexen_state.journal.queries import NotFound
    from pexen_state.sched.common import PoolError, RunOver, RunParked

    match error:
        case NothingToDo() | RunOver():
            return Exit.NOTHING
        case Interrupted() | RunParked():
            return Exit.UNFINISHED
        case NotFound():
            return Exit.USAGE
        case JournalBusy() | BoxBusy():
            return Exit.BUSY
        case JournalError() | PoolError() | BoxError():
            return Exit.BROKEN
        case _:
            return Exit.USAGE
