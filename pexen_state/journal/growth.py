"""How large a journal and its write-ahead log have become: sentences for whoever runs it. Nothing is deleted here."""

from __future__ import annotations

import os

from pexen_state.journal.paths import JournalPaths

LARGE_BYTES = 5 * 1000**3
LARGE_LOG_BYTES = 64 << 20  #: without a reader that stays it is emptied at some 4 MiB


def hint_about(paths: JournalPaths) -> str | None:
    """What may be done about a journal that has become large."""
    try:
        size = os.stat(paths.db).st_size
    except OSError:
        return None
    if size <= LARGE_BYTES:
        return None
    return (
        f"the journal {paths.db} has {size / 1000**3:.1f} GB. `pexen db prune --max-size 2G` deletes the oldest "
        "runs with their output, and `pexen db vacuum` then gives the space back; nothing does so by itself"
    )


class LogWatch:
    """Speaks when the log has become large, and again each time that it has doubled since."""

    def __init__(self) -> None:
        self._speaks_at = LARGE_LOG_BYTES

    def warning(self, path: str, log_bytes: int) -> str | None:
        if log_bytes < self._speaks_at:
            return None
        self._speaks_at = 2 * log_bytes
        return (
            f"the log {path} has grown to {log_bytes >> 20} MiB: somebody has been reading the journal all the time, "
            f"so that it cannot be emptied. `fuser {path}` names who; it shrinks when they have left"
        )
