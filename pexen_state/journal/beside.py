"""Whether somebody still writes to a journal whose lock is free: who deletes a lock file lets a second runner in.

Looked at once, when a journal is opened to be written to. It knows the last session's process, and asks /proc whether
that has the file open.
"""

from __future__ import annotations

import os
from contextlib import suppress

from pexen_state.journal import statements
from pexen_state.journal.errors import JournalBusy
from pexen_state.journal.identity import ProcessIdentity, is_alive
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.restore import Fetch


def refuse_beside_another(fetch: Fetch, paths: JournalPaths) -> None:
    """Raises JournalBusy if a session goes on in another process, whatever its lock says."""
    for process in fetch(statements.OPEN_PROCESSES, ()):
        who = ProcessIdentity(*process)
        if who.pid != os.getpid() and is_alive(who) and _has_open(who.pid, paths.db):
            raise JournalBusy(
                f"the process {who.pid} still writes to the journal {paths.db}, although its lock is free: somebody "
                f"has deleted or replaced {paths.lock}. "
                f"It ends with its next result; wait for that, or `kill {who.pid}`.",
                who.pid,
            )


def _has_open(pid: int, path: str) -> bool:
    try:
        file = os.stat(path)
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return True  # whoever hides it is somebody else; better none than two
    for descriptor in descriptors:
        with suppress(OSError):
            if os.path.samestat(os.stat(f"/proc/{pid}/fd/{descriptor}"), file):
                return True
    return False
