"""Parameters of a run: `-P KEY=VALUE`, a file of them, defaults in the settings. They are kept in the journal.

`-P` comes before the file, and that before the settings. Where the settings declare a parameter, what is typed is of
its type. Else it is what TOML would make of it: `true`, `3`, `1.5`, `"3"`; whatever is no such thing is text as it
stands.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pexen_state.cli.errors import UsageError
from pexen_state.factory.metadata.toml_lines import what_is_wrong
from pexen_state.report.text import safe
from pexen_state.words import is_plain

_KEY = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_MOST = 2**63
_MOST_BYTES = 1024 * 1024
_SHOWN = 100  # characters of a value


class Typed(str):
    """What was typed behind `-P KEY=`, until it is clear whether anybody has declared KEY."""

    __slots__ = ()


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
        found[key] = Typed(value)
    check_variables(found)
    return found


def check_variables(params: Iterable[str]) -> None:
    """Raises UsageError for two that a task could not tell apart."""
    by_variable: dict[str, str] = {}
    for key in params:
        other = by_variable.setdefault(_upper(key), key)
        if other != key:
            raise UsageError(f"-P {other} and -P {key} would both be told to tasks as PEXEN_PARAM_{_upper(key)}")


def _upper(key: str) -> str:
    """As the end of a variable's name."""
    return re.sub(r"[.-]", "_", key).upper()


# -- a file of them


def of_file(path: str) -> dict[str, Any]:
    """Of JSON if it is called so, else of TOML. Raises UsageError."""
    shown = safe(path)
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--params: cannot read {shown}: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise UsageError(f"--params: {shown} is larger than a mebibyte: these are no parameters")
    is_json = path.endswith(".json")
    try:
        text = content.decode("utf-8")
        said: Any = json.loads(text) if is_json else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line, why = _wrong_at(error, content)
        raise UsageError(f"--params: {shown}, line {line}: this is no {'JSON' if is_json else 'TOML'}: {why}") from None
    try:
        return dict(flat(said))
    except NoParameter as error:
        raise UsageError(f"--params: {shown}, line {_line_with(error.name, text)}: {error}") from None


def _wrong_at(error: ValueError | RecursionError, content: bytes) -> tuple[int, str]:
    """The line, the last one if nobody can say, and what is wrong there."""
    match error:
        case UnicodeDecodeError():
            return content.count(b"\n", 0, error.start) + 1, "it is no UTF-8"
        case json.JSONDecodeError():
            return error.lineno, error.msg
        case RecursionError():
            return max(len(content.splitlines()), 1), "it is nested too deeply"
    said = what_is_wrong(content.decode("utf-8"), error)
    return said.line or max(len(content.splitlines()), 1), said.why


def _line_with(name: str, text: str) -> int:
    """Where its last part stands first; the first line, if it stands nowhere as it is called."""
    last = name.rpartition(".")[2]
    return next((number for number, line in enumerate(text.splitlines(), 1) if last and last in line), 1)


class NoParameter(ValueError):
    """`name` is what stands in a parameter's place."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


def flat(said: object, above: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values; what is in a table is called as that is, a point, and its own name. Raises NoParameter."""
    if not isinstance(said, Mapping):
        raise NoParameter(above, "parameters are a table of names and values")
    for key, value in said.items():
        name = f"{above}{key}"
        if not isinstance(key, str) or not _KEY.fullmatch(name):
            raise NoParameter(name, f"{safe(str(name))!r} is no name of a parameter: letters, digits and _ . -")
        if isinstance(value, Mapping):
            if name.count(".") > 20:
                raise NoParameter(name, f"{name}: this is nested too deeply")
            yield from flat(value, f"{name}.")
        elif not _may_be(value):
            raise NoParameter(
                name, f"{name} is to be a text, a number, true or false, not {safe(repr(value)[:_SHOWN])}"
            )
        else:
            yield name, value


def _may_be(value: object) -> bool:
    if type(value) is str:
        return is_plain(value)
    if type(value) is int:
        return -_MOST <= value < _MOST
    return type(value) is bool or (type(value) is float and math.isfinite(value))


# -- of which type they are


def understood(said: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """Each of the type of what is declared, if it is. Raises UsageError for what is of another one."""
    return {key: _understood(key, value, declared.get(key)) for key, value in said.items()}


def _understood(key: str, value: Any, declared: Any) -> Any:
    one = _value(value) if isinstance(value, Typed) else value
    if declared is None or _kind(one) == _kind(declared):
        return one
    if isinstance(value, Typed) and isinstance(declared, str):
        return str(value)
    where = f"-P {key}={safe(value)}" if isinstance(value, Typed) else f"--params: {key} = {safe(repr(value))}"
    raise UsageError(f"{where[: 2 * _SHOWN]}: {key} is {_kind(declared)} here, such as {safe(_shown(declared))}")


def _kind(value: object) -> str:
    return {bool: "true or false", str: "a text"}.get(type(value), "a number")


def _value(text: str) -> Any:
    """As TOML has it, else as it stands."""
    plain = str(text)
    if "\n" in plain or "\r" in plain:
        return plain
    try:
        value = tomllib.loads(f"value = {plain}")
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return plain
    one = value.get("value")
    return one if _may_be(one) else plain


# -- on a resume


def differing(typed_now: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    """Those that were given on a resume, and are not what they were when the run began; in words, for people."""
    now = {key: _like(value, recorded.get(key)) for key, value in typed_now.items()}
    return [
        f"{key} is {_recorded(recorded, key)}, not {value!r}"
        for key, value in sorted(now.items())
        if key not in recorded or (type(recorded[key]), recorded[key]) != (type(value), value)
    ]


def _like(value: Any, recorded: Any) -> Any:
    """What is typed about a text is text; else it is what it looks like, and no error: the recorded one wins anyway."""
    if not isinstance(value, Typed):
        return value
    one = _value(value)
    return str(value) if isinstance(recorded, str) and not isinstance(one, str) else one


def _recorded(recorded: Mapping[str, Any], key: str) -> str:
    return repr(recorded[key]) if key in recorded else "not set"


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text[:_SHOWN]
