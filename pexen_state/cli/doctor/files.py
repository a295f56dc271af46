"""Files of the box below a root, read up to a limit; and what may take for ever, up to a limit of time.

A file system of another box that is gone holds up whoever touches it, and a pipe whoever opens it. A doctor has to say
so, instead.
"""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from pexen_state.cli.doctor.seen import Unknown
from pexen_state.util import PexenError

PATIENCE_S = 5.0
_MOST_BYTES = 256 * 1024

T = TypeVar("T")


def within(seconds: float, look: Callable[[], T]) -> T | Unknown:
    """What `look` returns, or why it does not."""
    found: list[T | Unknown] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            found.append(look())
        except (OSError, PexenError) as error:
            found.append(Unknown(str(error)))
        except Exception as error:  # noqa: BLE001 - raised again, in the thread of whoever asked
            faults.append(error)

    # Nobody waits for it at the end of the process, either.
    thread = threading.Thread(target=run, name="doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    if faults:
        raise faults[0]
    return found[0] if found else Unknown(f"no answer within {seconds:g} seconds")


class Files:
    """What cannot be read is None, or empty."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def path(self, name: str) -> str:
        return os.path.join(self.root, name.lstrip("/"))

    def text(self, name: str) -> str | None:
        try:
            # A pipe is opened without waiting for whoever writes to it, and not read.
            fd = os.open(self.path(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except (OSError, ValueError):
            return None
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            parts, left = [], _MOST_BYTES
            while left > 0 and (part := os.read(fd, left)):
                parts.append(part)
                left -= len(part)
            return b"".join(parts).decode("utf-8", "replace")
        except OSError:
            return None
        finally:
            os.close(fd)

    def number(self, name: str) -> int | None:
        said = (self.text(name) or "").strip()
        digits = said.removeprefix("-")
        return int(said) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None

    def has(self, name: str) -> bool:
        return os.path.lexists(self.path(name))

    def is_directory(self, name: str) -> bool:
        return os.path.isdir(self.path(name))

    def names(self, name: str) -> list[str]:
        try:
            return sorted(os.listdir(self.path(name)))
        except OSError:
            return []


def said_by(words: Sequence[str], seconds: float = PATIENCE_S) -> str | None:
    """What a command prints, if it ends well and in time."""
    try:
        done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
