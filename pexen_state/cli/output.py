"""Standard output and standard error of the command, which may go away while a run goes on.

What is written here is safe already (`report.text`). A reader that left (`| head`), or a terminal that is gone,
must not end a run: from then on nothing is written, and nobody is told. Anything else that keeps standard output from
being written, such as a full disk, does not end a run either, but is kept for `main` to tell.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TextIO

from pexen_state.report.style import Style

_LEFT = (errno.EPIPE, errno.ECONNRESET)
_HUNG_UP = (errno.EIO, errno.EBADF, errno.ENXIO)  # of a terminal; of a file they are a fault

_troubles: list[OSError] = []


def take_trouble() -> OSError | None:
    """What kept standard output from being written since this was asked last, other than that its reader left."""
    found = _troubles[0] if _troubles else None
    _troubles.clear()
    return found


def finish(stream: TextIO, descriptor: int) -> None:
    """Write what is still buffered. If that cannot be, it goes nowhere, so that python does not fail on it later."""
    try:
        stream.flush()
    except (OSError, ValueError) as error:
        note(error, descriptor)
        _to_nowhere(descriptor)


def note(error: Exception, descriptor: int) -> bool:
    """Keep the error for `take_trouble`, unless it only means that the reader left. Returns whether it is trouble."""
    if not isinstance(error, OSError) or error.errno in _LEFT:
        return False
    if error.errno in _HUNG_UP and _is_no_file(descriptor):
        return False
    if descriptor == 1:
        _troubles.append(error)
    return True


def _is_no_file(descriptor: int) -> bool:
    try:
        return stat.S_ISCHR(os.fstat(descriptor).st_mode)
    except OSError:  # closed
        return True


def _to_nowhere(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


class Stream:
    """One of the two, by lines."""

    def __init__(self, stream: TextIO, descriptor: int) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self.is_gone = False
        self.has_trouble = False  #: it is gone, and not because nobody reads
        #: Which characters of our own may be used. Asked now: a resume brings the locale of the run back.
        self.encoding = _encoding(stream)
        # Names of files need not be text, and not every terminal can show every character. A terminal's stream is
        # not flushed at every line: who writes says when it is to be seen.
        with contextlib.suppress(AttributeError, ValueError):  # a test's may lack it
            stream.reconfigure(errors="backslashreplace", line_buffering=False)  # type: ignore[attr-defined]

    @property
    def is_terminal(self) -> bool:
        try:
            return self._stream.isatty()
        except ValueError:  # closed
            return False

    def fileno(self) -> int:
        return self._descriptor

    def line(self, text: str = "") -> None:
        self.write(f"{text}\n")
        self.flush()

    def write(self, text: str) -> None:
        if self.is_gone:
            return
        try:
            self._stream.write(text)
        except (OSError, ValueError) as error:
            self._leave(error)

    def write_bytes(self, data: bytes) -> None:
        """Exactly these bytes, for whoever asked for them."""
        if self.is_gone:
            return
        try:
            self._stream.buffer.write(data)
        except (OSError, ValueError) as error:
            self._leave(error)

    def flush(self) -> None:
        if self.is_gone:
            return
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._leave(error)

    def _leave(self, error: Exception) -> None:
        self.is_gone = True
        self.has_trouble = note(error, self._descriptor)
        _to_nowhere(self._descriptor)  # what is still buffered, so that python does not fail on it at its end


class Console:
    """Both streams, and how they look."""

    def __init__(self, colour: str = "auto", quiet: bool = False) -> None:
        self.out = Stream(sys.stdout, 1)
        self.err = Stream(sys.stderr, 2)
        self.quiet = quiet
        self.style = Style(_wants_colour(colour, self.out.is_terminal))

    def say(self, text: str) -> None:
        """Progress: on standard error, unless it is to be quiet."""
        if not self.quiet:
            self.err.line(text)


def _encoding(stream: TextIO) -> str:
    """That of the stream; but where the locale is C, python writes UTF-8 to a terminal that need not know it."""
    if not os.environ.get("PYTHONIOENCODING"):
        names = ("LC_ALL", "LC_CTYPE", "LANG")
        # Python itself sets LC_CTYPE, to C.UTF-8, if it finds nothing but C.
        is_coerced = os.environ.get("LC_CTYPE") == "C.UTF-8"
        said = (os.environ.get(name, "") for name in names if not (name == "LC_CTYPE" and is_coerced))
        if next(filter(None, said), "C") in ("C", "POSIX"):
            return "ascii"
    return getattr(stream, "encoding", None) or "ascii"


def _wants_colour(colour: str, is_terminal: bool) -> bool:
    if colour != "auto":
        return colour == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal and os.environ.get("TERM") != "dumb"
