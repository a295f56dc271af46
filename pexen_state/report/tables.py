"""Rows as a table of plain text, as CSV, and as JSON. Every cell is made safe here."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pexen_state.report.text import safe, safe_json

_GAP = "  "
_PADDED = 200  #: columns to which short cells are filled up, where a long one is kept whole
_LEAST = 8  #: columns of a terminal that a cell keeps, however narrow the terminal
_DOTS = "..."

SCHEMA = 1  #: of every JSON document that a looking verb gives; it grows when a field changes its meaning

#: Also as East Asia writes them.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")

_INFINITY = re.compile(r'^(\s*(?:"(?:[^"\\]|\\.)*": )?-?)Infinity(,?)$', re.MULTILINE)


def cell(value: object) -> str:
    """One value as one line of safe text; NULL is nothing."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else repr(value)
    return safe(str(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = None) -> Iterator[str]:
    """Aligned columns with a line of titles; numbers to the right.

    `width`: of the terminal that it is for. Long text is cut until a line fits, the longest first. Without it nothing
    is cut: who reads a file or a pipe wants the whole.
    """
    values = list(rows)
    body = [[cell(value) for value in row] for row in values]
    titles = [safe(column) for column in columns]
    numeric = [_is_numeric(row[at] for row in values) for at in range(len(titles))]
    widths = [max(map(wide, (title, *(row[at] for row in body)))) for at, title in enumerate(titles)]
    if width is None:
        widths = [min(one, _PADDED) for one in widths]
    else:
        widths = _fitting(widths, numeric, width)
        body = [[narrowed(text, most) for text, most in zip(line, widths, strict=True)] for line in body]
        titles = [narrowed(text, most) for text, most in zip(titles, widths, strict=True)]
    for line in (titles, *body):
        cells = [_filled(*one) for one in zip(line, widths, numeric, strict=True)]
        yield _GAP.join(cells).rstrip()


def wide(text: str) -> int:
    """How many columns of a terminal a text takes: most of East Asia's characters take two, accents none."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of, text))


def narrowed(text: str, width: int) -> str:
    """A text that takes no more columns than that; what was cut ends in dots."""
    if wide(text) <= width:
        return text
    kept, used = [], len(_DOTS)
    for char in text:
        used += _columns_of(char)
        if used > width:
            break
        kept.append(char)
    return ("".join(kept) + _DOTS)[:width] if width < len(_DOTS) else "".join(kept) + _DOTS


def _columns_of(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _fitting(widths: list[int], numeric: list[bool], width: int) -> list[int]:
    """Widths whose sum fits: the widest text gives way first, down to the next one, and so on. Numbers stay whole."""
    found = list(widths)
    over = sum(found) + len(_GAP) * (len(found) - 1) - width
    while over > 0:
        text = [at for at, is_number in enumerate(numeric) if not is_number and found[at] > _LEAST]
        if not text:
            break  # the terminal is too narrow for so many columns, and breaks the lines itself
        widest = max(found[at] for at in text)
        those = [at for at in text if found[at] == widest]
        next_one = max((found[at] for at in text if found[at] < widest), default=_LEAST)
        for at in those:
            give = min(widest - next_one, -(-over // len(those)), over)
            found[at] -= max(give, 0)
        over = sum(found) + len(_GAP) * (len(found) - 1) - width
    return found


def _filled(text: str, width: int, to_the_right: bool) -> str:
    space = " " * (width - wide(text))
    return space + text if to_the_right else text + space


def _is_numeric(values: Iterable[object]) -> bool:
    return all(value is None or isinstance(value, int | float) for value in values)


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """RFC 4180, titles first. Numbers in full, text safe; for text as it is stored, take JSON.

    A spreadsheet takes a cell that begins with one of a few characters for a formula, which may run a program. Text
    that does stands behind an apostrophe, by which they know that it is none.
    """
    for row in (columns, *rows):
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="").writerow(
            [value if isinstance(value, int | float) else _no_formula(cell(value)) for value in row]
        )
        yield buffer.getvalue()


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def document(**fields: Any) -> str:
    """One JSON document. ASCII, so that it is exact and harmless whatever the strings hold."""
    text = json.dumps({"schema": SCHEMA, **fields}, indent=2, default=_not_json)
    # JSON has no word for it; a number that is too large is read back as infinite everywhere. (SQL has no NaN.)
    return safe_json(_INFINITY.sub(r"\g<1>9e999\g<2>", text) if "Infinity" in text else text)


def _not_json(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON")
