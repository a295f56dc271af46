"""What every factory is: something to call that gives tasks, and that knows where in a tree it stands.

The callpath is that place, a list of names. A factory that hands a part of its tree to another one shares
its callpath with it (`callpath_transfer`), runs it by `yield from`, and may put it a level deeper
(`callpath_push`, `callpath_pop`). `callpath_burn` writes the place on a task, for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pexen_state.sched.identity import CALLPATH, KEY
from pexen_state.sched.meta import Task
from pexen_state.util import PexenError


class FactoryError(PexenError):
    """What a factory was to make tasks of cannot be used."""


def get_callpath(task: object) -> list[str]:
    """Where the factory that made a task found it. Raises AttributeError if none did."""
    found = getattr(task, CALLPATH, None)
    if not isinstance(found, list):
        raise AttributeError(f"{task!r} has no callpath: it was not made by a factory")
    return list(found)


class BaseFactory:
    """To be subclassed: `__init__` takes the settings (and calls this one), `__call__` makes the tasks.

    An instance can be called again and again.
    """

    def __init__(self) -> None:
        self.callpath: list[str] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Iterable[Task]:
        """Make tasks. A plain factory makes none."""
        return ()

    def callpath_transfer(self, subfactory: BaseFactory) -> None:
        """Let another factory go on where this one stands. To be called before it runs."""
        subfactory.callpath = self.callpath

    def callpath_push(self, name: str) -> None:
        """Go one level deeper."""
        self.callpath.append(name)

    def callpath_pop(self) -> None:
        """Come one level up again."""
        self.callpath.pop()

    @contextmanager
    def callpath_level(self, name: str) -> Iterator[None]:
        """One level deeper for as long as the block lasts, however it ends."""
        self.callpath_push(name)
        try:
            yield
        finally:
            self.callpath_pop()

    def callpath_burn(self, task: object, name: str = "", path: Sequence[str] = (), key: str | None = None) -> None:
        """Write on a task that it stands at `path` (the factory's own place, if not given), below it as `name`.

        `key` is what it is to be known by, where that is not its callpath. Raises AttributeError if the task
        takes no attributes.
        """
        place = list(path or self.callpath)
        setattr(task, CALLPATH, [*place, name] if name else place)
        setattr(task, KEY, key)  # also None: an earlier factory may have had another idea
