"""One file that says something of the tasks below it: `pexen.toml`, or `[tool.pexen]` in a `pyproject.toml`.

It is checked as a whole when it is read: a key that nobody knows is an error wherever it stands, with file, line, key,
and what may have been meant. `[run]` and `[groups]` are left to whoever runs the suite.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pexen_state.factory.base import FactoryError
from pexen_state.factory.metadata.layers import Layer
from pexen_state.factory.metadata.toml_lines import line_of, what_is_wrong
from pexen_state.root import MARKER
from pexen_state.sched.executable import check_statuses
from pexen_state.sched.fields import FIELDS
from pexen_state.sched.taking import TAKES, MetaError
from pexen_state.util import PexenError
from pexen_state.words import did_you_mean

#: What may be said of tasks. `kwargs` are for callables, and those have their own place for it.
KEYS = tuple(field for field in FIELDS if field != "kwargs")

#: What may be said of a tree.
TREE_KEYS = (*(key for key in KEYS if key != "name"), "match", "ignore", "tasks", "run", "groups")

_OPTIONAL = frozenset({"timeout", "idle_timeout", "total_timeout", "memory_max", "max_crashes"})
_NAMES = frozenset({"requires", "requires_all", "provides", "uses", "claims", "recovers"})
_MOST_BYTES = 1024 * 1024


class MetadataError(FactoryError):
    """What a file of a tree says cannot be used. The message names the file, the line and the key."""


class Document:
    """A file, read and checked. `layers` are what it says of tasks: of all, and of those that match a glob."""

    def __init__(self, file: str, text: str, said: Mapping[str, Any], above: tuple[str, ...]) -> None:
        self.file = file
        self.directory = os.path.dirname(file)
        self._text = text
        self._above = above
        self.match: tuple[str, ...] | None = None
        self.ignore: tuple[str, ...] = ()
        self.layers: list[Layer] = []
        self._take(said)

    @classmethod
    def read(cls, file: str) -> Document:
        """Raises MetadataError."""
        shown = shown_from_here(file)
        try:
            with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
                content = opened.read(_MOST_BYTES + 1)
        except OSError as error:
            raise MetadataError(f"cannot read {shown}: {error.strerror}. Make it readable.") from error
        if len(content) > _MOST_BYTES:
            raise MetadataError(f"{shown}: it has more than {_MOST_BYTES} bytes, and nobody could read that")
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise MetadataError(f"{shown}, line {line}: this is no UTF-8, as TOML has to be") from None
        try:
            said: Any = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            wrong = what_is_wrong(text, error)
            where = f", line {wrong.line}" if wrong.line else ""
            raise MetadataError(f"{shown}{where}: this is no TOML: {wrong.why}") from None
        above = () if os.path.basename(file) == MARKER else ("tool", "pexen")
        for name in above:
            said = said.get(name, {}) if isinstance(said, Mapping) else {}
        return cls(file, text, said if isinstance(said, Mapping) else {}, above)

    def error(self, keys: Sequence[str], why: str) -> MetadataError:
        line = line_of(self._text, (*self._above, *keys))
        where = f", line {line}" if line is not None else ""
        return MetadataError(f"{shown_from_here(self.file)}{where}: {why}")

    def _take(self, said: Mapping[str, Any]) -> None:
        fields: dict[str, Any] = {}
        for key, value in said.items():
            match key:
                case "run" | "groups":
                    pass
                case "match":
                    self.match = self._globs(key, value)
                case "ignore":
                    self.ignore = self._globs(key, value)
                case "tasks":
                    self._take_tasks(value)
                case "name":
                    why = 'a name is that of one task: say it in [tasks."..."]; that of a suite, in [run]'
                    raise self.error((key,), why)
                case _:
                    fields[key] = self._field((key,), key, value, TREE_KEYS)
        if fields:
            self.layers.insert(0, self._layer(None, (), fields))

    def _take_tasks(self, tables: object) -> None:
        if not isinstance(tables, Mapping):
            raise self.error(("tasks",), '[tasks."glob"] is to be a table for each glob')
        for pattern, table in tables.items():
            where = ("tasks", pattern)
            if not isinstance(table, Mapping):
                raise self.error(where, f'[tasks.{_quoted(pattern)}] is to be a table, such as {{ timeout = "5m" }}')
            fields = {key: self._field((*where, key), key, value, KEYS) for key, value in table.items()}
            self.layers.append(self._layer(pattern, where, fields))

    def _layer(self, pattern: str | None, where: tuple[str, ...], fields: Mapping[str, Any]) -> Layer:
        def line(field: str) -> int | None:
            return line_of(self._text, (*self._above, *where, field))

        return Layer(self.file, pattern, fields, line)

    def _field(self, keys: Sequence[str], key: str, value: object, known: Iterable[str]) -> Any:
        try:
            return taken(key, value, known)
        except PexenError as error:
            raise self.error(keys, str(error)) from None

    def _globs(self, key: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self.error((key,), f'{key} is to be a list of globs, such as ["test_*"]')
        return tuple(value)


def taken(key: str, value: object, known: Iterable[str] = KEYS) -> Any:
    """A value as a file has it, as metadata has it. Raises PexenError, whose message begins with the key."""
    if key not in KEYS:
        words = list(known)
        hint = did_you_mean(key, words)
        raise PexenError(f"there is no key {key[:100]!r}.{hint} Known are: {' '.join(sorted(words))}")
    if key in _OPTIONAL and value == "none":
        return None
    if key in _NAMES and isinstance(value, list):
        value = [_hashable(one) for one in value]
    if key == "exit_codes":
        return _exit_codes(value)
    try:
        return TAKES[key](key, value)
    except MetaError as error:
        raise PexenError(str(error)) from None


def _exit_codes(value: object) -> object:
    if isinstance(value, Mapping):
        try:
            value = {int(status): word for status, word in value.items()}
        except ValueError as error:
            raise PexenError(f"exit_codes: an exit status is a number from 0 to 255 ({error})") from None
    elif not isinstance(value, str):
        raise PexenError('exit_codes is the name of a table, or a table such as { 4 = "skip" }')
    try:
        check_statuses(value)
    except PexenError as error:
        raise PexenError(f"exit_codes: {error}") from None
    return value


def _hashable(name: object) -> object:
    """TOML has no tuples; a list among the names means one."""
    return tuple(_hashable(part) for part in name) if isinstance(name, list) else name


def _quoted(pattern: str) -> str:
    return '"' + pattern[:100].replace('"', '\\"') + '"'


def shown_from_here(file: str) -> str:
    try:
        return file.removeprefix(os.path.join(os.getcwd(), ""))
    except FileNotFoundError:
        return file
