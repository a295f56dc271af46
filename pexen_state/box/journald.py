"""Writes entries with fields of our own to the journal of systemd, so that `journalctl PEXEN_TASK=net/dns` finds them.

The protocol is systemd's native one (systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram of `NAME=value` lines; a value
with line breaks is written as its name, its length in 8 bytes, little-endian, and its bytes.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"

ERROR, WARNING, INFO = 3, 4, 6  #: priorities, as syslog has them


class Journald:
    """Raises OSError if it cannot be connected."""

    def __init__(self, path: str = SOCKET) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise

    @classmethod
    def behind(cls, descriptor: int, environ: Mapping[str, str], path: str = SOCKET) -> Journald | None:
        """None unless what is written to the descriptor goes to the journal anyway, as systemd says of a service."""
        try:
            device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
            found = os.fstat(descriptor)
            if (int(device), int(inode)) != (found.st_dev, found.st_ino):
                return None
            return cls(path)
        except (OSError, ValueError):
            return None

    def write(self, message: str, fields: Mapping[str, str], priority: int = INFO) -> bool:
        """One entry; `fields` by name, in capitals. False if it was not taken: too large, or nobody there."""
        said = {"MESSAGE": message, "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "pexen", **fields}
        try:
            self._socket.send(b"".join(_field(name, value) for name, value in said.items()))
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" in data:
        return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(data)), data)
    return b"%s=%s\n" % (name.encode(), data)
