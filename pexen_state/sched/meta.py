"""Metadata of a task: what a callable says of itself to the scheduler, kept on the callable.

Reading never writes: a callable without metadata stays without. What fields there are is known to
`sched.fields`; how they become a `TaskSpec` to `sched.specs`.

A callable that carries none of its own shows that of what it stands for: a bound method that of its
function, an instance that of its class or of its `__call__`, a `functools.partial` that of the callable it
wraps. Setting a value on an instance or a partial begins a copy of its own. Bound methods and builtins take
no attributes: setting raises MetaError and says to wrap them in a `functools.partial`.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, TypeVar, Unpack, overload

from pexen_state.core.spec import Declared
from pexen_state.sched.fields import Fields, Name, OnFail, SchedMeta
from pexen_state.sched.taking import MetaError

__all__ = [
    "Fields",
    "MetaError",
    "OnFail",
    "SchedMeta",
    "Task",
    "assign_meta",
    "assign_val",
    "declared_of",
    "describe",
    "find_meta",
    "func_meta",
    "get_claims",
    "get_kwargs",
    "get_priority",
    "get_provides",
    "get_requires",
    "get_uses",
    "has_meta",
    "inherited",
    "read_meta",
    "retrieve_meta",
    "task",
]

ATTRIBUTE = "__pexen_meta__"
DECLARED = "__pexen_declared__"

Task = Callable[..., Any]
F = TypeVar("F", bound=Task)


def inherited(task: Task, attribute: str) -> Any:
    """An attribute of a callable or of what it stands for, None if there is none. Never writes."""
    if type(task) is types.FunctionType:  # nearly always; it stands for nothing else
        return getattr(task, attribute, None)
    for _ in range(100):  # deep enough for any chain of partials that is not an accident
        value = getattr(task, attribute, None)
        if value is None:
            # An instance whose class decorates its `__call__`.
            value = getattr(type(task).__call__, attribute, None)
        if value is not None or not isinstance(task, functools.partial):
            return value
        task = task.func
    return None


def find_meta(task: Task) -> SchedMeta | None:
    """The metadata of a callable, or of what it stands for; None if it has none."""
    # The type is looked at, because some objects answer to any attribute (mocks, proxies).
    plain = type(task) is types.FunctionType  # nearly always; as `inherited` finds it, without a call
    found = getattr(task, ATTRIBUTE, None) if plain else inherited(task, ATTRIBUTE)
    return found if found is not None and isinstance(found, SchedMeta) else None


def _keep(task: Task, attribute: str, value: object) -> None:
    try:
        setattr(task, attribute, value)
    except (AttributeError, TypeError):
        raise MetaError(
            f"metadata cannot be kept on {task!r}: wrap it, task = functools.partial({describe(task)}), "
            "and set it on that"
        ) from None


def describe(task: object) -> str:
    """A callable as a person would write it down, as far as that is known."""
    return str(getattr(task, "__qualname__", None) or repr(task))


def has_meta(task: Task) -> bool:
    """Whether a callable, or what it stands for, has metadata."""
    return find_meta(task) is not None


def retrieve_meta(task: Task) -> SchedMeta:
    """The metadata of a callable. Raises MetaError, an AttributeError, if it has none."""
    found = find_meta(task)
    if found is None:
        raise MetaError(f"{task!r} has no metadata")
    return found


def read_meta(task: Task) -> SchedMeta:
    """The metadata of a callable, or an empty one that is attached to nothing."""
    return find_meta(task) or SchedMeta()


def assign_meta(task: Task, meta: SchedMeta | None = None) -> SchedMeta:
    """Attach metadata to a callable and return it; without any, what it has, or a new one.

    Raises MetaError if the callable takes no attributes (bound methods, builtins).
    """
    if meta is None:
        meta = _own(task)
        if meta is None:
            inherited_one = find_meta(task)
            meta = inherited_one.copy() if inherited_one else SchedMeta()
    _keep(task, ATTRIBUTE, meta)
    return meta


def _own(task: Task) -> SchedMeta | None:
    """Metadata that is kept on this very object."""
    if isinstance(task, types.MethodType):
        return None  # its `__dict__` is that of its function
    own = getattr(task, "__dict__", {}).get(ATTRIBUTE)
    if own is None and not hasattr(task, "__dict__"):
        own = getattr(task, ATTRIBUTE, None)  # an object with a slot for it
    return own if isinstance(own, SchedMeta) else None


def assign_val(task: Task, **fields: Unpack[Fields]) -> None:
    """Set some fields of a callable's metadata; the others stay as they are.

    Raises MetaError as `SchedMeta` and `assign_meta` do; nothing is changed then.
    """
    meta = _own(task)
    if meta is None:
        found = find_meta(task)
        meta = found.copy() if found else SchedMeta()
        meta.update(fields)
        _keep(task, ATTRIBUTE, meta)
    else:
        meta.update(fields)


def get_requires(task: Task) -> set[Name]:
    return read_meta(task).requires


def get_provides(task: Task) -> set[Name]:
    return read_meta(task).provides


def get_uses(task: Task) -> set[Name]:
    return read_meta(task).uses


def get_claims(task: Task) -> set[Name]:
    return read_meta(task).claims


def get_priority(task: Task) -> float:
    return read_meta(task).priority


def get_kwargs(task: Task) -> dict[str, Any]:
    return read_meta(task).kwargs


@overload
def func_meta(func: F, /) -> F: ...
@overload
def func_meta(**fields: Unpack[Fields]) -> Callable[[F], F]: ...
def func_meta(func: F | None = None, /, **fields: Unpack[Fields]) -> F | Callable[[F], F]:
    """A decorator that gives a callable metadata: `@func_meta`, or `@func_meta(requires=["net"])`."""

    def decorate(func: F) -> F:
        assign_val(func, **fields)
        return func

    return decorate if func is None else decorate(func)


@overload
def task(func: F, /) -> F: ...
@overload
def task(**fields: Unpack[Fields]) -> Callable[[F], F]: ...
def task(func: F | None = None, /, **fields: Unpack[Fields]) -> F | Callable[[F], F]:
    """The decorator that makes a callable a task: as `func_meta`, and it fails like a test does.

    A failed assertion frees its locks; what it provides stays broken. Any other exception leaves them dirty.
    """

    def decorate(func: F) -> F:
        assign_val(func, **fields)
        _keep(func, DECLARED, Declared.TASK)
        return func

    return decorate if func is None else decorate(func)


def declared_of(task: Task) -> Declared:
    """How a callable was declared. What a factory made of an executable says so itself, by `declared`."""
    plain = type(task) is types.FunctionType
    for attribute in (DECLARED, "declared"):
        found = getattr(task, attribute, None) if plain else inherited(task, attribute)
        if found is not None and isinstance(found, Declared):
            return found
    return Declared.CALLABLE
