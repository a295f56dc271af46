"""An older journal for whoever is about to go on with it: upgraded, if that is due, before it is looked at.

No import of SQLAlchemy where nothing is due.
"""

from __future__ import annotations

import os

from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.reader import check_not_emptied, revision_of
from pexen_state.journal.versions import REVISION


def bring_up_to_date(path: str | os.PathLike[str]) -> str | None:
    """Upgrade the journal at `path` if it is older than this version. Returns the path of the backup made then.

    An empty file, which a kill may leave before the schema is written, is left to whoever runs it next. Raises
    JournalBusy if somebody runs it, and other JournalErrors.
    """
    if is_empty(path) or revision_of(path) >= REVISION:
        return None
    from pexen_state.journal.lock import RunLock
    from pexen_state.journal.upgrade import is_due, upgrade

    with RunLock.acquire(path) as lock:
        revision = revision_of(path)  # somebody may have been quicker
        return upgrade(lock.paths, revision) if is_due(revision, lock.paths.db) else None


def is_empty(path: str | os.PathLike[str]) -> bool:
    """Whether a run would have to make it first. Raises JournalCorrupt if it has only lost what was in it."""
    try:
        is_empty = os.stat(path).st_size == 0
    except FileNotFoundError:
        return True
    if is_empty:
        check_not_emptied(JournalPaths.of(path))
    return is_empty
