"""Messages between the runner, its keeper and its workers: whole or not at all, and never a deadlock.

The sockets are of type SOCK_SEQPACKET: the kernel keeps the borders of messages, so a process that is killed
leaves no half of one, and several processes may share an end. A message too large for that travels as a
descriptor of an anonymous file that holds it; so nobody ever waits in the middle of a large message, however
many are under way in both directions.

A `Channel` moves bytes. What they mean is in `wire`.
"""

from __future__ import annotations

import array
import os
import socket
from collections import deque

from pexen_state.descriptors import above_standard

#: Larger messages travel as a file. Well below the smallest socket buffer in use.
INLINE = 32 * 1024
_AS_FILE = b"\1"
_ANCILLARY = socket.CMSG_SPACE(array.array("i").itemsize)
#: How much a socket may hold, where the system allows it: what is queued there needs no attention of ours.
_BUFFER = 1 << 20


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, closed on exec."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    one, other = (socket.socket(fileno=above_standard(end.detach())) for end in ends)
    for end in (one, other):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    return one, other


class Channel:
    """One end. `send` waits, `post` and `receive_all` never do; what `post` could not send, `flush` sends."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._waiting: deque[bytes] = deque()
        self.at_end = False  #: the other side is gone, and all it sent was received

    def fileno(self) -> int:
        return self._end.fileno()

    def close(self) -> None:
        self._waiting.clear()
        self._end.close()

    @property
    def is_waiting(self) -> bool:
        """Something could not be sent yet: call `flush` when the socket is writable."""
        return bool(self._waiting)

    # -- out

    def send(self, message: bytes) -> None:
        """Send, and wait for room if there is none. Raises BrokenPipeError if nobody is there."""
        self._send(message, 0)

    def post(self, message: bytes) -> None:
        self._waiting.append(message)
        self.flush()

    def flush(self) -> None:
        waiting = self._waiting
        try:
            while waiting:
                self._send(waiting[0], socket.MSG_DONTWAIT)
                waiting.popleft()
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            # Nobody is there to read it. That is found out, and dealt with, where this end is read.
            waiting.clear()

    def take_back(self) -> list[bytes]:
        """What was posted and could not be sent yet. It will not be."""
        unsent = list(self._waiting)
        self._waiting.clear()
        return unsent

    def _send(self, message: bytes, flags: int) -> None:
        flags |= socket.MSG_NOSIGNAL
        if len(message) <= INLINE:
            self._end.send(b"\0" + message, flags)
            return
        file = os.memfd_create("pexen", os.MFD_CLOEXEC)
        try:
            _write_all(file, message)
            passed = array.array("i", [file])
            self._end.sendmsg([_AS_FILE], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)], flags)
        finally:
            os.close(file)

    # -- in

    def receive(self) -> bytes | None:
        """Wait for one message. None at the end."""
        return self._receive(0)

    def receive_all(self) -> list[bytes]:
        """What is there now; sets `at_end`."""
        found: list[bytes] = []
        try:
            while (message := self._receive(socket.MSG_DONTWAIT)) is not None:
                found.append(message)
            self.at_end = True
        except BlockingIOError:
            pass
        return found

    def _receive(self, flags: int) -> bytes | None:
        try:
            data, ancillary, _flags, _address = self._end.recvmsg(
                INLINE + 1, _ANCILLARY, flags | socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            return None  # the other side was killed while a message of ours was still on its way to it
        if not data:
            return None
        if not ancillary:
            if data[:1] == _AS_FILE:
                raise OSError("a large message was lost: this process has no descriptor left for it")
            return data[1:]
        file = array.array("i", ancillary[0][2])[0]
        try:
            return _read_all(file)
        finally:
            os.close(file)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _read_all(file: int) -> bytes:
    size = os.fstat(file).st_size
    parts = []
    at = 0
    while at < size:
        part = os.pread(file, size - at, at)
        parts.append(part)
        at += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
