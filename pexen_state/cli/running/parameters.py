"""Parameters of a run: `-P KEY=VALUE`, `--params FILE`, `[run] params`, for tasks to read and the journal to keep.

A value is what TOML would make of it: `true`, `3`, `1.5`, `"3"`; whatever is no such thing is text as it stands.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from pexen_state.cli.errors import UsageError
from pexen_state.report.text import safe

_KEY = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_MOST = 2**63


def typed(words: Iterable[str]) -> dict[str, Any]:
    """Raises UsageError."""
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not _KEY.fullmatch(key):
            raise UsageError(f"-P {safe(word)}: {safe(key)!r} is no name of a parameter: letters, digits and _ . -")
        if not equals:
            raise UsageError(f"-P {safe(word)}: say which value, -P {key}=VALUE.")
        if "\0" in value:
            raise UsageError(f"-P {key}: a value cannot hold a NUL character")
        found[key] = _value(value)
    by_variable: dict[str, str] = {}
    for key in found:
        other = by_variable.setdefault(_upper(key), key)
        if other != key:
            raise UsageError(f"-P {other} and -P {key} would both be told to tasks as PEXEN_PARAM_{_upper(key)}")
    return found


def of_file(path: str) -> dict[str, Any]:
    """A table of TOML, or an object of JSON if the file's name ends so. Raises UsageError."""
    try:
        with open(path, "rb") as file:
            content = file.read()
        said = json.loads(content) if path.endswith(".json") else tomllib.loads(content.decode())
    except OSError as error:
        raise UsageError(f"--params {safe(path)}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        kind = "JSON" if path.endswith(".json") else "TOML"
        raise UsageError(f"--params {safe(path)}: this is no {kind}: {safe(str(error))}") from None
    try:
        return checked(said)
    except ValueError as error:
        raise UsageError(f"--params {safe(path)}: {error}") from None


def checked(said: object) -> dict[str, Any]:
    """A table of parameters. Raises ValueError."""
    if not isinstance(said, Mapping):
        raise ValueError('parameters are a table, such as { storage = "nvme" }')
    for key, value in said.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ValueError(f"{safe(repr(key))} is no name of a parameter: letters, digits and _ . -")
        fits = type(value) in (str, bool) or (type(value) is int and -_MOST <= value < _MOST)
        if not (fits or (type(value) is float and math.isfinite(value))) or (type(value) is str and "\0" in value):
            raise ValueError(f"{key} is to be text, a number, true or false")
    return dict(said)


_KINDS = {str: "text", int: "a number", float: "a number", bool: "true or false"}


def check_kinds(said: Mapping[str, Any] | None, declared: Mapping[str, Any] | None) -> None:
    """What a suite declares in `[run]` says of what kind a parameter is. Raises UsageError."""
    for key, value in (said or {}).items():
        default = (declared or {}).get(key)
        if default is not None and _KINDS[type(value)] != _KINDS[type(default)]:
            hint = f" Write -P {key}='\"{value}\"'." if isinstance(default, str) else ""
            raise UsageError(
                f"the parameter {key} is {_KINDS[type(default)]} in this suite, and {safe(str(value))} is "
                f"{_KINDS[type(value)]}.{hint}"
            )


def _upper(key: str) -> str:
    """As the end of a variable's name."""
    return re.sub(r"[.-]", "_", key).upper()


def _value(text: str) -> Any:
    if "\n" in text or "\r" in text:
        return text
    try:
        value = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return text
    one = value.get("value")
    if type(one) is bool or type(one) is str:
        return one
    if type(one) is int and -_MOST <= one < _MOST:
        return one
    return one if type(one) is float and math.isfinite(one) else text


def differing(typed_now: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    """Those that were given on a resume, and are not what they were when the run began; in words, for people."""
    return [
        f"{key} is {_shown(recorded, key)}, not {value!r}"
        for key, value in sorted(typed_now.items())
        if key not in recorded or (type(recorded[key]), recorded[key]) != (type(value), value)
    ]


def _shown(recorded: Mapping[str, Any], key: str) -> str:
    return repr(recorded[key]) if key in recorded else "not set"
