"""What a worker does that has nothing left to begin an attempt with: no descriptor, no memory, no process.

Most often the task before it is to blame, which used all that this worker may have; so the attempt goes to a fresh
one. Where that lacks it too, the box is short of it. That passes, as a rule, so it is waited for a little; and then it
is the attempt's failure, with a reason that says what was missing.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

#: How long a fresh worker tries, in seconds.
PATIENCE = 2.0
_PAUSE = 0.05
_SHORT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})

_T = TypeVar("_T")


class NotWithThis(Exception):
    """An attempt cannot be begun by this worker. Nothing of it has happened."""


class Supply:
    """What `begin` of an attempt needs is tried for: once by a worker that is not fresh, then by one that is."""

    def __init__(self) -> None:
        self._is_fresh = True
        self.is_short = False  #: it was missing, for the attempt of now

    def used(self) -> None:
        """An attempt has ended: what is missing from now on may be missing because of it."""
        self._is_fresh = False

    def get(self, what: Callable[[], _T]) -> _T:
        """What it returns. Raises NotWithThis, or the OSError if that is no matter of the worker."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return what()
            except OSError as error:
                if error.errno not in _SHORT_OF:
                    raise
                self.is_short = True
                if not self._is_fresh:
                    raise NotWithThis from error
                if time.monotonic() >= until:
                    raise
                time.sleep(_PAUSE)
