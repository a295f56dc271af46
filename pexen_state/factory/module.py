"""Makes tasks of the callables of one module that is already imported."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from types import ModuleType

from pexen_state.factory.base import BaseFactory
from pexen_state.factory.metadata.python import PythonTree
from pexen_state.sched.meta import Task, has_meta


class ModuleFactory(BaseFactory):
    """Gives the callables of a module that have metadata, sorted by their names.

    Arguments:
        match    - also those without metadata whose name matches this glob (classes excepted)
        metadata - whether files of the tree and `__pexen__` are looked at (`factory.metadata`)
        root     - of the suite; not given: as `suite_root` finds it
        owners   - user ids of others whose files are believed, too

    A callable with several names in the module is given once. One that takes no attributes (a builtin, a
    bound method) is given as a `functools.partial` of it, because a task has to remember where it was found.
    """

    def __init__(
        self,
        match: str | None = None,
        *,
        metadata: bool = True,
        root: str | os.PathLike[str] | None = None,
        owners: Iterable[int] = (),
    ) -> None:
        super().__init__()
        self.match = match
        self.tree = PythonTree(root, owners) if metadata else None

    def __call__(self, module: ModuleType) -> Iterator[Task]:
        for name, task in sorted(self.tasks_of(module).items()):
            key = self.key_for(module, name)
            try:
                self.callpath_burn(task, name, key=key)
            except (AttributeError, TypeError):
                task = functools.partial(task)
                self.callpath_burn(task, name, key=key)
            if self.tree is None or self.tree.tell(task, module, name):
                yield task

    def key_for(self, module: ModuleType, name: str) -> str | None:
        """What a task is to be known by; None: its callpath."""
        # Without a tree around it, the name alone would not tell the tasks of two modules apart.
        return None if self.callpath else f"{module.__name__}/{name}"

    def is_task(self, name: str, candidate: object) -> bool:
        """Whether something that a module has is to be a task."""
        if not callable(candidate):
            return False
        if has_meta(candidate):
            return True
        return self.match is not None and fnmatchcase(name, self.match) and not isinstance(candidate, type)

    def _is_matched(self, module: ModuleType, name: str, candidate: object) -> bool:
        """Whether a `match` in a file of the tree makes a task of it."""
        is_own = callable(candidate) and getattr(candidate, "__module__", None) == module.__name__
        return is_own and self.tree is not None and self.tree.wants(module, name, not isinstance(candidate, type))

    def tasks_of(self, module: ModuleType) -> dict[str, Task]:
        """The module's tasks by name, each once."""
        name_of: dict[int, str] = {}
        found: dict[str, Task] = {}
        for name, candidate in sorted(vars(module).items()):
            if not self.is_task(name, candidate) and not self._is_matched(module, name, candidate):
                continue
            if self.tree is not None and self.tree.is_ignored(module, name):
                continue
            other = name_of.get(id(candidate))
            if other is None:
                pass
            elif name == getattr(candidate, "__name__", None):
                del found[other]  # known by an alias so far
            else:
                continue
            name_of[id(candidate)] = name
            found[name] = candidate
        return found
