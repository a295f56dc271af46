"""How one thing of a run is written as lines: its header, a result with the end of its output, a slow task.

Used by every display, so that they say the same. Everything that comes from tasks is made safe here.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from pexen_state.core.states import BAD_WORDS
from pexen_state.report.display import Header, Looks, Result, Running
from pexen_state.report.style import Style, count, duration, took
from pexen_state.report.text import cut, safe, safe_lines, tail_of_file

#: `--show-output all` shows so much of a task's output, its end.
WHOLE_BYTES = 4 * 1024 * 1024
_WHOLE_LINE_CHARS = 8192
_MARGIN = "         | "


def header_lines(header: Header, style: Style, width: int | None = None) -> Iterator[str]:
    """One line; or, on a terminal, as many as it takes without tearing a fact."""
    facts = [
        f"run {header.run}",
        f"suite {safe(header.suite)}",
        count(header.tasks, "task"),
        safe(header.workers),
        safe(header.limits),
        f"journal {safe(header.journal)}",
    ]
    name = f"pexen {header.version}"
    line, length = style.strong(name), len(name)
    for fact in facts:
        if width is not None and length + 2 + len(fact) > width:
            yield line
            line, length = f"  {fact}", 2 + len(fact)
        else:
            line, length = f"{line}  {fact}", length + 2 + len(fact)
    yield line
    yield from map(safe, header.before)


def result_lines(result: Result, looks: Looks, counter: str = "") -> Iterator[str]:
    """A result on one line, then what is to be shown of its output. `counter` stands before the key."""
    key = safe(result.key or "")
    parts = [f"  {looks.style.word(result.verdict)} [{took(result.seconds)}] {counter}{key}"]
    if result.attempt > 1:
        parts.append(f"attempt {result.attempt}")
    if result.reason:
        parts.append(safe(result.reason))
    output = list(output_lines(result, looks))
    if result.verdict in BAD_WORDS and (output or (result.output and looks.show_output == "none")):
        parts.append(f"{looks.command} logs {quoted(key)}")
    yield "  ".join(parts)
    yield from output


def output_lines(result: Result, looks: Looks) -> Iterator[str]:
    """What `--show-output` asks for, behind a margin: no line of it begins where lines of ours do."""
    if not result.output or looks.show_output == "none":
        return
    if looks.show_output == "all":
        for line in _whole(result.output, f"{looks.command} logs {quoted(safe(result.key or ''))} --all"):
            yield f"{_MARGIN}{line}"
    elif result.verdict in BAD_WORDS:
        for line in tail_of_file(result.output):
            yield f"{_MARGIN}{line}"


def _whole(path: str, where_is_more: str) -> Iterator[str]:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(size - WHOLE_BYTES, 0)
            file.seek(start)
            data = file.read(WHOLE_BYTES)
    except OSError:
        return
    if start:
        size_in_words = f"{start / 1024 / 1024:.1f} MiB" if start >= 1024 * 1024 else count(start, "byte")
        yield f"... {size_in_words} before this are left out: {where_is_more}"
    for line in safe_lines(data):
        yield cut(line, _WHOLE_LINE_CHARS)


def slow_line(running: Running, usual: float, style: Style) -> str:
    over = f"[>{running.seconds:.1f}s".ljust(len(took(0.0)) + 1) + "]"
    return f"  {style.word('slow')} {over} {safe(running.key)}   usually {duration(usual)}"


def quoted(text: str) -> str:
    """As one word of a command line. `text` is safe already."""
    return shlex.quote(text)


def clock(seconds: float) -> str:
    """A span that changes as one looks: `0:07`, `4:12`, `1:04:12`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
