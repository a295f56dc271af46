"""A run on a terminal: what is wrong scrolls, and below it stand a bar, counts, the time, and what runs.

Drawn by rich, in the run's own thread and only when the run says that there is time for it (`pulse`): the runner forks,
so there must be no thread. A frame that comes too early is left out, and a terminal that is slow is given fewer of
them; results are never left out. rich is told nothing of markup, and is given safe text only.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live as Region
from rich.segment import Segment
from rich.text import Text

from pexen_state.core.states import BAD_WORDS
from pexen_state.report.display import Header, Looks, Progress, Result, Sink, Summary
from pexen_state.report.display.entries import clock as as_clock
from pexen_state.report.display.entries import header_lines, result_lines, slow_line
from pexen_state.report.display.pace import COUNTED, Pace
from pexen_state.report.display.summary import summary_lines
from pexen_state.report.style import duration, verdict_words
from pexen_state.report.text import safe

FRAME_SECONDS = 0.1
#: Drawing may take this part of the time; a slow terminal gets fewer frames, but one every other second.
_SHARE = 0.1
_SLOWEST_SECONDS = 2.0
_RUNNING = 8
_BAR = (8, 30)  # columns
_QUEUED_CHARS = 1 << 20  # so much may wait for the next frame

_COLOURS = {"pass": "green", "info": "cyan", "skip": "cyan", "warn": "yellow", "not_run": "yellow"}


class Live:
    """What is written goes to `out` in one piece a frame. What is said goes to `err`, if that is no terminal."""

    #: The cursor is not hidden while a run goes on, so there is not even after SIGKILL anything to be mended.
    restore = b"\x1b[0m\x1b[?25h\r\n"

    def __init__(
        self,
        out: Sink,
        err: Sink,
        looks: Looks,
        look: Callable[[], Progress],
        pace: Pace,
        clock: Callable[[], float],
    ) -> None:
        self._out = out
        self._err = err
        self._looks = looks
        self._look = look
        self._pace = pace
        self._clock = clock
        self._began_at = clock()
        self._next_at = 0.0  # no frame before
        self._said: deque[str] = deque()
        self._queue: list[str] = []
        self._queued_chars = 0
        self.frames = 0  #: drawn so far
        self._frame = _Frame(looks, pace, _Glyphs.of(out.encoding))
        self._console = Console(
            file=cast(Any, out),
            force_terminal=True,
            force_interactive=True,
            force_jupyter=False,
            color_system="standard" if looks.style.colour else None,
            no_color=not looks.style.colour,
            legacy_windows=False,
            soft_wrap=True,
            markup=False,
            highlight=False,
            emoji=False,
        )
        self._region: Region | None = None

    def header(self, header: Header) -> None:
        self._frame.tasks = header.tasks
        for line in header_lines(header, self._looks.style, _size(self._out)[0]):
            self._out.write(f"{line}\n")
        self._out.flush()
        self._region = Region(
            self._frame,
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._region.start()
        self._console.show_cursor(True)

    def result(self, result: Result) -> None:
        self._pace.ended(result)
        if result.replayed:
            return  # no frame before the run stands where it stood
        if self._is_shown(result):
            for line in result_lines(result, self._looks):
                self._put(line)
        if self._clock() >= self._next_at or self._queued_chars > _QUEUED_CHARS:
            self._draw()

    def _is_shown(self, result: Result) -> bool:
        looks = self._looks
        return result.verdict in BAD_WORDS or result.verdict == "warn" or looks.is_verbose or looks.show_output == "all"

    def _put(self, line: str) -> None:
        self._queue.append(line)
        self._queued_chars += len(line)

    def pulse(self) -> None:
        if self._clock() >= self._next_at:
            self._draw()

    def say(self, text: str) -> None:
        self._said.append(text)

    def _tell(self) -> None:
        while self._said:
            text = safe(self._said.popleft())
            if self._err.is_terminal:
                self._put(text)
            else:
                self._err.write(f"{text}\n")
                self._err.flush()

    def _draw(self) -> None:
        """One frame: what was queued, and the region below it as it is now, in one write."""
        began_at = self._clock()
        self._tell()
        if self._region is None or self._out.is_gone:
            self._write_queue()
        else:
            progress = self._look()
            for running, usual in self._pace.slow(progress):
                self._put(slow_line(running, usual, self._looks.style))
            self._frame.progress = progress
            self._frame.elapsed = began_at - self._began_at
            self._console.size = cast(Any, _size(self._out))
            # A print draws the region, too.
            self._console.print(_Raw(self._take_queue()))
            self.frames += 1
        now = self._clock()
        self._next_at = now + max(FRAME_SECONDS, min((now - began_at) / _SHARE, _SLOWEST_SECONDS))

    def _take_queue(self) -> str:
        text = "".join(f"{line}\n" for line in self._queue)
        self._queue.clear()
        self._queued_chars = 0
        return text

    def _write_queue(self) -> None:
        self._out.write(self._take_queue())
        self._out.flush()

    def summary(self, summary: Summary) -> None:
        self.close()
        self._put("")
        for line in summary_lines(summary, self._looks.command, self._looks.style):
            self._put(line)
        self._write_queue()

    def close(self) -> None:
        self._tell()
        region, self._region = self._region, None
        if region is not None:
            region.stop()
        self._write_queue()


class _Raw:
    """Lines that are safe, and have their colours."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        if self._text:
            yield Segment(self._text)


