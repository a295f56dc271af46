"""What is said of tasks in python beside their decorators: by files of the tree, and by packages and modules.

    __pexen__ = {"timeout": "5m", "uses": ["database"]}

In a package that holds for all below it, in a module for what is in that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import ModuleType

from pexen_state.factory.metadata.document import KEYS, MetadataError, taken
from pexen_state.factory.metadata.layers import Layer, combined, keep_layers
from pexen_state.factory.metadata.tree import Tree, holding
from pexen_state.root import suite_root
from pexen_state.sched.fields import SchedMeta
from pexen_state.sched.meta import Task, assign_meta, find_meta
from pexen_state.util import PexenError

VARIABLE = "__pexen__"
_OWN = "__pexen_own__"


class PythonTree:
    """`root` of the suite, if that is known; files of a module that is nowhere in a tree say nothing."""

    def __init__(self, root: str | os.PathLike[str] | None = None, owners: Iterable[int] = ()) -> None:
        self._root = os.path.abspath(root) if root is not None else None
        self._owners = tuple(owners)
        self._trees: dict[str, Tree] = {}
        self._said: dict[str, Layer | None] = {}

    def tell(self, task: Task, module: ModuleType, name: str) -> bool:
        """Put on a task what is said of it. False if it is to be left out. Raises MetadataError."""
        layers = self.layers(module, name)
        if not layers:
            meta = find_meta(task)
            return meta is None or bool(meta.value("enabled"))
        own = vars(task).get(_OWN) if hasattr(task, "__dict__") else None
        if own is None:
            meta = find_meta(task)
            own = dict(vars(meta)) if meta is not None else {}
        all_of_them = [*layers, Layer(f"{module.__name__}.{name}", None, own)] if own else layers
        said = combined(all_of_them)
        setattr(task, _OWN, own)
        assign_meta(task, SchedMeta(**said))
        keep_layers(task, all_of_them)
        return bool(said.get("enabled", True))

    def wants(self, module: ModuleType, name: str, is_function: bool) -> bool:
        """Whether a callable without metadata is a task: a `match` of its own tree says so."""
        path = _path_of(module, name)
        if path is None or not is_function:
            return False
        top = _directory_of_outermost(module)
        for document in reversed(self._tree(path).documents(os.path.dirname(path))):
            if document.match is not None and os.path.join(document.directory, "").startswith(os.path.join(top, "")):
                return any(fnmatchcase(name, pattern) for pattern in document.match)
        return False

    def is_ignored(self, module: ModuleType, name: str) -> bool:
        path = _path_of(module, name)
        return path is not None and self._tree(path).is_ignored(path)

    def layers(self, module: ModuleType, name: str) -> list[Layer]:
        """What is said of a callable, the outermost first; the deeper of a file and a package comes last."""
        path = _path_of(module, name)
        found: list[Layer] = []
        told: dict[str, Layer] = {}  # by directory
        for package in _packages(module):
            layer = self._of_module(package)
            if layer is not None:
                file = getattr(package, "__file__", None)
                told[os.path.dirname(os.path.abspath(file)) if file else package.__name__] = layer
        own = self._of_module(module) if not hasattr(module, "__path__") else None
        if path is not None:
            for document in self._tree(path).documents(os.path.dirname(path)):
                found += holding(document, path)
                if document.directory in told:
                    found.append(told.pop(document.directory))
        # What stands beside no file goes by depth, too; files above all packages come first.
        found += told.values()
        return [*found, own] if own is not None else found

    def _tree(self, path: str) -> Tree:
        root = self._root if self._root is not None else suite_root(path)
        tree = self._trees.get(root)
        if tree is None:
            tree = self._trees[root] = Tree(root, self._owners)
        return tree

    def _of_module(self, module: ModuleType) -> Layer | None:
        name = module.__name__
        if name not in self._said:
            said = vars(module).get(VARIABLE)
            self._said[name] = None if said is None else _checked(f"{name}.{VARIABLE}", said)
        return self._said[name]


def _checked(origin: str, said: object) -> Layer:
    if not isinstance(said, Mapping):
        raise MetadataError(f'{origin} is to be a dict such as {{"timeout": "5m"}}, not {type(said).__name__}')
    fields = {}
    for key, value in said.items():
        if key == "name":
            raise MetadataError(f"{origin}: a name is that of one task: say it where that is defined")
        try:
            fields[str(key)] = taken(str(key), sorted(value, key=repr) if isinstance(value, set) else value, KEYS)
        except PexenError as error:
            raise MetadataError(f"{origin}: {error}") from None
    return Layer(origin, None, fields)


def _packages(module: ModuleType) -> Iterator[ModuleType]:
    """Those that a module is in, the outermost first; a package is in itself."""
    names = module.__name__.split(".")
    for count in range(1, len(names) + hasattr(module, "__path__")):
        package = module if count == len(names) else sys.modules.get(".".join(names[:count]))
        if package is not None:
            yield package


def _path_of(module: ModuleType, name: str) -> str | None:
    """Where a callable would be, if modules were directories: what globs are matched against."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not os.path.exists(file):
        return None
    stem = os.path.dirname(file) if hasattr(module, "__path__") else os.path.splitext(file)[0]
    return os.path.join(os.path.abspath(stem), name)


def _directory_of_outermost(module: ModuleType) -> str:
    outermost = next(_packages(module), module)
    return os.path.dirname(os.path.abspath(str(getattr(outermost, "__file__", "") or ".")))
