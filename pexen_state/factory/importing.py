"""Imports modules that people wrote, and says in a person's words what is wrong with those that cannot be.

Modules are imported under their real dotted names, so that what they define can be found again by name.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import sysconfig
import traceback
from types import ModuleType

from pexen_state.factory.base import FactoryError
from pexen_state.words import did_you_mean

_MACHINERY = ("<frozen importlib", importlib.__file__, os.path.dirname(os.path.dirname(__file__)) + os.sep)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def import_named(name: str) -> ModuleType:
    """Import a module by its dotted name. Raises FactoryError, which names the module, the file and the line."""
    try:
        return importlib.import_module(name)
    # SystemExit too: a script that ends the interpreter when it is imported must not end the run.
    except (Exception, SystemExit) as error:  # whatever a module does when it is imported
        raise FactoryError(f"cannot import {name}: {_what_and_where(name, error)}") from error


def import_path(path: str | os.PathLike[str]) -> ModuleType:
    """Import a package's directory or a `.py` file under its real dotted name.

    The directory above the outermost package is put first in `sys.path`, where it stays: what the modules
    import of each other, now and later, is found through it. Raises FactoryError.
    """
    full = os.path.abspath(path)
    if os.path.isdir(full):
        if not os.path.isfile(os.path.join(full, "__init__.py")):
            raise FactoryError(f"{os.fspath(path)} is no python package: it has no __init__.py")
    elif not os.path.isfile(full):
        raise FactoryError(f"cannot import {os.fspath(path)}: there is no such file")
    elif not full.endswith(".py"):
        raise FactoryError(f"{os.fspath(path)} is no python module: its name does not end in .py")
    above, last = os.path.split(full.removesuffix(".py"))
    names = [] if last == "__init__" else [last]
    while os.path.isfile(os.path.join(above, "__init__.py")):
        above, last = os.path.split(above)
        names.insert(0, last)
    for name in names:
        if not name.isidentifier():
            raise FactoryError(f"cannot import {os.fspath(path)}: {name!r} is no name for a python module")
    if above not in sys.path:
        sys.path.insert(0, above)
        importlib.invalidate_caches()
    module = import_named(".".join(names))
    _refuse_another(module, full)
    return module


def import_below(parent: ModuleType, name: str) -> ModuleType:
    """Import a module of a package, under the package's name, be that one in `sys.modules` or not.

    Raises FactoryError.
    """
    dotted = f"{parent.__name__}.{name}"
    # A package that was loaded by hand is made known, or its modules could not be found by their names.
    if sys.modules.setdefault(parent.__name__, parent) is parent:
        return import_named(dotted)
    return _import_aside(parent, dotted)


def _import_aside(parent: ModuleType, dotted: str) -> ModuleType:
    """Import next to a module that has the same name already; nobody will find it by its name."""
    try:
        spec = importlib.machinery.PathFinder.find_spec(dotted, parent.__path__)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"No module named {dotted!r}", name=dotted)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # as above
        raise FactoryError(f"cannot import {dotted}: {_what_and_where(dotted, error)}") from error
    return module


def _refuse_another(module: ModuleType, path: str) -> None:
    """A module of the same name that was found elsewhere is not what was asked for."""
    found = getattr(module, "__file__", None)
    wanted = os.path.join(path, "__init__.py") if os.path.isdir(path) else path
    if found is None or not os.path.exists(found) or not os.path.samefile(found, wanted):
        where = found or "a package without a file"
        raise FactoryError(
            f"cannot import {path}: the name {module.__name__} is taken by {where}; rename one of the two"
        )


def _what_and_where(name: str, error: BaseException) -> str:
    what = f"{type(error).__name__}: {error}".removesuffix(": ")
    if isinstance(error, ModuleNotFoundError) and error.name and (f"{name}.").startswith(f"{error.name}."):
        parent, _, last = error.name.rpartition(".")
        siblings = _modules_in(sys.modules.get(parent)) if parent else []
        return f"there is no module {error.name}.{did_you_mean(last, siblings)}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith(_MACHINERY)]
    # Rather where the person's own code was than the library that it called.
    own = [one for one in frames if not one.filename.startswith(_LIBRARIES)] or frames
    return f"{own[-1].filename}, line {own[-1].lineno}: {what}" if own else what


def _modules_in(package: ModuleType | None) -> list[str]:
    import pkgutil

    return [found.name for found in pkgutil.iter_modules(getattr(package, "__path__", []))]