class _Glyphs:
    """What a bar is made of: done, the point between, still to do; and what stands for letters left out."""

    def __init__(self, done: str, point: str, left: str, cut: str) -> None:
        self.done, self.point, self.left, self.cut = done, point, left, cut

    @classmethod
    def of(cls, encoding: str) -> _Glyphs:
        if encoding.lower().replace("-", "").replace("_", "") == "utf8":
            return cls("━", "╸", "━", "…")
        return cls("=", ">", "-", "...")


class _Frame:
    """The region below the lines, made of what was known when the frame began."""

    def __init__(self, looks: Looks, pace: Pace, glyphs: _Glyphs) -> None:
        self._looks = looks
        self._pace = pace
        self._glyphs = glyphs
        self.tasks = 0
        self.progress = Progress(0)
        self.elapsed = 0.0

    def __rich_console__(self, console: Console, _options: ConsoleOptions) -> RenderResult:
        width, height = console.size
        columns = max(width - 1, 20)  # the last column is left alone: some terminals wrap there
        running = self.progress.running[: min(_RUNNING, max(height - 2, 0))]
        lines = [self._bar(columns), *(self._running(one.key, one.seconds, columns) for one in running)]
        yield Text("\n", end="").join(lines)

    def _bar(self, columns: int) -> Text:
        tasks = max(self.tasks, self.progress.tasks, self._pace.done)
        done = max(tasks - self.progress.unfinished, 0)
        text = Text(f"{done}/{tasks}", end="")
        for at, word in enumerate(word for word in COUNTED if self._pace.counts[word]):
            text.append("  " if not at else " ")
            text.append(f"{self._pace.counts[word]} {verdict_words(word)}", _COLOURS.get(word, "bold red"))
        text.append(f"   {as_clock(self.elapsed)}")
        left = self._pace.seconds_left(self.progress)
        about = f", about {as_clock(left)} left" if left is not None else ""
        if len(text) + len(about) + 2 <= columns:
            text.append(about)
        room = columns - len(text) - 4
        shortest, longest = _BAR
        bar = Text("  ", end="")
        if room >= shortest:
            bar.append_text(self._glyphs_for(done, tasks, min(room, longest)))
            bar.append("  ")
        bar.append_text(text)
        bar.truncate(columns)
        return bar

    def _glyphs_for(self, done: int, tasks: int, columns: int) -> Text:
        glyphs = self._glyphs
        full = columns * done // tasks if tasks else 0
        # Without colours the rest of the bar must not look like its beginning.
        rest = glyphs.left if self._looks.style.colour or glyphs.left != glyphs.done else " "
        bar = Text(glyphs.done * full, "green", end="")
        if full < columns:
            bar.append(glyphs.point, "green")
            bar.append(rest * (columns - full - 1), "dim")
        return bar

    def _running(self, key: str, seconds: float, columns: int) -> Text:
        usual = self._pace.usual(key)
        said = f"   usually {duration(usual)}" if usual is not None else ""
        begin = f"  {as_clock(seconds):>7}  "
        room = columns - len(begin) - len(said)
        if room < 20:
            said, room = "", columns - len(begin)
        return Text(f"{begin}{middle(safe(key), room, self._glyphs.cut)}{said}", "dim", end="")


def middle(text: str, columns: int, mark: str) -> str:
    """A name that is no wider than so many columns: what is in its middle is left out."""
    if cell_len(text) <= columns:
        return text
    room = columns - len(mark)
    head, tail = "", ""
    for char in text:
        if cell_len(head + char) > room // 2:
            break
        head += char
    room -= cell_len(head)
    for char in reversed(text):
        if cell_len(char + tail) > room:
            break
        tail = char + tail
    return f"{head}{mark}{tail}"


def _size(out: Sink) -> tuple[int, int]:
    """Columns and lines of the terminal now: it may have been resized."""
    try:
        columns, lines = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        return 80, 24
    return columns or 80, lines or 24
