"""A task's spec as JSON, and back. Only what is not the default is kept, so most tasks need nothing.

The key is a column of its own. It is repeated here if SQL text cannot hold it exactly (lone surrogates).
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

from pexen_state.core.spec import Declared, TaskSpec
from pexen_state.core.states import Cause
from pexen_state.journal.values import from_json, to_json

_NAMES = frozenset({"requires", "requires_all", "provides", "uses", "claims", "recovers"})
_FIELDS = TaskSpec._fields[1:]  # but the key
_DEFAULTS: tuple[Any, ...] = TaskSpec("default")[1:]
_written = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode  # `json.dumps` makes one for every text


def sql_text(text: str) -> str:
    """What SQL can hold of a text: lone surrogates become `\\udc80`, for people to read."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def spec_to_json(spec: TaskSpec) -> str | None:
    """Raises NotEncodable if a name is not made of JSON scalars and tuples."""
    key = spec.key
    values: tuple[Any, ...] = spec[1:]
    exact = sql_text(key) == key
    if exact and values == _DEFAULTS:
        return None
    parts = [] if exact else [f'"key":{_written(to_json(key, "the key"))}']
    for name, value, default in zip(_FIELDS, values, _DEFAULTS, strict=True):
        if value is default or value == default:
            continue
        where = f"{name} of {key}"
        if name in _NAMES or name in ("after", "tags"):
            text = names_to_json(value, where)
        elif name == "needs":
            text = _written(value)
        elif name == "retry_on":
            text = _written(sorted(map(int, value)))
        else:
            text = _written(to_json(int(value) if name == "declared" else value, where))
        parts.append(f'"{name}":{text}')
    return f"{{{','.join(parts)}}}"


def specs_to_json(specs: Sequence[TaskSpec]) -> list[str]:
    """Of many tasks: most have nothing but a key, which is the empty text."""
    exact = "".join([spec.key for spec in specs]).isascii()
    return ["" if exact and spec[1:] == _DEFAULTS else spec_to_json(spec) or "" for spec in specs]


def names_to_json(names: Iterable[Hashable], where: str = "a name") -> str:
    """An array. Raises NotEncodable."""
    return f"[{','.join([_text_of(one, where) for one in names])}]"


def _text_of(name: Hashable, where: str) -> str:
    """As JSON. Text and numbers, which names nearly always are, take the shortest way."""
    if type(name) is str and name.isascii():
        return encode_basestring_ascii(name)
    value = to_json(name, where)
    return repr(value) if type(value) is int else _written(value)


def spec_from_json(key: str, text: str | None) -> TaskSpec:
    """Fields that this version does not know are left out: a newer pexen may have added them."""
    if text is None:
        return TaskSpec(key)
    kept = json.loads(text)
    known: dict[str, Any] = {"key": key}
    for name, value in kept.items():
        if name in _NAMES or name in ("after", "tags"):
            known[name] = tuple([one if type(one) is str else from_json(one) for one in value])
        elif name == "needs":
            known[name] = tuple([(one, amount) for one, amount in value])
        elif name == "retry_on":
            known[name] = frozenset(map(Cause, value))
        elif name == "declared":
            known[name] = Declared(value)
        elif name == "key" or name in _FIELDS:
            known[name] = from_json(value)
    return TaskSpec(**known)


def exact_key(key: str, text: str | None) -> str:
    """The key as it was given, where its column could not hold it."""
    return spec_from_json(key, text).key if text is not None and text.startswith('{"key":') else key
