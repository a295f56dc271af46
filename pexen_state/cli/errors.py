"""Which exit code an error means."""

from __future__ import annotations

from pexen_state.box.scarcity import BoxError
from pexen_state.suite.errors import NothingToDo, UsageError
from pexen_state.suite.exits import Exit
from pexen_state.util import PexenError

__all__ = ["BoxBusy", "Exit", "Interrupted", "NothingToDo", "UsageError", "exit_code_of"]


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
    from pexen_state.service.errors import SystemdError

    match error:
        case NothingToDo() | RunOver():
            return Exit.NOTHING
        case Interrupted() | RunParked():
            return Exit.UNFINISHED
        case NotFound():
            return Exit.USAGE
        case JournalBusy() | BoxBusy():
            return Exit.BUSY
        case JournalError() | PoolError() | BoxError() | SystemdError():
            return Exit.BROKEN
        case _:
            return Exit.USAGE
