"""What metadata there is: the fields of a task's metadata, what each takes, and what it means when nobody says.

A `SchedMeta` refuses what it does not know, so that a misspelt lock is an error and not a race. Where it is
kept, and how it is read from a callable, is no business of this file (`sched.meta`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from pexen_state.core.states import FAILURES, Cause
from pexen_state.util import PexenError
from pexen_state.words import did_you_mean, seconds_of

Name = Hashable

#: What may be listed in `retry_on`.
RETRYABLE = {cause.word: cause for cause in sorted(FAILURES)}
_KERNEL = ("warn", "fail", "ignore")
_ON_FAIL = {"locks": ("free", "hold"), "deps": ("break", "keep")}


class MetaError(PexenError, AttributeError):
    """Metadata that does not exist, has the wrong type, or cannot be kept on that callable."""


class OnFail(TypedDict, total=False):
    """What becomes of the locks and the `provides` of a task that failed, instead of the usual."""

    locks: Literal["free", "hold"]
    deps: Literal["break", "keep"]


class Fields(TypedDict, total=False):
    """The keyword arguments of `SchedMeta`, `func_meta`, `assign_val` and `task`."""

    requires: list[Any] | set[Any] | frozenset[Any]
    requires_all: list[Any] | set[Any] | frozenset[Any]
    provides: list[Any] | set[Any] | frozenset[Any]
    uses: list[Any] | set[Any] | frozenset[Any]
    claims: list[Any] | set[Any] | frozenset[Any]
    recovers: list[Any] | set[Any] | frozenset[Any]
    after: list[str] | set[str] | frozenset[str]
    tags: list[str] | set[str] | frozenset[str]
    priority: float
    kwargs: dict[str, Any]
    always: bool
    timeout: float | str | None
    idle_timeout: float | str | None
    total_timeout: float | str | None
    retries: int
    retry_on: list[str] | set[str] | frozenset[str] | None
    max_crashes: int | None
    name: str | None
    on_fail: OnFail
    survives_reboot: bool
    cleared_by_reboot: bool
    kernel: Literal["warn", "fail", "ignore"]
    summary: str | None


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


def _duration(field: str, value: object) -> float | None:
    if value is None:
        return None
    try:
        return seconds_of(value)
    except ValueError as error:
        raise MetaError(f"{field}: {error}; None is no limit") from None


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
        raise MetaError(f"{field} cannot be empty: it is what the task is known by")
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


#: What each field takes. A field that is not here does not exist.
_TAKES: dict[str, Callable[[str, object], object]] = {
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
    "timeout": _duration,
    "idle_timeout": _duration,
    "total_timeout": _duration,
    "retries": _count,
    "retry_on": _retry_on,
    "max_crashes": _count_or_none,
    "name": _name,
    "on_fail": _on_fail,
    "survives_reboot": _truth,
    "cleared_by_reboot": _truth,
    "kernel": _kernel,
    "summary": _text,
}
FIELDS = tuple(_TAKES)

_NOTHING: frozenset[str] = frozenset()
_USUAL: dict[str, object] = {
    **dict.fromkeys(("requires", "requires_all", "provides", "uses", "claims", "recovers", "after", "tags"), _NOTHING),
    **dict.fromkeys(("kwargs", "on_fail"), MappingProxyType[str, Any]({})),
    **dict.fromkeys(("timeout", "idle_timeout", "total_timeout", "retry_on", "name", "summary")),
    "priority": 0,
    **dict.fromkeys(("always", "survives_reboot", "cleared_by_reboot"), False),
    "kernel": "warn",
    "retries": 0,
    "max_crashes": 1,
}


def usual(field: str) -> object:
    """What a field is if nobody says it. Raises MetaError if there is no such field."""
    try:
        return _USUAL[field]
    except KeyError:
        raise MetaError(f"{field} is not a valid metadata field.{did_you_mean(field, _TAKES)}") from None


def _taken(field: str, value: object) -> object:
    """What is kept of a value that somebody gives a field. Raises MetaError."""
    take = _TAKES.get(field)
    if take is None:
        raise MetaError(f"{field} is not a valid metadata field.{did_you_mean(field, _TAKES)}")
    return take(field, value)


class SchedMeta:
    """What a task says of itself. Fields are attributes; lists become sets; durations become seconds.

    Raises MetaError, an AttributeError, for a field that does not exist and for a value that it cannot take.
    """

    requires: set[Name]  #: names that must be provided first, by any one provider of each
    requires_all: set[Name]  #: the same, by every provider of each
    provides: set[Name]  #: names that are provided when this task has ended well
    uses: set[Name]  #: locks to share
    claims: set[Name]  #: locks to have alone
    recovers: set[Name]  #: the same, also of those that are dirty, which it frees when it passes
    after: set[str]  #: globs of keys: order only, whatever their verdict
    tags: set[str]  #: words to select by
    priority: float  #: lower first
    kwargs: dict[str, Any]  #: given to the callable
    always: bool  #: runs even if what it requires was lost
    timeout: float | None  #: seconds for one attempt
    idle_timeout: float | None  #: seconds without output
    total_timeout: float | None  #: seconds for all of its attempts together
    retries: int  #: failures that are tried again
    retry_on: set[str] | None  #: endings that count as such; None: all but the controlled ones
    max_crashes: int | None  #: deaths of its worker that are tried again; None: without limit
    name: str | None  #: what it is known by; None: found from where it is defined
    on_fail: dict[str, str]  #: see OnFail
    survives_reboot: bool  #: the box may be rebooted for another task while it runs
    cleared_by_reboot: bool  #: locks that it left dirty are clean after a new boot
    kernel: str  #: what the kernel's trouble is while it runs: a warning, a failure, or nobody's business
    summary: str | None  #: one line for people

    def __init__(self, **fields: Unpack[Fields]) -> None:
        # Only what was said, or asked for, is kept: there may be a million tasks, and most say next to nothing.
        self.update(fields)

    if not TYPE_CHECKING:  # who misspells a field is to hear of it

        def __getattr__(self, field: str) -> object:
            """What nobody has said: a set or dict that the caller may add to, or the usual value."""
            if field.startswith("__"):
                raise AttributeError(field)  # python looks whether there is such a method
            value = usual(field)
            if type(value) in (frozenset, MappingProxyType):
                value = vars(self)[field] = set() if type(value) is frozenset else {}
            return value

    def value(self, field: str) -> Any:
        """The attribute, to be read only: no set is made for what nobody has said."""
        own = vars(self)
        return own[field] if field in own else usual(field)

    def __setattr__(self, field: str, value: object) -> None:
        vars(self)[field] = _taken(field, value)

    def __delattr__(self, field: str) -> None:
        raise MetaError(f"{field} cannot be deleted: set it to what it is to be")

    def update(self, fields: Mapping[str, Any]) -> None:
        """Set several fields: all of them, or none if one is refused."""
        vars(self).update({field: _taken(field, value) for field, value in fields.items()})

    def says(self, field: str) -> bool:
        """Whether the field was set by somebody, be it to the value that it has by default; or, if it is a set or a
        dict, asked for.
        """
        return field in vars(self)

    def copy(self) -> SchedMeta:
        """Another one that says the same; its sets and dicts are its own, their content is shared."""
        other = SchedMeta()
        vars(other).update({field: copy.copy(value) for field, value in vars(self).items()})
        return other

    def __repr__(self) -> str:
        said = [f"{field}={value!r}" for field in FIELDS if (value := self.value(field)) != usual(field)]
        return f"SchedMeta({', '.join(said)})"
