"""Rows as a table of plain text, as CSV, and as JSON. Every cell is made safe here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pexen_state.report.text import cut, safe, safe_json

_CELL_CHARS = 200

SCHEMA = 1  #: of every JSON document that a looking verb gives; it grows when a field changes its meaning


def cell(value: object) -> str:
    """One value as one line of safe text; NULL is nothing."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else repr(value)
    return safe(str(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Aligned columns with a line of titles; numbers to the right, long cells cut."""
    values = list(rows)
    body = [[cut(cell(value), _CELL_CHARS) for value in row] for row in values]
    titles = [safe(column) for column in columns]
    widths = [max([len(title), *(len(row[at]) for row in body)]) for at, title in enumerate(titles)]
    numeric = [_is_numeric(row[at] for row in values) for at in range(len(titles))]
    for line in (titles, *body):
        cells = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _is_numeric(values: Iterable[object]) -> bool:
    return all(value is None or isinstance(value, int | float) for value in values)


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """RFC 4180, titles first. Numbers in full, text safe; for text as it is stored, take JSON."""
    for row in (columns, *rows):
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="").writerow(
            [value if isinstance(value, int | float) else cell(value) for value in row]
        )
        yield buffer.getvalue()


def document(**fields: Any) -> str:
    """One JSON document. ASCII, so that it is exact and harmless whatever the strings hold."""
    return safe_json(json.dumps({"schema": SCHEMA, **fields}, indent=2, default=_not_json))


def _not_json(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON")
