"""What metadata there is: the fields of a task's metadata, what each takes, and what it means when nobody says.

A `SchedMeta` refuses what it does not know, so that a misspelt lock is an error and not a race. Where it is
kept, and how it is read from a callable, is no business of this file (`sched.meta`).
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from pexen_state.sched.taking import TAKES, MetaError
from pexen_state.words import did_you_mean

Name = Hashable


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
    needs: dict[str, int | str]
    memory_max: int | str | None
    group: str | None
    weight: float | None
    when: str | None
    on_demand: bool
    prefers: list[str] | tuple[str, ...]
    cost: float
    cmd: list[str] | tuple[str, ...] | None
    env: dict[str, str]
    exit_codes: str | dict[str, str] | None
    results: str | None
    enabled: bool


FIELDS = tuple(TAKES)

_NOTHING: frozenset[str] = frozenset()
_USUAL: dict[str, object] = {
    **dict.fromkeys(("requires", "requires_all", "provides", "uses", "claims", "recovers", "after", "tags"), _NOTHING),
    **dict.fromkeys(("kwargs", "on_fail", "needs", "env"), MappingProxyType[str, Any]({})),
    **dict.fromkeys(("timeout", "idle_timeout", "total_timeout", "memory_max", "retry_on", "name", "summary")),
    **dict.fromkeys(("group", "weight", "when", "cmd", "exit_codes", "results")),
    "prefers": (),
    "cost": 0,
    "on_demand": False,
    "enabled": True,
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
        raise MetaError(f"{field} is not a valid metadata field.{did_you_mean(field, TAKES)}") from None


def _taken(field: str, value: object) -> object:
    """What is kept of a value that somebody gives a field. Raises MetaError."""
    take = TAKES.get(field)
    if take is None:
        raise MetaError(f"{field} is not a valid metadata field.{did_you_mean(field, TAKES)}")
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
    needs: dict[str, int]  #: how much it takes of what the box has, while it runs
    memory_max: int | None  #: bytes that an attempt may have, where the runner was handed cgroups that limit memory
    group: str | None  #: it runs with no task of another group
    weight: float | None  #: how long it takes beside others, or its seconds
    when: str | None  #: a condition over facts and parameters; it does not apply where that is false
    on_demand: bool  #: it runs only if another task requires what it provides
    prefers: tuple[str, ...]  #: who is to provide what it requires, the best first
    cost: float  #: of candidates to provide a name the cheapest is taken
    cmd: tuple[str, ...] | None  #: what a file of a tree is run by, instead of being run itself
    env: dict[str, str]  #: variables of its environment
    exit_codes: str | dict[str, str] | None  #: which exit status means what
    results: str | None  #: how its results are read from what it prints
    enabled: bool  #: False: it is left out

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
