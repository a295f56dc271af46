"""What a script says of itself, in comments at its beginning:

    # pexen: requires=["net"] timeout="5m"

Values are those of TOML. Several such lines may stand there, and several keys on one. It is looked for in the first
lines alone, and not in programs that are no text.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from pexen_state.factory.metadata.document import KEYS, MetadataError, shown_from_here, taken
from pexen_state.factory.metadata.layers import Layer, joined
from pexen_state.util import PexenError

_BYTES = 8192
_LINES = 100
_OURS = re.compile(r"\s*(?:#+|//+|--+|;+|%+|\"|REM)\s*pexen:(.*)$")
_KEY = re.compile(r"\s*([A-Za-z_][\w-]*)\s*=\s*")
_LONGEST = 2000


def said_by(file: str) -> Layer | None:
    """What a script says; None if it says nothing. Raises MetadataError."""
    fields: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for number, text in _our_lines(file):
        try:
            pairs = list(_pairs(text))
        except ValueError as error:
            raise MetadataError(f"{shown_from_here(file)}, line {number}: {error}") from None
        for key, value in pairs:
            try:
                found = taken(key, value, KEYS)
            except PexenError as error:
                raise MetadataError(f"{shown_from_here(file)}, line {number}: {error}") from None
            fields[key] = joined(key, fields[key], found) if key in fields else found
            lines.setdefault(key, number)
    return Layer(file, None, fields, lines.get) if fields else None


def _our_lines(file: str) -> Iterator[tuple[int, str]]:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # who may run it need not be able to read it
    try:
        beginning = os.read(descriptor, _BYTES)
    except OSError:
        return
    finally:
        os.close(descriptor)
    if b"pexen:" not in beginning or b"\0" in beginning:
        return
    for number, line in enumerate(beginning.split(b"\n")[:_LINES], 1):
        match = _OURS.match(line.decode("utf-8", "replace").rstrip("\r"))
        if match is not None:
            yield number, match[1]


def _pairs(text: str) -> Iterator[tuple[str, Any]]:
    """`a=1 b=["x"]`. Raises ValueError."""
    if len(text) > _LONGEST:
        raise ValueError(f"this line is longer than {_LONGEST} characters: write several, or a pexen.toml")
    at = 0
    while text[at:].strip():
        key = _KEY.match(text, at)
        if key is None:
            raise ValueError(f'this is no key with a value: {text[at:].strip()[:60]!r}; write timeout="5m"')
        value, at = _value(text, key.end(), key[1])
        yield key[1], value


def _value(text: str, start: int, key: str) -> tuple[Any, int]:
    """The shortest text from there that is a value, with what comes after it. Raises ValueError."""
    ends = [match.start() for match in re.finditer(r"\s|$", text) if match.start() > start]
    for end in ends:
        try:
            return tomllib.loads(f"x = {text[start:end]}")["x"], end
        except (ValueError, RecursionError):
            continue
    said = text[start:].strip()[:60]
    raise ValueError(f'{key}: {said!r} is no value of TOML: text stands in quotes, names in ["..."]')
