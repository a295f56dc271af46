"""What the displays are tried with: streams that remember, a clock that is moved by hand, a terminal of a size."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pexen_state.report import display
from pexen_state.report.display import Display, Header, Looks, Past, Progress
from pexen_state.report.style import Style


@dataclass
class Sheet:
    """A stream: what was written to it, in how many writes, and how much of it was flushed."""

    is_terminal: bool = False
    encoding: str = "utf-8"
    is_gone: bool = False
    descriptor: int = -1
    text: str = ""
    writes: int = 0
    flushes: int = 0
    seen: str = ""  #: what was flushed

    def fileno(self) -> int:
        return self.descriptor

    def write(self, text: str) -> None:
        self.text += text
        self.writes += 1

    def flush(self) -> None:
        self.flushes += 1
        self.seen = self.text

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@dataclass
class Result:
    key: str | None
    verdict: str = "pass"
    attempt: int = 1
    reason: str | None = None
    seconds: float | None = 0.5
    output: str | None = None
    replayed: bool = False


@dataclass
class Stage:
    """One display, and all that it looks at."""

    out: Sheet = field(default_factory=Sheet)
    err: Sheet = field(default_factory=Sheet)
    progress: Progress = field(default_factory=lambda: Progress(0))
    now: float = 1000.0
    looked: int = 0
    breaks: bool = False  #: looking raises

    def display(
        self,
        *,
        colour: bool = False,
        show_output: str = "failed",
        quiet: bool = False,
        verbose: bool = False,
        past: Past = Past(),  # noqa: B008  # a value
        environ: dict[str, str] | None = None,
    ) -> Display:
        looks = Looks(Style(colour), "pexen", show_output, quiet, verbose)
        environ = {"TERM": "xterm"} if environ is None else environ
        return display.make(self.out, self.err, looks, self._look, past=past, environ=environ, clock=lambda: self.now)

    def shown(self, header_lines: int = 2) -> list[str]:
        """What stands on a terminal of 80 columns, below the header."""
        return Screen(80).feed(self.out.text).lines[header_lines:]

    def _look(self) -> Progress:
        self.looked += 1
        if self.breaks:
            raise RuntimeError("nobody expected that")
        return self.progress


def header(tasks: int = 3, before: tuple[str, ...] = ()) -> Header:
    return Header("1.0", 12, "nightly", tasks, "4 workers", "timeout 1h", ".pexen/journal.db", before)


@contextmanager
def terminal(columns: int, lines: int = 24) -> Iterator[Callable[[int, int], Sheet]]:
    """A terminal of that size, whose text is caught; call what is given to resize it."""
    ours, theirs = os.openpty()

    def resize(columns: int, lines: int) -> Sheet:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        return sheet

    sheet = Sheet(is_terminal=True, descriptor=theirs)
    resize(columns, lines)
    try:
        yield resize
    finally:
        os.close(ours)
        os.close(theirs)


class Screen:
    """What a terminal shows, for the few sequences that we write; any other one is an error."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows: list[str] = [""]
        self.row = 0
        self.column = 0
        self.is_cursor_shown = True

    def feed(self, text: str) -> Screen:
        at = 0
        while at < len(text):
            char = text[at]
            if char == "\x1b":
                end = at + 2
                assert text[at + 1] == "[", f"not one of our sequences: {text[at : at + 10]!r}"
                while not text[end].isalpha():
                    end += 1
                self._sequence(text[at + 2 : end], text[end])
                at = end
            elif char == "\r":
                self.column = 0
            elif char == "\n":
                self._down()
                self.column = 0
            else:
                assert char >= " ", f"a control character: {char!r}"
                self._put(char)
            at += 1
        return self

    def _sequence(self, what: str, letter: str) -> None:
        match (what, letter):
            case ("2", "K"):
                self.rows[self.row] = ""
            case ("1" | "", "A"):
                self.row = max(self.row - 1, 0)
            case ("?25", "h" | "l"):
                self.is_cursor_shown = letter == "h"
            case (_, "m"):
                pass
            case _:
                raise AssertionError(f"not one of our sequences: ESC[{what}{letter}")

    def _put(self, char: str) -> None:
        if self.column == self.columns:
            self._down()
            self.column = 0
        row = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = row[: self.column] + char + row[self.column + 1 :]
        self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")

    @property
    def lines(self) -> list[str]:
        """Down to where the cursor is, or to the last one that is not empty."""
        lines = [row.rstrip() for row in self.rows]
        while len(lines) > self.row + 1 and not lines[-1]:
            lines.pop()
        return lines
