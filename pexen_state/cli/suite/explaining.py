"""Why a task is as it is: each value with the file, and the line, that says it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from pexen_state.cli.app import App
from pexen_state.cli.errors import UsageError
from pexen_state.cli.suite.collected import Collected
from pexen_state.factory.metadata.document import shown_from_here
from pexen_state.factory.metadata.layers import Layer, Said, explained, layers_of
from pexen_state.report.tables import document, table
from pexen_state.report.text import safe
from pexen_state.sched.meta import Task, find_meta
from pexen_state.words import did_you_mean


def explained_task(app: App, found: Collected, typed: str, as_json: bool) -> int:
    """Prints it. Raises UsageError if no task, or more than one, is meant."""
    keys = [spec.key for spec in found.specs]
    key = _one_of(typed, keys)
    at = keys.index(key)
    task = found.selection.tasks[at]
    parts = explained(_layers(task))
    if as_json:
        said = {field: [_as_json(one) for one in by] for field, by in sorted(parts.items())}
        app.console.out.line(document(task=key, said=said, defaults=_of_the_run(found, parts)))
        return 0
    app.console.out.line(app.console.style.strong(safe(key)))
    rows = [(field, *row) for field, by in sorted(parts.items()) for row in _rows(field, by)]
    rows += [(field, _in_words(value), origin) for field, (value, origin) in _of_the_run(found, parts).items()]
    if not rows:
        app.console.out.line("nothing is said of it: everything is as usual")
        return 0
    for line in table(("field", "value", "said by"), [tuple(map(safe, row)) for row in rows]):
        app.console.out.line(line)
    return 0


def _one_of(typed: str, keys: list[str]) -> str:
    """The key, or any tail of it that no other one has. Raises UsageError."""
    meant = [key for key in keys if key == typed] or [key for key in keys if key.endswith(typed)]
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise UsageError(f"there is no task {safe(typed)}.{safe(did_you_mean(typed, keys))}")
    some = ", ".join(map(safe, meant[:5]))
    raise UsageError(f"{safe(typed)} may be any of {len(meant)} tasks: {some}. Type more of it.")


def _layers(task: Task) -> tuple[Layer, ...]:
    """Of what was made without a tree, what it says itself is all that there is."""
    layers = layers_of(task)
    if layers:
        return layers
    meta = find_meta(task)
    own = getattr(task, "origin", None) or f"{getattr(task, '__module__', '')}.{getattr(task, '__qualname__', '')}"
    return (Layer(str(own), None, dict(vars(meta))),) if meta is not None else ()


def _rows(field: str, by: list[Said]) -> Iterator[tuple[str, str]]:
    for one in by:
        yield _in_words(one.value), _place(one.layer, field)


def _place(layer: Layer, field: str) -> str:
    place = layer.place_of(field)
    place = shown_from_here(place) if os.path.isabs(place) else place
    return f'{place} ([tasks."{layer.pattern}"])' if layer.pattern is not None else place


def _of_the_run(found: Collected, parts: Mapping[str, object]) -> dict[str, tuple[Any, str]]:
    """What holds because nobody has said anything else, where that is not nothing."""
    terms = found.terms
    said: dict[str, tuple[Any, str]] = {}
    if "timeout" not in parts and terms.timeout is not None:
        said["timeout"] = terms.timeout, "of the run (--timeout, or [run], or the default)"
    if "retries" not in parts and terms.retries:
        said["retries"] = terms.retries, "of the run (--retries, or [run])"
    return said


def _in_words(value: Any) -> str:
    if isinstance(value, set | frozenset):
        return ", ".join(sorted(map(str, value)))
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={value[name]}" for name in sorted(value, key=str))
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def _as_json(one: Said) -> dict[str, Any]:
    value = sorted(one.value, key=str) if isinstance(one.value, set | frozenset) else one.value
    if isinstance(value, Mapping):
        value = {str(name): inner for name, inner in value.items()}
    return {
        "value": list(value) if isinstance(value, tuple) else value,
        "origin": one.layer.origin,
        "glob": one.layer.pattern,
    }
