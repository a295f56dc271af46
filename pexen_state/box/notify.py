"""What a service says to systemd while it runs: that it is ready, what it is at, that it is not stuck.

The protocol is that of sd_notify(3): one datagram of `NAME=VALUE` lines to the socket that the service manager names in
the environment. Sent only by the process that systemd has started itself, and by those that it forks: whatever else
finds the variables would speak in the name of somebody else's service. So they are taken out of the environment.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress

_SOCKET, _WATCHDOG_US, _WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_OURS = "SYSTEMD_EXEC_PID"  # whom systemd has started, since its version 248; before, the watchdog's says the same
_STATUS_CHARS = 200


class ServiceManager:
    """The service manager that started this process; without one, nothing is said.

    `alive` and `status` may be called at any time, and as often as one likes.
    """

    def __init__(
        self,
        address: str | None = None,
        watchdog_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._watchdog_s = watchdog_s
        self._clock = clock
        self._is_ready = False
        self._patience_s = watchdog_s
        self._fed_at = -math.inf
        self._extended_at = -math.inf
        self._status = ""

    @classmethod
    def of(cls, environ: MutableMapping[str, str], pid: int | None = None) -> ServiceManager:
        """The one that these variables name, if they are meant for this process. They are removed: tasks get none."""
        address = environ.pop(_SOCKET, None)
        watchdog_us = environ.pop(_WATCHDOG_US, "")
        watchdog_pid = environ.pop(_WATCHDOG_PID, None)
        me = str(os.getpid() if pid is None else pid)
        if not address or environ.get(_OURS, watchdog_pid) != me:
            return cls()
        is_watched = watchdog_us.isdecimal() and int(watchdog_us) > 0 and watchdog_pid in (None, me)
        return cls(address, int(watchdog_us) / 1e6 if is_watched else None)

    @property
    def is_there(self) -> bool:
        return self._address is not None

    def ready(self) -> None:
        """The service is up; said once. From now on the watchdog looks."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1")
            self._fed_at = self._clock()

    def alive(self) -> None:
        """We are not stuck: said to the watchdog as soon as a third of its patience is over."""
        if self._watchdog_s is None or not self._is_ready:
            return
        now = self._clock()
        if self._patience_s != self._watchdog_s:
            self._patience_s = self._watchdog_s
            self._send(f"WATCHDOG_USEC={_us(self._watchdog_s)}\nWATCHDOG=1")
        elif now >= self._fed_at + self._watchdog_s / 3:
            self._send("WATCHDOG=1")
        else:
            return
        self._fed_at = now

    def busy(self, seconds: float) -> None:
        """What comes now may take so long, and nobody will say meanwhile that we are not stuck. `alive` ends it."""
        if self._watchdog_s is None or not self._is_ready:
            return
        self._patience_s = max(seconds, self._watchdog_s)
        self._send(f"WATCHDOG_USEC={_us(self._patience_s)}\nWATCHDOG=1")

    def status(self, text: str) -> None:
        """A line for `systemctl status`. `text` is safe already."""
        text = " ".join(text.split())[:_STATUS_CHARS]
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def extend(self, seconds: float) -> None:
        """We were asked to end, and may need so many seconds more, counted from now. Said once a second at most."""
        now = self._clock()
        if now >= self._extended_at + 1:
            self._extended_at = now
            self._send(f"EXTEND_TIMEOUT_USEC={_us(seconds)}")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        import socket  # not before there is somebody to talk to: every command loads this module

        # A name that begins with @ is an abstract one, which the kernel writes with a NUL.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        # What cannot be said is no reason to fail: the service manager will draw its conclusions.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.sendto(message.encode("utf-8", "replace"), address)


def _us(seconds: float) -> int:
    return int(seconds * 1e6)
