"""How long a thread may keep the others waiting, while threads of ours run tasks.

The thread that writes the journal gives up the interpreter for each flush, and gets it back when a task's thread
lets go: by default, after 5 ms. The interval belongs to the whole interpreter, whose guests we are. So it is put
back when the last pool of threads is closed, unless somebody else has set it meanwhile.
"""

from __future__ import annotations

import sys
import threading

_SECONDS = 0.0005

_lock = threading.Lock()
_users = 0
_before: float | None = None  #: what was there; None: it is not ours to put back


def switch_often() -> None:
    """From now on; once for each `switch_as_before`."""
    global _users, _before
    with _lock:
        _users += 1
        if _users == 1 and (now := sys.getswitchinterval()) > _SECONDS:
            _before = now
            sys.setswitchinterval(_SECONDS)


def switch_as_before() -> None:
    global _users, _before
    with _lock:
        _users -= 1
        if _users == 0 and _before is not None:
            if sys.getswitchinterval() == _SECONDS:
                sys.setswitchinterval(_before)
            _before = None
