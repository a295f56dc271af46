"""The way of small messages from all workers to the runner: a pipe, which costs a tenth of a socket.

A write of up to PIPE_BUF bytes is in the pipe whole or not at all, whoever else writes and whoever is killed; and
one read takes all that is there. What is larger goes by the socket (`frames`).
"""

from __future__ import annotations

import fcntl
import os
import select
from contextlib import suppress

from pexen_state.descriptors import above_standard
from pexen_state.sched.pool.frames import Channel

_LENGTH = 2  #: bytes before each message that say how long it is
_MOST = select.PIPE_BUF - _LENGTH
_ROOM = 1 << 20  #: what is in the pipe needs no attention of ours; where the system allows that much


def pipe() -> tuple[int, int]:
    """(the runner's end, which never blocks, the workers' end)."""
    reading, writing = map(above_standard, os.pipe())
    os.set_blocking(reading, False)
    with suppress(OSError):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _ROOM)
    return reading, writing


class Answers:
    """The runner's end."""

    def __init__(self, reading: int) -> None:
        self._reading = reading
        self._cut = b""  # a message of which the rest was not read yet

    def fileno(self) -> int:
        return self._reading

    def receive_all(self) -> list[bytes]:
        """What is there now."""
        try:
            data = self._cut + os.read(self._reading, _ROOM)
        except BlockingIOError:
            return []
        found: list[bytes] = []
        at, size = 0, len(data)
        while at + _LENGTH <= size:
            end = at + _LENGTH + int.from_bytes(data[at : at + _LENGTH], "little")
            if end > size:
                break
            found.append(data[at + _LENGTH : end])
            at = end
        self._cut = data[at:]
        return found

    def close(self) -> None:
        os.close(self._reading)


class Answering:
    """A worker's end."""

    def __init__(self, writing: int, large: Channel) -> None:
        self._writing = writing
        self._large = large

    def send(self, message: bytes) -> None:
        """Send, and wait for room if there is none. Raises BrokenPipeError if nobody is there."""
        if len(message) <= _MOST:
            os.write(self._writing, len(message).to_bytes(_LENGTH, "little") + message)
        else:
            self._large.send(message)
