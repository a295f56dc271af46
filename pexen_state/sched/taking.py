"""What each field of a task's metadata takes: its value as it is kept, or an error that says what is wanted.

Lists become sets, durations seconds, sizes bytes. What a field means is said in `sched.fields`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from pexen_state.box.facts import MEANING
from pexen_state.core.states import FAILURES, Cause
from pexen_state.core.when import WhenError, parse, unknown_name
from pexen_state.util import PexenError
from pexen_state.words import bytes_of, did_you_mean, is_plain, seconds_of

Name = Hashable

#: What may be listed in `retry_on`.
RETRYABLE = {cause.word: cause for cause in sorted(FAILURES)}
_KERNEL = ("warn", "fail", "ignore")
_ON_FAIL = {"locks": ("free", "hold"), "deps": ("break", "keep")}


class MetaError(PexenError, AttributeError):
    """Metadata that does not exist, has the wrong type, or cannot be kept on that callable."""


def _wrong(field: str, value: object, want: str = "") -> MetaError:
    return MetaError(f"{type(value)} cannot be used for {field}" + (f": {want}" if want else ""))


def _names(field: str, value: object) -> set[Name]:
    if not isinstance(value, list | set | frozenset):
        raise _wrong(field, value, f"give a list or a set, such as [{value!r}]")
    try:
        return set(value)
    except TypeError as error:
        raise MetaError(f"{field} takes only names that are hashable: {error} in {value!r}") from None


def _words(field: str, value: object) -> set[str]:
    words = _names(field, value)
    for word in words:
        if not isinstance(word, str):
            raise MetaError(f"{field} takes only strings, and {word!r} is none")
    return words  # type: ignore[return-value]  # each was looked at


def _retry_on(field: str, value: object) -> set[str] | None:
    if value is None:
        return None
    words = {name.word if isinstance(name, Cause) else name for name in _names(field, value)}
    for word in words:
        if word not in RETRYABLE:
            hint = did_you_mean(str(word), RETRYABLE)
            raise MetaError(f"{field} does not know {word!r}.{hint} Known are: {' '.join(RETRYABLE)}")
    return {str(word) for word in words}


def _priority(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise _wrong(field, value, f"give a number, lower runs first, not {value!r}")
    return value


def _kwargs(field: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(field, value, "give a dict of keyword arguments")
    for key in value:
        if not isinstance(key, str):
            raise MetaError(f"{field} takes only strings for keys, and {key!r} is none")
    return value


def _truth(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(field, value, "give True or False")
    return value


def _limit(read: Callable[[object], float]) -> Callable[[str, object], float | None]:
    def take(field: str, value: object) -> float | None:
        if value is None:
            return None
        try:
            return read(value)
        except ValueError as error:
            raise MetaError(f"{field}: {error}; None is no limit") from None

    return take


def _count(field: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(field, value, "give a whole number")
    if value < 0:
        raise MetaError(f"{field} cannot be below zero, and {value} is")
    return value


def _count_or_none(field: str, value: object) -> int | None:
    return None if value is None else _count(field, value)


def _text(field: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _wrong(field, value, "give a string")
    return value


def _name(field: str, value: object) -> str | None:
    if value == "":
        raise MetaError(f"{field} cannot be empty")
    return _text(field, value)


def _on_fail(field: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _wrong(field, value, "give a dict such as {'locks': 'free', 'deps': 'keep'}")
    for promise, word in value.items():
        if promise not in _ON_FAIL:
            raise MetaError(f"{field} does not know {promise!r}.{did_you_mean(str(promise), _ON_FAIL)}")
        if word not in _ON_FAIL[promise]:
            known = " or ".join(map(repr, _ON_FAIL[promise]))
            raise MetaError(f"{field}: {promise} can be {known}, and {word!r} is neither")
    return dict(value)


def _kernel(field: str, value: object) -> str:
    if value not in _KERNEL:
        raise MetaError(f"{field} can be {', '.join(map(repr, _KERNEL))}, and {value!r} is none of them")
    return str(value)


def _needs(field: str, value: object) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise _wrong(field, value, "give a dict such as {'gpu': 1, 'memory': '4G'}")
    amounts = {}
    for name, amount in value.items():
        if not isinstance(name, str) or not name:
            raise MetaError(f"{field} takes only names of resources, and {name!r} is none")
        try:
            amounts[name] = bytes_of(amount)
        except ValueError:
            raise MetaError(
                f"{field}: {amount!r} of {name!r} is no amount: write a whole number above zero, or for example '4G'"
            ) from None
    return amounts


def _positive(field: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _wrong(field, value, f"give a number above zero, not {value!r}")
    return value


def _cost(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise _wrong(field, value, f"give a number that is not below zero, lower is preferred, not {value!r}")
    return value


def _in_order(field: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(field, value, f"give a list, the best first, such as [{value!r}]")
    for word in value:
        if not isinstance(word, str):
            raise MetaError(f"{field} takes only strings, and {word!r} is none")
    return tuple(value)


def _cmd(field: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value:
        raise _wrong(field, value, "give a list of words, such as ['python3', '{}'], where {} is the file")
    for word in value:
        if not isinstance(word, str) or not is_plain(word):
            raise MetaError(f"{field} takes only strings, and {word!r} cannot be a word of a command line")
    if not value[0]:
        raise MetaError(f"{field}: the first word is the program, and it is empty")
    return tuple(value)


def _env(field: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _wrong(field, value, "give a dict such as {'LANG': 'C'}")
    for name, text in value.items():
        if not isinstance(name, str) or not name or "=" in name or not is_plain(name):
            raise MetaError(f"{field}: {name!r} cannot be the name of a variable")
        if not isinstance(text, str) or not is_plain(text):
            raise MetaError(f"{field}: {name} cannot be {text!r}: give a string")
    return dict(value)


def _exit_codes(field: str, value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        raise _wrong(field, value, "give the name of a table, or a dict such as {'0': 'pass', '4': 'skip'}")
    return dict(value)


def _when(field: str, value: object) -> str | None:
    text = _name(field, value)
    if text is not None:
        try:
            condition = parse(text)
        except WhenError as error:
            raise MetaError(f"{field}: {text[:200]!r} is no condition, {error}") from None
        if (unknown := unknown_name(condition, MEANING)) is not None:
            hint = did_you_mean(unknown.name, MEANING)
            where = f"there is no fact {unknown.name!r} (column {unknown.column}).{hint}"
            raise MetaError(f"{field}: {where} `pexen facts` lists them; parameters are param.NAME")
    return text


#: What each field takes. A field that is not here does not exist.
TAKES: dict[str, Callable[[str, object], object]] = {
    "requires": _names,
    "requires_all": _names,
    "provides": _names,
    "uses": _names,
    "claims": _names,
    "recovers": _names,
    "after": _words,
    "tags": _words,
    "priority": _priority,
    "kwargs": _kwargs,
    "always": _truth,
    "timeout": _limit(seconds_of),
    "idle_timeout": _limit(seconds_of),
    "total_timeout": _limit(seconds_of),
    "retries": _count,
    "retry_on": _retry_on,
    "max_crashes": _count_or_none,
    "name": _name,
    "on_fail": _on_fail,
    "survives_reboot": _truth,
    "cleared_by_reboot": _truth,
    "kernel": _kernel,
    "summary": _text,
    "needs": _needs,
    "memory_max": _limit(bytes_of),
    "group": _name,
    "weight": _positive,
    "when": _when,
    "on_demand": _truth,
    "prefers": _in_order,
    "cost": _cost,
    "cmd": _cmd,
    "env": _env,
    "exit_codes": _exit_codes,
    "results": _name,
    "enabled": _truth,
}
