"""What a freshly forked process leaves behind of its parent: terminal, descriptors, signals.

It may be the child of a program with threads, so nothing here takes a lock or imports anything.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence


def settle_in(ours: Sequence[int], keep_fds: Sequence[int]) -> tuple[int, int]:
    """Leave the parent's terminal, descriptors and signals behind. Returns the pipe that a SIGCHLD writes to."""
    with contextlib.suppress(PermissionError):  # it leads a process group already
        os.setsid()
    # By close(2) alone: some of them are SQLite's, whose own closing would drop the runner's locks.
    _close_all_but({0, 1, 2, *ours, *keep_fds})
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    for standard in (1, 2):
        try:
            os.fstat(standard)
        except OSError:
            os.dup2(null, standard)
        os.set_inheritable(standard, True)
    if null > 2:
        os.close(null)
    for kept in keep_fds:
        os.set_inheritable(kept, False)
    restore_signals()
    # A terminal's or a service manager's wish to end goes to the runner, which tells us.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading, writing


def _close_all_but(kept: set[int]) -> None:
    last = -1
    for fd in [*sorted(kept), max(map(int, os.listdir("/proc/self/fd")), default=2) + 1]:
        if last + 1 < fd:  # an empty range that ends at 0 is taken for all
            os.closerange(last + 1, fd)
        last = fd


def restore_signals() -> None:
    """As in a python that was just started."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        # What python itself ignores stays ignored: writing to a closed pipe is an exception here.
        as_python = signal.SIG_IGN if number in (signal.SIGPIPE, signal.SIGXFSZ) else signal.SIG_DFL
        if signal.getsignal(number) is not as_python:
            with contextlib.suppress(OSError, ValueError):  # the C library keeps some for itself
                signal.signal(number, as_python)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
