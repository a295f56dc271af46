"""Makes tasks of a python package, its modules, its subpackages and theirs."""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from types import ModuleType

from pexen_state.factory.base import BaseFactory
from pexen_state.factory.importing import import_below
from pexen_state.factory.module import ModuleFactory
from pexen_state.sched.meta import Task

Place = tuple[int, int]  # device and inode


class ModTreeFactory(BaseFactory):
    """Imports every module of a package and gives the tasks that `ModuleFactory` finds in each.

    Arguments:
        match, metadata, root, owners - as for `ModuleFactory`

    First come a package's own tasks, then its modules, sorted by name. `__main__` modules are left out:
    importing one runs a program. A task that one module imports from another of the tree is given once,
    where it is defined. A package that is reached again through a symbolic link is not walked again.
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
        self.metadata = metadata
        self.root = root
        self.owners = tuple(owners)

    def __call__(self, package: ModuleType) -> Iterator[Task]:
        modules: list[tuple[list[str], ModuleType]] = []
        self._import_all(package, [], set(), modules)
        # All are imported before the first is looked at: a module may put tasks into another one.
        in_tree = _ModuleInTree(self, {module.__name__: module for _, module in modules})
        self.callpath_transfer(in_tree)
        for path, module in modules:
            with ExitStack() as levels:
                for name in path:
                    levels.enter_context(self.callpath_level(name))
                yield from in_tree(module)

    def _import_all(
        self, module: ModuleType, path: list[str], seen: set[Place], into: list[tuple[list[str], ModuleType]]
    ) -> None:
        into.append((path, module))
        directories = list(getattr(module, "__path__", ()))
        seen.update(filter(None, map(_place_of, directories)))
        names = {
            found.name
            for found in pkgutil.iter_modules(directories)
            if found.name != "__main__"
            and not (found.ispkg and _place_of(os.path.join(_directory(found), found.name)) in seen)
        }
        for name in sorted(names):
            self._import_all(import_below(module, name), [*path, name], seen, into)


class _ModuleInTree(ModuleFactory):
    """One module of a tree. A task that it has from another module of the tree belongs to that one."""

    def __init__(self, tree: ModTreeFactory, modules: dict[str, ModuleType]) -> None:
        super().__init__(tree.match, metadata=tree.metadata, root=tree.root, owners=tree.owners)
        self._modules = modules
        self._given: set[int] = set()  # ids; what they are of is held by the modules

    def __call__(self, module: ModuleType) -> Iterator[Task]:
        self._here = module
        yield from super().__call__(module)

    def tasks_of(self, module: ModuleType) -> dict[str, Task]:
        tasks = {name: task for name, task in super().tasks_of(module).items() if id(task) not in self._given}
        self._given.update(map(id, tasks.values()))
        return tasks

    def is_task(self, name: str, candidate: object) -> bool:
        home = self._modules.get(getattr(candidate, "__module__", None) or "")
        if home is not None and home is not self._here and any(value is candidate for value in vars(home).values()):
            return False
        return super().is_task(name, candidate)

    def key_for(self, module: ModuleType, name: str) -> str | None:
        return None


def _place_of(directory: str) -> Place | None:
    try:
        status = os.stat(directory)
    except OSError:
        return None  # inside of an archive, for one; there are no links in there
    return status.st_dev, status.st_ino


def _directory(found: pkgutil.ModuleInfo) -> str:
    return getattr(found.module_finder, "path", "")
