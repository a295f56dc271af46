"""The wall clock, and how far somebody sets it while a session lasts.

Times in the journal are by the wall clock, for people. It may be set at any time, so a duration is the difference of
two times of one session less what the clock was set by in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: Microseconds.
Clock = Callable[[], int]

#: Less than that is a clock that is kept right a little at a time.
_WORTH_TELLING_US = 1_000_000


def wall_clock_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def steady_clock_us() -> int:
    """Microseconds since an instant of this boot. Nobody sets it."""
    return time.monotonic_ns() // 1000


class WatchedClock:
    """`wall` as it is; `steady` tells when it was set. None: nobody sets it."""

    def __init__(self, wall: Clock, steady: Clock | None) -> None:
        self.now = wall
        self._steady = steady
        self._apart = wall() - steady() if steady is not None else 0

    def set_by(self) -> int:
        """Microseconds by which it was set since this was asked last, negative if it was set back; 0 if it was not."""
        if self._steady is None:
            return 0
        apart = self.now() - self._steady()
        set_by = apart - self._apart
        if -_WORTH_TELLING_US < set_by < _WORTH_TELLING_US:
            return 0
        self._apart = apart
        return set_by
