"""Reboots the box when the plan says so, and notices when it does not go down.

Whoever runs the loop asks `take` from time to time, at the latest when it is `due`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from pexen_state.box import rebooting
from pexen_state.box.rebooting import CannotReboot
from pexen_state.core.inputs import Input, NotRebooted

#: Seconds within which a box goes down, if a task does not say another number.
GOES_DOWN_WITHIN = 300.0


class Rebooter:
    """`command` is what reboots the box. `boots` is how many the run has had, of which it may have `most`."""

    def __init__(
        self, command: Sequence[str], boots: int, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._command = command
        self._boots = boots
        self._most = most
        self._clock = clock
        self._patience = 0.0
        self._why_not: str | None = None
        self.due = math.inf  #: by the clock: when there will be something to take

    def allow(self, seconds: float | None) -> None:
        """A task that asked for a reboot says how long the box may take to go down. The longest time counts."""
        self._patience = max(self._patience, GOES_DOWN_WITHIN if seconds is None else seconds)

    def begin(self) -> None:
        """Reboot. Returns when that has begun; then this process is about to be told to end."""
        patience, self._patience = self._patience or GOES_DOWN_WITHIN, 0.0
        if self._boots >= self._most:
            self._give_up(f"the run has had {self._boots} boots, which is its limit (--max-boots)")
            return
        rebooting.keep_boot_entry()
        try:
            rebooting.reboot(self._command)
        except CannotReboot as error:
            self._give_up(f"the box could not be rebooted: {error}")
        else:
            self._why_not = f"the box was still up {patience:g} s after it was to be rebooted"
            self.due = self._clock() + patience

    def _give_up(self, why: str) -> None:
        self._why_not = why
        self.due = self._clock()

    def take(self) -> list[Input]:
        """That the box was not rebooted, once that is clear."""
        if self._why_not is None or self._clock() < self.due:
            return []
        why, self._why_not, self.due = self._why_not, None, math.inf
        return [NotRebooted(why)]
