"""What is said of one task in several places, and what follows from all of it.

The deeper a place is, the more it counts: names are added to a set, entries to a table, and all else is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pexen_state.sched.fields import usual


class Layer(NamedTuple):
    """What one place says. `line_of` tells on which line of `origin` a field stands, if that is known."""

    origin: str  #: a file, or the dotted name of a module
    pattern: str | None  #: of the table that says it; None: it holds for all below
    fields: Mapping[str, Any]  #: as `sched.taking` has taken them
    line_of: Callable[[str], int | None] = lambda _: None

    def place_of(self, field: str) -> str:
        """`net/pexen.toml, line 3`."""
        line = self.line_of(field)
        return self.origin if line is None else f"{self.origin}, line {line}"


class Said(NamedTuple):
    """One place's part in a field's value."""

    value: Any
    layer: Layer


def combined(layers: Iterable[Layer]) -> dict[str, Any]:
    """The fields that somebody says, with their values."""
    found: dict[str, Any] = {}
    for layer in layers:
        for field, value in layer.fields.items():
            found[field] = joined(field, found[field], value) if field in found else value
    return found


def joined(field: str, outer: Any, inner: Any) -> Any:
    """A field's value, where two places say it."""
    if is_set(field):
        return set(outer) | set(inner)
    if is_table(field) and isinstance(outer, Mapping) and isinstance(inner, Mapping):
        return {**outer, **inner}
    return inner


def is_set(field: str) -> bool:
    return isinstance(usual(field), frozenset)


def is_table(field: str) -> bool:
    return isinstance(usual(field), Mapping)


def explained(layers: Iterable[Layer]) -> dict[str, list[Said]]:
    """Field -> who has a part in its value, the outermost first. Who was replaced has none."""
    found: dict[str, list[Said]] = {}
    for layer in layers:
        for field, value in layer.fields.items():
            if not (is_set(field) or is_table(field)):
                found[field] = []
            found.setdefault(field, []).append(Said(value, layer))
    return found


_LAYERS = "__pexen_layers__"


def keep_layers(task: object, layers: Sequence[Layer]) -> None:
    """Note on a task where its metadata is from."""
    setattr(task, _LAYERS, tuple(layers))


def layers_of(task: object) -> tuple[Layer, ...]:
    """What `keep_layers` has noted."""
    found = getattr(task, _LAYERS, ())
    return found if isinstance(found, tuple) else ()
