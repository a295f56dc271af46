"""Reports as files: which formats there are, and how a file is written so that nobody ever sees half of it."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping

from pexen_state.report.events import Lines
from pexen_state.report.formats import junit, markdown, tap
from pexen_state.report.formats.whole import Whole, whole
from pexen_state.report.tables import SCHEMA

_MAKERS: Mapping[str, Callable[[Whole], Iterable[str]]] = {
    "junit": junit.lines,
    "tap": tap.lines,
    "md": markdown.lines,
}

#: Names of the formats.
FORMATS = (*_MAKERS, "jsonl")


def lines_of(connection: sqlite3.Connection, run: int, path: str, formats: Iterable[str]) -> dict[str, Iterable[str]]:
    """A run in each of these formats. What is read from the journal is read now. Raises NotFound."""
    wanted = list(formats)
    found = whole(connection, run, path)
    events = list(_events(connection, run)) if "jsonl" in wanted else []
    return {name: events if name == "jsonl" else _MAKERS[name](found) for name in wanted}


def _events(connection: sqlite3.Connection, run: int) -> Iterator[str]:
    count = 0
    for line in Lines(run).new(connection):
        count += 1
        yield f"{line}\n"
    yield json.dumps({"schema": SCHEMA, "type": "end", "run": run, "events": count}) + "\n"


def write_file(file: str, lines: Iterable[str]) -> None:
    """Write it beside its place, and put it there at the end. Raises OSError; then what was there is as it was."""
    directory = os.path.dirname(os.path.abspath(file))
    with tempfile.NamedTemporaryFile(
        "w", dir=directory, prefix=".report-", encoding="utf-8", errors="backslashreplace", newline="", delete=False
    ) as new:
        try:
            new.writelines(lines)
            new.flush()
            umask = os.umask(0o077)
            os.umask(umask)
            os.fchmod(new.fileno(), 0o666 & ~umask)
            os.replace(new.name, file)
        except BaseException:
            os.unlink(new.name)
            raise
