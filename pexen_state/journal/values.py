"""Values as JSON: exact, or refused.

What JSON has is written as it is: dict with str keys, list, str, int, finite float, bool, None. What it has not is
an object with a single key, a tag that begins with `$`: tuple, set, frozenset, bytes, dict with other keys, Path,
date, time, datetime, timedelta, CompletedProcess, and dataclasses, by the place where they are imported from.
Only exact types: a subclass would come back as what it is not. The text is ASCII, whatever the strings hold.

Never pickle: reading a journal must not run code. A dataclass is imported from where it was, and filled without
calling anything of it.
"""

from __future__ import annotations

import datetime
import itertools
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import PosixPath, PurePosixPath
from typing import Any, NoReturn

from pexen_state.util import PexenError

_TEXT_CHARS = 2000  # of a value that is kept as text: enough to recognise it
_BIG_INT_BITS = 4096  # beyond it, int() of decimal digits is slow, and refused by Python by default

#: Two lone surrogates side by side, which a reader of JSON would take for one character.
_FALSE_PAIR = re.compile("[\ud800-\udbff](?=[\udc00-\udfff])")


class NotEncodable(PexenError):
    """A value that JSON cannot give back exactly. `where` says which part of it."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} cannot be kept in the journal: {why}")
        self.where = where


class NotDecodable(PexenError):
    """Text that this codec did not write, or that names a class which is no longer there."""


class UnrestorableUsed(PexenError):
    """A value was used that the journal could keep as text only."""


def encode(value: Any, where: str = "the value") -> str:
    """Raises NotEncodable. `where` is how messages call the value, for example `shared`."""
    try:
        return _dumps(to_json(value, where))
    except RecursionError:
        raise NotEncodable(where, "it is nested too deeply, or contains itself") from None


def decode(text: str) -> Any:
    """Raises NotDecodable. May import the module of a dataclass; looking verbs show the JSON instead."""
    try:
        return from_json(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotDecodable(f"the journal holds a value that cannot be read back ({error}): {text[:80]}") from error


def encode_or_text(value: Any) -> str:
    """As `encode`, but what cannot be encoded is kept as text and comes back as an `Unrestorable`."""
    try:
        return encode(value)
    except NotEncodable:
        return _dumps({"$text": text_of(value)})


def is_text_only(text: str) -> bool:
    """Whether `encode_or_text` had to fall back on text."""
    return text.startswith('{"$text":')


class Unrestorable:
    """Stands for a return value that was kept as text only. Showing it is fine, any other use raises."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Unrestorable({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unrestorable) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def _refuse(self, *_: object) -> NoReturn:
        raise UnrestorableUsed(
            f"this return value comes from the journal, which could keep it as text only: {self.text}. "
            "Return what JSON can hold (or a dataclass), or use the result in the session that made it."
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # protocols ask politely: copy, pickle, abc
        self._refuse()

    __bool__ = __len__ = __iter__ = __call__ = __getitem__ = __contains__ = __int__ = __float__ = __index__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __lt__ = __le__ = __gt__ = __ge__ = (
        _refuse
    )


def text_of(value: object) -> str:
    """Its repr, or what can be said of it if that fails: a repr is somebody else's code."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - whatever a foreign __repr__ raises, the task has not failed
        text = f"<{type(value).__qualname__}, whose repr failed with {type(error).__name__}>"
    return text if len(text) <= _TEXT_CHARS else f"{text[:_TEXT_CHARS]}... ({len(text)} characters)"


# -- writing -----------------------------------------------------------------------------------------------


def to_json(value: Any, where: str) -> Any:
    """The value as what `json` can write. Raises NotEncodable."""
    kind = type(value)
    if kind is int:
        return value if value.bit_length() <= _BIG_INT_BITS else {"$int": hex(value)}
    if value is None or kind is bool:
        return value
    if kind is str:
        return value if value.isascii() or not _FALSE_PAIR.search(value) else {"$str": _apart(value)}
    writer = _WRITERS.get(kind)
    if writer is not None:
        return writer(value, where)
    if is_dataclass(kind):
        return _from_dataclass(value, where)
    raise NotEncodable(where, f"it is of the type {_place(kind)}, which JSON cannot give back exactly")


def _apart(text: str) -> list[str]:
    cuts = [0, *(found.end() for found in _FALSE_PAIR.finditer(text)), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(cuts)]


def _from_float(value: float, where: str) -> Any:
    if not math.isfinite(value):
        raise NotEncodable(where, f"it is {value!r}, which JSON does not have")
    return value


def _from_list(value: list[Any], where: str) -> Any:
    return [to_json(one, f"{where}[{at}]") for at, one in enumerate(value)]


def _from_dict(value: dict[Any, Any], where: str) -> Any:
    plain = {}
    for key, one in value.items():
        if type(key) is not str or key.startswith("$") or not (key.isascii() or not _FALSE_PAIR.search(key)):
            return {
                "$dict": [[to_json(k, f"a key of {where}"), to_json(v, f"{where}[{k!r}]")] for k, v in value.items()]
            }
        plain[key] = to_json(one, f"{where}[{key!r}]")
    return plain


def _from_tuple(value: tuple[Any, ...], where: str) -> Any:
    return {"$tuple": [to_json(one, f"{where}[{at}]") for at, one in enumerate(value)]}


def _from_set(value: set[Any] | frozenset[Any], where: str) -> Any:
    # Sorted, so that equal sets are equal text: the order within a set changes from process to process.
    return {f"${type(value).__name__}": sorted((to_json(one, f"an element of {where}") for one in value), key=_dumps)}


def _from_bytes(value: bytes, where: str) -> Any:
    return {"$bytes": value.hex()}


def _from_datetime(value: datetime.datetime | datetime.time, where: str) -> Any:
    tz = value.tzinfo
    if tz is not None and (
        type(tz) is not datetime.timezone or tz.tzname(None) != datetime.timezone(tz.utcoffset(None)).tzname(None)
    ):
        raise NotEncodable(where, f"its time zone {tz!r} is more than an offset. Use datetime.timezone, or text")
    return {f"${type(value).__name__}": [value.replace(fold=0).isoformat(), value.fold]}


def _from_date(value: datetime.date, where: str) -> Any:
    return {"$date": value.isoformat()}


def _from_timedelta(value: datetime.timedelta, where: str) -> Any:
    return {"$timedelta": [value.days, value.seconds, value.microseconds]}


def _from_path(value: PurePosixPath, where: str) -> Any:
    return {"$path" if type(value) is PosixPath else "$purepath": to_json(str(value), where)}


def _from_completed(value: subprocess.CompletedProcess[Any], where: str) -> Any:
    parts = (value.args, value.returncode, value.stdout, value.stderr)
    return {"$completed": [to_json(one, f"{where}.{name}") for name, one in zip(_COMPLETED, parts, strict=True)]}


_COMPLETED = ("args", "returncode", "stdout", "stderr")

_WRITERS: dict[type, Callable[[Any, str], Any]] = {
    float: _from_float,
    list: _from_list,
    dict: _from_dict,
    tuple: _from_tuple,
    set: _from_set,
    frozenset: _from_set,
    bytes: _from_bytes,
    datetime.datetime: _from_datetime,
    datetime.time: _from_datetime,
    datetime.date: _from_date,
    datetime.timedelta: _from_timedelta,
    PosixPath: _from_path,
    PurePosixPath: _from_path,
    subprocess.CompletedProcess: _from_completed,
}


def _from_dataclass(value: Any, where: str) -> Any:
    kind = type(value)
    place = _place(kind)
    if importable(place) is not kind:
        raise NotEncodable(
            where, f"its class {place} cannot be imported by that name. Define it at the top of a module"
        )
    names = [field.name for field in fields(kind)]
    beyond = getattr(value, "__dict__", {}).keys() - set(names)
    if beyond or isinstance(value, (dict, list, tuple, set, frozenset, str, bytes, int, float)):
        raise NotEncodable(where, f"a {place} holds more than its fields: {', '.join(sorted(beyond)) or 'its base'}")
    try:
        values = {name: to_json(getattr(value, name), f"{where}.{name}") for name in names}
    except AttributeError as error:
        raise NotEncodable(where, f"a field of {place} was never set: {error}") from None
    return {"$dataclass": [place, values]}


def _place(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


# -- reading -----------------------------------------------------------------------------------------------


def from_json(value: Any) -> Any:
    """The value behind what `json` has read."""
    kind = type(value)
    if kind is list:
        return [from_json(one) for one in value]
    if kind is not dict:
        return value
    if len(value) == 1:
        ((tag, inner),) = value.items()
        if tag.startswith("$"):
            reader = _READERS.get(tag)
            if reader is None:
                raise ValueError(f"unknown tag {tag}; a newer pexen wrote it")
            return reader(inner)
    return {key: from_json(one) for key, one in value.items()}


def _to_datetime(inner: list[Any]) -> datetime.datetime:
    return datetime.datetime.fromisoformat(inner[0]).replace(fold=inner[1])


def _to_time(inner: list[Any]) -> datetime.time:
    return datetime.time.fromisoformat(inner[0]).replace(fold=inner[1])


def _to_dataclass(inner: list[Any]) -> Any:
    place, values = inner
    kind = importable(place)
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise ValueError(f"there is no dataclass {place} any more")
    names = {field.name for field in fields(kind)}
    if names != values.keys():
        raise ValueError(f"the fields of {place} have changed: {', '.join(sorted(names ^ values.keys()))}")
    made = object.__new__(kind)
    for name, one in values.items():
        object.__setattr__(made, name, from_json(one))  # a frozen one, too, and without its __post_init__
    return made


_READERS: dict[str, Callable[[Any], Any]] = {
    "$int": lambda inner: int(inner, 16),
    "$str": "".join,
    "$dict": lambda inner: {from_json(key): from_json(one) for key, one in inner},
    "$tuple": lambda inner: tuple(map(from_json, inner)),
    "$set": lambda inner: set(map(from_json, inner)),
    "$frozenset": lambda inner: frozenset(map(from_json, inner)),
    "$bytes": bytes.fromhex,
    "$datetime": _to_datetime,
    "$time": _to_time,
    "$date": datetime.date.fromisoformat,
    "$timedelta": lambda inner: datetime.timedelta(*inner),
    "$path": lambda inner: PosixPath(from_json(inner)),
    "$purepath": lambda inner: PurePosixPath(from_json(inner)),
    "$completed": lambda inner: subprocess.CompletedProcess(*map(from_json, inner)),
    "$dataclass": _to_dataclass,
    "$text": Unrestorable,
}


def importable(place: str) -> object:
    """What stands at `module:qualname`, or None."""
    module_name, _, qualname = place.partition(":")
    try:
        found: object = sys.modules.get(module_name) or import_module(module_name)
    except (ImportError, ValueError):
        return None
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found
