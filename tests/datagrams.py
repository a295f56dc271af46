"""The other end of what is said by datagrams: to a service manager, to the journal of systemd."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Listener:
    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(self.address)

    def heard(self) -> list[str]:
        """What was said since this was asked last."""
        return [datagram.decode() for datagram in self._datagrams()]

    def entries(self) -> list[dict[str, str]]:
        """So, of what is to be an entry of a journal."""
        return [_entry(datagram) for datagram in self._datagrams()]

    def _datagrams(self) -> Iterator[bytes]:
        while True:
            try:
                yield self._socket.recv(1 << 20)
            except BlockingIOError:
                return

    def close(self) -> None:
        self._socket.close()


@contextmanager
def listening(address: str | Path) -> Iterator[Listener]:
    listener = Listener(address)
    try:
        yield listener
    finally:
        listener.close()


def _entry(datagram: bytes) -> dict[str, str]:
    """Its fields, read as systemd.io/JOURNAL_NATIVE_PROTOCOL says."""
    found = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", datagram[:8])
            value, datagram = datagram[8 : 8 + size], datagram[8 + size + 1 :]
        found[name.decode()] = value.decode()
    return found
