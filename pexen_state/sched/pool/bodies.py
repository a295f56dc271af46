"""The callables that a pool knows, and how a worker finds them: by number, or by the name of their module."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from pexen_state.sched.pool.base import Body

CANNOT_BE_FOUND = (
    "it cannot be imported by name, and a process with threads cannot fork a new keeper for it. Register it before "
    "the pool starts, or move it to the top of a module"
)


class Bodies:
    """In the order in which they were registered. What a keeper had in memory when it was forked, it knows."""

    def __init__(self) -> None:
        self.all: list[Body] = []  # kept alive here, so that the id of each stays its own
        self._by_id: dict[int, int] | None = None  # id of a body -> its number; not before somebody asks for one

    def register(self, bodies: Iterable[Body]) -> None:
        """Each once, and by id: bodies need not be hashable."""
        new = {id(body): body for body in bodies}
        if self.all:
            numbers = self._numbers()
            new = {at: body for at, body in new.items() if at not in numbers}
            numbers.update(zip(new, range(len(self.all), len(self.all) + len(new)), strict=True))
        self.all += new.values()

    def __contains__(self, body: Body) -> bool:
        return id(body) in self._numbers()

    def reference(self, body: Body, known: int) -> int | str | None:
        """How a worker finds a body, if the keeper knows the first `known` of them; None: it cannot."""
        number = self._numbers().get(id(body))
        return number if number is not None and number < known else importable(body)

    def _numbers(self) -> dict[int, int]:
        if self._by_id is None:
            self._by_id = {id(body): number for number, body in enumerate(self.all)}
        return self._by_id


def importable(body: Body) -> str | None:
    """`module:qualname`, if that is really where a body is found."""
    module, qualname = getattr(body, "__module__", None), getattr(body, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualname, str) or module == "__main__" or "<" in qualname:
        return None
    return f"{module}:{qualname}" if _at(sys.modules.get(module), qualname) is body else None


def imported(place: str) -> Body:
    """The reverse, in a worker. Raises what importing raises, or AttributeError."""
    module, _, qualname = place.partition(":")
    found = _at(import_module(module), qualname)
    if not callable(found):
        raise AttributeError(f"there is no callable at {place} any more")
    body: Body = found
    return body


def _at(found: Any, qualname: str) -> Any:
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found
