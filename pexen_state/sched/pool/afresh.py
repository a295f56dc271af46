"""A worker's process as it was when it began, for each attempt anew: python tasks run in the process itself.

After each of them the working directory, the umask, the environment, signals (handlers, mask, timers), soft
resource limits, `sys.path` and python's standard streams are put back. It owns nothing but that; what a task
starts is ended by `leftovers`, descriptors 1 and 2 are `output`'s.

What cannot be put back stays: a thread that was left running goes on beside the attempts that follow, until
the worker ends; modules keep what was set in them (globals, caches, `random`, `locale`), as they would in any
program that calls one function after the other; and so do user, root directory and name spaces. A task that
changes these is best made an executable, which has a process of its own.
"""

from __future__ import annotations

# The wrappers in `signal` make enums of everything, which takes 30 times as long; this runs after each attempt.
import _signal  # type: ignore[import-not-found,unused-ignore]
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

_SIGNALS = range(1, 32)  # the real-time ones are nobody's habit, and would double the time that it takes
_LIMITS = range(16)  # RLIM_NLIMITS, which python does not know; it is the same on all of Linux
_HOW_LIMITS_ARE_CHANGED = "resource"


class Afresh:
    """Made when a worker begins; `again` puts its process back."""

    def __init__(self) -> None:
        self.directory = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  #: where each attempt begins
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._environ = os.environ
        # Its own mapping, of encoded names: reading the public one decodes all of it.
        self._encoded: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
        self.variables = dict(self._encoded)  #: the environment that each attempt finds
        self._at_start = dict(self._encoded)
        self._worn: dict[str, None] = {}  # names of variables of the last attempt alone
        self._handlers = _handlers()
        self._limits = _limits_at_start()
        self._path, self._entries = sys.path, list(sys.path)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)

    def wear(self, variables: dict[str, str], own: Mapping[str, str] | None = None) -> None:
        """Set these in the environment, to stay there until the next attempt sets its own. `own` are of this attempt
        alone.
        """
        encoded, kept = self._encoded, self.variables
        if own or self._worn:
            self._change({**self._worn, **dict.fromkeys(own or ())}, own or {})
        # What `os.environ.update` does, and a copy of it all, in a third of the time.
        for name, value in variables.items():
            key, data = name.encode(), os.fsencode(value)
            os.putenv(key, data)
            encoded[key] = kept[key] = data

    def _change(self, names: Iterable[str], own: Mapping[str, str]) -> None:
        """Put back what was there before the attempts wore anything, and set what this one wears."""
        for name in names:
            key = os.fsencode(name)
            data = os.fsencode(own[name]) if name in own else self._at_start.get(key)
            if data is None:
                os.unsetenv(key)
                self._encoded.pop(key, None)
                self.variables.pop(key, None)
            else:
                os.putenv(key, data)
                self._encoded[key] = self.variables[key] = data
        self._worn = dict.fromkeys(own)

    def keep_path(self) -> None:
        """What importing a module has added to `sys.path` stays: it stays imported, too, and may count on that."""
        self._entries = list(sys.path)

    def again(self) -> bool:
        """Put everything back. False if that cannot be done: no other attempt should run here."""
        try:
            if _signal.setitimer(_signal.ITIMER_REAL, 0) != _NO_TIMER or _handlers() != self._handlers:
                self._restore_handlers()
            if _signal.pthread_sigmask(_signal.SIG_BLOCK, ()):
                _unblock_signals()
            os.fchdir(self.directory)
            os.umask(self._umask)
            if os.environ is not self._environ or self._encoded != self.variables:
                self._restore_variables()
            if _HOW_LIMITS_ARE_CHANGED in sys.modules and _limits() != self._limits:
                self._restore_limits()
        except (OSError, ValueError):  # a hard limit was lowered, or our descriptor was closed
            return False
        if sys.path is not self._path or sys.path != self._entries:
            self._path[:] = self._entries
            sys.path = self._path
        sys.stdin, sys.stdout, sys.stderr = self._streams
        return True

    def _restore_variables(self) -> None:
        os.environ = self._environ  # noqa: B003 - it is the mapping that the environment really is in
        for name in self._encoded.keys() - self.variables.keys():
            del os.environb[name]
        for name, value in self.variables.items():
            os.environb[name] = value

    def _restore_handlers(self) -> None:
        for timer in (signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        signal.set_wakeup_fd(-1)
        for number, (now, before) in enumerate(zip(_handlers(), self._handlers, strict=True), _SIGNALS.start):
            if now is not before and before is not None:  # None: it is not python's
                with contextlib.suppress(OSError, ValueError):  # the C library keeps some for itself
                    signal.signal(number, before)

    def _restore_limits(self) -> None:
        import resource

        for kind, (soft, hard) in self._limits.items():
            if resource.getrlimit(kind) != (soft, hard):
                resource.setrlimit(kind, (soft, hard))


_NO_TIMER = (0.0, 0.0)


def _handlers() -> list[Any]:
    return list(map(_signal.getsignal, _SIGNALS))


def _unblock_signals() -> None:
    """What came while it was blocked was meant for the attempt that is over."""
    until = time.monotonic() + 1.0
    while (pending := signal.sigpending()) and time.monotonic() < until:
        signal.sigtimedwait(pending, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


Limits = dict[int, tuple[int, int]]


def _limits() -> Limits:
    import resource

    return {kind: resource.getrlimit(kind) for kind in _LIMITS}


def _limits_at_start() -> Limits:
    # Looking at all of them costs more than everything else together. So it is done only where a task may have
    # changed them: where somebody has imported the module by which that is done. We have not, for this purpose.
    was_there = _HOW_LIMITS_ARE_CHANGED in sys.modules
    limits = _limits()
    if not was_there:
        del sys.modules[_HOW_LIMITS_ARE_CHANGED]
    return limits
