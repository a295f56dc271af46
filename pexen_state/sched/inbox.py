"""Where signals, other threads and other processes leave what they ask of a run.

Nothing is done here: the loop takes the inputs with its next turn, so that they meet the plan like everything
else that happens.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress

from pexen_state.core.inputs import Input


class Inbox:
    """A queue with a descriptor that is readable while something lies in it.

    `put` may be called from a signal handler, and from any thread, also after `close`.
    """

    def __init__(self) -> None:
        self._inputs: deque[Input] = deque()
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        # Nobody may write to a descriptor that has been closed: it may be another file by then. Reentrant,
        # because a signal handler runs on top of whatever its thread is doing.
        self._lock = threading.RLock()

    def fileno(self) -> int:
        return self._event

    def put(self, asked: Input) -> None:
        self._inputs.append(asked)
        self.wake()

    def wake(self) -> None:
        """Have the loop look whether there is anything."""
        with self._lock:
            if self._event >= 0:
                os.eventfd_write(self._event, 1)

    def take(self) -> list[Input]:
        with suppress(BlockingIOError):
            os.eventfd_read(self._event)
        taken: list[Input] = []
        while self._inputs:
            taken.append(self._inputs.popleft())
        return taken

    def committed(self) -> None:
        pass  # who puts something here waits for no answer

    def close(self) -> None:
        with self._lock:
            if self._event >= 0:
                event, self._event = self._event, -1
                os.close(event)
