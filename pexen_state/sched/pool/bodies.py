"""The callables that a pool knows, and how a worker finds them: by number, by the name of their module, as a copy."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterable
from typing import Any

from pexen_state.sched.executable import Executable
from pexen_state.sched.pool.base import Body
from pexen_state.sched.recorded import RecordedCall, imported

CANNOT_BE_FOUND = (
    "it cannot be imported by name, and a process with threads cannot fork a new keeper for it. Register it before "
    "the pool starts, or move it to the top of a module"
)

#: A number among those that the keeper knows, `module:qualname`, or a pickle.
Reference = int | str | bytes


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

    def reference(self, body: Body, known: int) -> Reference | None:
        """How a worker finds a body, if the keeper knows the first `known` of them; None: it cannot."""
        number = self._numbers().get(id(body))
        if number is not None and number < known:
            return number
        return importable(body) or portable(body)

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


def portable(body: Body) -> bytes | None:
    """A pickle of what is nothing but a description: of an executable, or of a call."""
    if not isinstance(body, Executable | RecordedCall):
        return None
    try:
        return pickle.dumps(body, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - arguments for Popen may be anything
        return None


def found(reference: str | bytes) -> Body:
    """The reverse of both, in a worker. Raises what importing raises, or AttributeError."""
    body = imported(reference) if isinstance(reference, str) else pickle.loads(reference)
    return body.found() if isinstance(body, RecordedCall) else body


def _at(found: Any, qualname: str) -> Any:
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found
