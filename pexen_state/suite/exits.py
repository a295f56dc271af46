"""Exit codes. Users' scripts hold on to these numbers."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0  #: finished; every verdict is pass, info, skip or warn
    FAILED = 1  #: finished; something failed, or could not run
    USAGE = 2  #: wrong usage or configuration
    BROKEN = 3  #: the journal, or pexen itself, failed
    UNFINISHED = 4  #: interrupted, paused, parked or waiting for a reboot; `pexen resume` goes on
    NOTHING = 5  #: nothing selected, nothing to resume
    BUSY = 6  #: another process holds this journal
