"""On which line of a TOML file something stands, for errors: the standard library's reader does not tell.

The text is cut into statements (a table's header, or a key with its value), each as small as it can be read by that
reader. So nothing of the language is known here. It is slow, and only used on the way to an error.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_LONGEST = 500  # lines of one statement; reading one again and again takes the square of it

_POSITION = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)")


class Wrong(NamedTuple):
    """What is wrong with a text that is no TOML."""

    line: int | None
    why: str


class _Statement(NamedTuple):
    line: int
    is_table: bool
    said: Mapping[str, Any]


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """The line on which this key of a table stands (`("run", "jobs")`), else that of its table; None for neither.

    `text` is TOML.
    """
    table: tuple[str, ...] = ()
    nearest: tuple[int, int] | None = None  # how many of the keys it has, and the line
    for statement in _statements(text):
        if statement.is_table:
            table = _table_name(statement.said)
            common = min(len(keys), len(table))
            here = common if tuple(keys[:common]) == table[:common] else 0
        else:
            here = _depth(keys, table, statement.said)
        if here and (nearest is None or here > nearest[0]):
            nearest = (here, statement.line)
        if here == len(keys):
            break
    return nearest[1] if nearest is not None else None


def what_is_wrong(text: str, error: Exception) -> Wrong:
    """Of a text that the reader refused with that error."""
    why = str(error)
    found = _POSITION.search(why)
    if found is not None:
        line = int(found[1]) if found[1] else max(text.rstrip("\n").count("\n") + 1, 1)
        return Wrong(line, _POSITION.sub("", why))
    if isinstance(error, RecursionError):
        why = "it is nested too deeply"
    try:
        last = 0
        for statement in _statements(text):
            last = statement.line
        return Wrong(last or None, why)
    except _Unreadable as where:
        return Wrong(where.line, why)


class _Unreadable(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def _statements(text: str) -> Iterator[_Statement]:
    """Raises _Unreadable at one that is refused, but not for its form (a number of too many digits)."""
    lines = text.replace("\r\n", "\n").split("\n")
    at = 0
    while at < len(lines):
        begin = lines[at].strip()
        if not begin or begin.startswith("#"):
            at += 1
            continue
        for end in range(at + 1, min(len(lines), at + _LONGEST) + 1):
            try:
                said = tomllib.loads("\n".join(lines[at:end]))
            except tomllib.TOMLDecodeError:
                continue
            except (ValueError, RecursionError):
                raise _Unreadable(at + 1) from None
            yield _Statement(at + 1, begin.startswith("["), said)
            at = end
            break
        else:
            return


def _table_name(said: Mapping[str, Any]) -> tuple[str, ...]:
    names: list[str] = []
    while said:
        ((name, inner),) = said.items()
        names.append(name)
        said = inner[0] if isinstance(inner, list) else inner
    return tuple(names)


def _depth(keys: Sequence[str], table: Sequence[str], said: Mapping[str, Any]) -> int:
    """How many of the keys a statement within a table leads to; 0 if it is about something else."""
    if tuple(keys[: len(table)]) != tuple(table):
        return 0
    depth = len(table)
    at: Any = said
    while depth < len(keys) and isinstance(at, Mapping) and keys[depth] in at:
        at = at[keys[depth]]
        depth += 1
    return depth if depth > len(table) else 0
