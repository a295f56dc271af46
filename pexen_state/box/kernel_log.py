"""What the kernel says while tasks run, and what we tell it, so that its own log names who was running.

Records of /dev/kmsg are described in the kernel's Documentation/ABI/testing/dev-kmsg: `PRIORITY,SEQUENCE,MICROSECONDS,
FLAGS;TEXT`, then lines of properties. A priority is a level, 0 to 7, and eight times a facility, which is 0 for the
kernel alone: what others wrote into its log is no word of its own.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

KMSG = "/dev/kmsg"
PMSG = "/dev/pmsg0"  #: kept over a crash, where the box has memory for that (pstore)
TAINTED = "/proc/sys/kernel/tainted"

_MOST_BYTES = 8192  # of a record
_MOST_RECORDS = 1000  # at once: a kernel that repeats itself must not hold anybody up
_LONGEST_MARK = 200

#: Something is wrong with the kernel, or with its hardware. What is merely logged as an error is not.
_TROUBLE = re.compile(
    r"^(?:WARNING: |BUG: |kernel BUG at |Oops[: ]|Kernel panic|general protection fault|Unable to handle kernel"
    r"|UBSAN: |KFENCE: |Internal error: |INFO: (?:task .* blocked for more than|rcu.*(?:stall|detected))"
    r"|rcu: INFO: .*stall|watchdog: BUG: |Out of memory: Killed process|mce: \[Hardware Error\])"
)
_LEADING_BRACKETS = re.compile(r"^(?:\[[^\]]*\]\s*)+")

#: By bit; Documentation/admin-guide/tainted-kernels.rst says more.
_TAINTS = (
    "proprietary module",
    "module loaded by force",
    "kernel on hardware out of specification",
    "module unloaded by force",
    "machine check",
    "bad page",
    "taint asked for by user space",
    "kernel died (Oops or BUG)",
    "ACPI table overridden",
    "kernel warning",
    "staging driver",
    "workaround for a platform bug",
    "module built outside of the tree",
    "unsigned module",
    "soft lockup",
    "kernel live-patched",
    "auxiliary taint",
    "struct randomization plugin",
    "test of the kernel",
)


class Message(NamedTuple):
    """One record."""

    sequence: int
    seconds: float  #: since the boot
    is_kernels: bool  #: the kernel said it, not a program
    text: str

    @property
    def is_trouble(self) -> bool:
        return self.is_kernels and is_trouble(self.text)


def is_trouble(text: str) -> bool:
    """Whether a line of the kernel's log, with or without its time before it, says that something is wrong."""
    return _TROUBLE.match(_LEADING_BRACKETS.sub("", text)) is not None


class KernelLog:
    """Reads what the kernel says from now on. Its descriptor is readable when there is something."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def open(cls, path: str = KMSG) -> KernelLog | None:
        """None where there is none, or where it is not for us."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            os.lseek(fd, 0, os.SEEK_END)
        except OSError:
            os.close(fd)
            return None
        return cls(fd)

    def fileno(self) -> int:
        return self._fd

    def take(self) -> list[Message]:
        """What was said since. Never blocks. What the kernel has overwritten meanwhile is gone."""
        return list(self._records())

    def _records(self) -> Iterator[Message]:
        for _ in range(_MOST_RECORDS):
            try:
                record = os.read(self._fd, _MOST_BYTES)
            except BrokenPipeError:
                continue  # some were overwritten; the next one is there
            except OSError:  # BlockingIOError included: that was all
                return
            if not record:
                return
            message = message_of(record)
            if message is not None:
                yield message

    def close(self) -> None:
        os.close(self._fd)


def last_messages(count: int, path: str = KMSG) -> list[Message]:
    """What was said last, the oldest first; nothing where it is not for us."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    log, found = KernelLog(fd), deque[Message](maxlen=count)
    try:
        while said := log.take():
            found.extend(said)
    finally:
        log.close()
    return list(found)


def message_of(record: bytes) -> Message | None:
    """A record as /dev/kmsg gives it, None if it is none."""
    head, found, rest = record.partition(b";")
    try:
        priority, sequence, at_us = (int(number) for number in head.split(b",")[:3])
    except ValueError:
        return None
    text = rest.partition(b"\n")[0].decode("utf-8", "replace")
    return Message(sequence, at_us / 1e6, priority >> 3 == 0, text) if found else None


def mark(text: str) -> bool:
    """Write a line into the kernel's log, and where it outlives a crash. False if neither is possible."""
    line = plain(text).encode("ascii")[:_LONGEST_MARK]
    # By a list: both are to be tried.
    return any([_write(KMSG, b"<6>" + line + b"\n"), _write(PMSG, line + b"\n")])


def _write(path: str, line: bytes) -> bool:
    with suppress(OSError):
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.write(fd, line) > 0
        finally:
            os.close(fd)
    return False


def plain(text: str) -> str:
    """As it stands in the kernel's log when it is written there by `mark`, but for its length."""
    return "".join(one if " " <= one <= "~" else "?" for one in text)


def taint(path: str = TAINTED) -> int:
    """The bits that say what the kernel is tainted by; 0 where it does not tell."""
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def taint_in_words(bits: int) -> list[str]:
    known = [words for bit, words in enumerate(_TAINTS) if bits >> bit & 1]
    return known + [f"taint bit {bit}" for bit in range(len(_TAINTS), bits.bit_length()) if bits >> bit & 1]
