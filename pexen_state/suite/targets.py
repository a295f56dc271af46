"""What was typed as TARGET, and the tasks of it.

A target is a directory of executables, one executable, a python package or module, or a task list; `fs:`, `py:` and
`cmds:` say which. However a target is typed, its tasks have the same keys: those of files are relative to the root
of the suite, those of python are callpaths below the outermost package.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, NamedTuple

from pexen_state.core.spec import Declared
from pexen_state.factory.base import BaseFactory
from pexen_state.factory.context import Context
from pexen_state.report.text import safe
from pexen_state.root import Root, find_root
from pexen_state.sched.catalogue import is_on_demand
from pexen_state.sched.identity import key_of
from pexen_state.sched.meta import Task, read_meta
from pexen_state.suite.errors import UsageError
from pexen_state.words import did_you_mean

_PREFIXES = ("fs", "py", "cmds")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?")
_LIST_SUFFIXES = (".jobs", ".jsonl")
STDIN = "-"
_PROGRAMS = ("/bin", "/usr/bin", "/sbin", "/usr/sbin")  # whatever PATH says

_PLACES = 5  # in a message
_NAME_CHARS = 120  # of a suite that nobody named


@dataclass(frozen=True, slots=True)
class Target:
    """One of those that were typed. `what` is a path, a dotted name, or `-`."""

    kind: str  #: fs, py or cmds
    what: str
    text: str | None = None  #: of a task list, so that it can be resumed when it is gone

    def as_json(self) -> dict[str, str | None]:
        return {"kind": self.kind, "what": self.what, "text": self.text}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Target:
        return cls(said["kind"], said["what"], said["text"])


@dataclass(frozen=True, slots=True)
class Suite:
    """The tasks of all targets, and what their run is called."""

    name: str
    root: str  #: absolute
    targets: tuple[Target, ...]
    tasks: tuple[Task, ...]
    catalogue: tuple[Task, ...] = ()  #: those that run only if they are required

    @property
    def is_a_list(self) -> bool:
        """Nothing but task lists: other defaults hold for these."""
        return all(target.kind == "cmds" for target in self.targets)


# -- what was typed


def parse(typed: Sequence[str]) -> tuple[Target, ...]:
    """Raises UsageError, which says what would have been right."""
    targets = tuple(dict.fromkeys(map(_parse, typed)))
    if sum(target.what == STDIN for target in targets) > 1:
        raise UsageError("standard input can be only one of the targets")
    return targets


def _parse(typed: str) -> Target:
    prefix, colon, rest = typed.partition(":")
    if colon and prefix in _PREFIXES:
        if not rest:
            raise UsageError(f"{typed} says what kind of target it is, but not which one")
        if prefix == "fs":
            _refuse_the_machine(rest, is_forced=True)
        return Target(prefix, rest)
    if typed == STDIN:
        return Target("cmds", STDIN)
    if os.path.isdir(typed):
        _refuse_the_machine(typed)
        return Target("py" if os.path.isfile(os.path.join(typed, "__init__.py")) else "fs", typed)
    if os.path.exists(typed):
        return Target(_kind_of_file(typed), typed)
    if _DOTTED.fullmatch(typed) and not typed.endswith(_LIST_SUFFIXES) and _is_module(typed):
        return Target("py", typed)
    raise UsageError(_not_there(typed))


def _refuse_the_machine(directory: str, is_forced: bool = False) -> None:
    """Nobody means to run every program that there is. Raises UsageError."""
    if not os.path.isdir(directory):
        return
    if os.path.samefile(directory, os.sep):
        raise UsageError(
            f"{safe(directory)} is the root of the file system: every executable of this machine would be run. Name "
            "the directory of a suite."
        )
    path = os.environ.get("PATH", "").split(os.pathsep)
    programs = {os.path.realpath(one) for one in (*_PROGRAMS, *path) if os.path.isabs(one)}
    if not is_forced and os.path.realpath(directory) in programs:
        raise UsageError(
            f"{safe(directory)} is where programs of this machine are, and each of them would be run. If that is "
            f"meant, type fs:{safe(directory)}"
        )


def _is_module(dotted: str) -> bool:
    """Whether there is a module of the first name. Nothing is imported for that."""
    import importlib.util

    _look_here()
    try:
        return importlib.util.find_spec(re.split("[.:]", dotted)[0]) is not None
    except (ImportError, ValueError):
        return False


def _look_here() -> None:
    """As `python -m` has it: what lies where the command is typed can be imported."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)


def _kind_of_file(path: str) -> str:
    if path.endswith(_LIST_SUFFIXES):
        return "cmds"
    may_run = os.path.isfile(path) and os.access(path, os.X_OK)
    if path.endswith(".py") and not (may_run and _is_script(path)):
        return "py"
    if may_run:
        return "fs"
    raise UsageError(
        f"{safe(path)} is neither a directory nor an executable, nor python. If it is to be run, make it executable "
        f"(chmod +x); if it is a list of commands, type cmds:{safe(path)}"
    )


def _is_script(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _not_there(typed: str) -> str:
    directory, name = os.path.split(typed.rstrip("/"))
    try:
        beside = [entry.name for entry in os.scandir(directory or ".") if not entry.name.startswith(".")]
    except OSError:
        beside = []
    hint = did_you_mean(name, beside)
    also = " and no python module of that name" if _DOTTED.fullmatch(typed) else ""
    return f"there is no file or directory {safe(typed)}{also}.{safe(hint)}"


# -- their tasks


class Commands(NamedTuple):
    """How executables and commands are run, where it is not as ever."""

    exit_codes: str | None = None  #: name of a table of exit statuses; None: automake for trees, plain for lists
    shell: str | None = None  #: of task lists, an absolute path; None: /bin/sh
    params: Mapping[str, Any] | None = None  #: for factories that ask for their `context`


def load(
    targets: Sequence[Target],
    name: str | None = None,
    commands: Commands = Commands(),  # noqa: B008  # a value
    catalogue: Iterable[str] = (),
) -> Suite:
    """Make the tasks. `catalogue` are targets whose tasks are all there on demand. Imports python targets.

    Raises FactoryError and UsageError.
    """
    read = tuple(map(_with_text, targets))
    root = common_root(read)
    aside: dict[str, Task] = {}
    for target in parse_catalogue(catalogue):
        for task in _tasks_of(target, root_of(target).directory, commands):
            _join(aside, key_of(task), task)
    files = {path for task in aside.values() if (path := getattr(task, "executable", None)) is not None}
    tasks: dict[str, Task] = {}
    for target in read:
        for task in _tasks_of(target, root, commands):
            if files.isdisjoint([getattr(task, "executable", None)]):  # a catalogue may be a part of the tree
                _join(tasks, key_of(task), task)
    for key in [key for key, task in tasks.items() if is_on_demand(task)]:
        _join(aside, key, tasks.pop(key))
    if not tasks and not catalogue:
        tasks, aside = aside, tasks  # who names nothing else means them
    for key, task in aside.items():
        if key in tasks:
            _join(tasks, key, task)  # it cannot
    return Suite(name or suite_name(read, root), root, read, tuple(tasks.values()), tuple(aside.values()))


def parse_catalogue(typed: Iterable[str]) -> tuple[Target, ...]:
    """Raises UsageError, which says what would have been right."""
    words = list(typed)
    if STDIN in words:
        raise UsageError("--catalogue: it is read again when the run is resumed, so it cannot be standard input")
    try:
        return tuple(map(_with_text, parse(words)))
    except UsageError as error:
        raise UsageError(f"--catalogue: {error}") from None


def _join(tasks: dict[str, Task], key: str, task: Task) -> None:
    known = tasks.setdefault(key, task)
    if known is not task and not _are_one(known, task):
        raise UsageError(
            f"two tasks have the key {safe(key)}, so a journal could not tell them apart. Give one of them another "
            "name, or run their targets one after the other."
        )


def _are_one(one: Task, other: Task) -> bool:
    """The same file, found by two targets that overlap."""
    path = getattr(one, "executable", None)
    return path is not None and path == getattr(other, "executable", None)


def _with_text(target: Target) -> Target:
    """A task list with its text: as it is now, else, if it is gone, as it was."""
    if target.kind != "cmds":
        return target
    if target.what == STDIN:
        if target.text is not None:
            return target
        if sys.stdin is None or sys.stdin.closed:
            raise UsageError("there is no standard input to read a task list from")
        content = sys.stdin.buffer.read()
    else:
        try:
            with open(target.what, "rb") as file:
                content = file.read()
        except OSError as error:
            if target.text is not None:
                return target
            raise UsageError(f"cannot read the task list {safe(target.what)}: {error.strerror}") from error
    return replace(target, text=content.decode("utf-8", "surrogateescape"))


def _tasks_of(target: Target, root: str, commands: Commands) -> Iterable[Task]:
    match target.kind:
        case "fs":
            from pexen_state.factory.filesystem import FilesystemFactory

            statuses = commands.exit_codes or "automake"
            owners = owners_of([target])
            factory = FilesystemFactory(
                root=root, statuses=statuses, declared=Declared.EXECUTABLE, packages=True, owners=owners
            )
            return factory(target.what)
        case "cmds":
            from pexen_state.factory.tasklist import TaskListFactory

            assert target.text is not None
            made = TaskListFactory(shell=commands.shell, statuses=commands.exit_codes or "plain")
            return made.from_text(target.text, "standard input" if target.what == STDIN else target.what)
        case _:
            return _python_tasks(target.what, Context(commands.params or {}))


def _python_tasks(what: str, context: Context) -> Iterable[Task]:
    from pexen_state.factory.importing import import_named, import_path

    _look_here()
    if os.path.exists(what):
        return _module_tasks(import_path(what))
    dotted, _, factory = what.partition(":")
    if not _DOTTED.fullmatch(what):
        raise UsageError(f"{safe(what)} is neither a path nor the dotted name of a python module")
    module = import_named(dotted)
    return _factory_tasks(module, factory, context) if factory else _module_tasks(module)


def _module_tasks(module: ModuleType) -> Iterable[Task]:
    from pexen_state.factory.modtree import ModTreeFactory
    from pexen_state.factory.module import ModuleFactory

    factory = ModTreeFactory() if hasattr(module, "__path__") else ModuleFactory()
    for name in module.__name__.split(".")[1:]:
        factory.callpath_push(name)
    return factory(module)


def _wants_context(factory: Callable[..., Any]) -> bool:
    import inspect

    try:
        return "context" in inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return False


def _factory_tasks(module: ModuleType, name: str, context: Context) -> Iterable[Task]:
    factory = getattr(module, name, None)
    if factory is None:
        raise UsageError(f"{module.__name__} has no {name}.{did_you_mean(name, vars(module))}")
    if isinstance(factory, type) and issubclass(factory, BaseFactory):
        factory = factory()
    if not callable(factory):
        raise UsageError(f"{module.__name__}:{name} is no factory: it cannot be called")
    tasks = factory(context=context) if _wants_context(factory) else factory()
    if not isinstance(tasks, Iterable):
        raise UsageError(f"{module.__name__}:{name} is no factory: it gives {type(tasks).__name__}, not tasks")
    return tasks


# -- what the suite is called


def common_root(targets: Sequence[Target]) -> str:
    roots = {root_of(target).directory for target in targets}
    return os.path.commonpath(roots) if roots else os.getcwd()


def root_of(target: Target) -> Root:
    """Of what is nowhere in a tree (standard input, an installed module): of the directory that one is in."""
    if target.what == STDIN or (target.kind == "py" and not os.path.exists(target.what)):
        here = find_root(os.getcwd())
        return here if here.file is not None else Root(os.getcwd(), None)
    path = os.path.abspath(target.what)
    if target.kind == "py":
        while os.path.isfile(os.path.join(os.path.dirname(path), "__init__.py")):
            path = os.path.dirname(path)
    return find_root(path)


@contextmanager
def told_where(tasks: Sequence[Task]) -> Iterator[None]:
    """Errors about what tasks say of each other name the lines of the task lists that say it."""
    from pexen_state.sched.common import DepcheckError, MutexError

    try:
        yield
    except (DepcheckError, MutexError) as error:
        if isinstance(error, MutexError):
            wrong = [error.task]
        else:
            wrong = [task for task in tasks if _requires_any(task, error.remain)]
        places = [str(origin) for task in wrong[:_PLACES] if (origin := getattr(task, "origin", None)) is not None]
        if places:
            error.args = ("\n".join([str(error), *(f"  See {place}." for place in places)]),)
        raise


def _requires_any(task: Task, names: Sequence[Any]) -> bool:
    meta = read_meta(task)
    return any(name in meta.requires or name in meta.requires_all or name in meta.after for name in names)


def owners_of(targets: Sequence[Target]) -> set[int]:
    """User ids of those whose code the targets are."""
    owners = set()
    for target in targets:
        if target.what != STDIN:
            with contextlib.suppress(OSError, ValueError):
                owners.add(os.stat(target.what).st_uid)
    return owners


def directories_of(suite: Suite) -> set[str]:
    """Where its files lie, as absolute paths."""
    found = {str(cwd) for task in suite.tasks if (cwd := getattr(task, "cwd", None)) is not None}
    for target in suite.targets:
        if target.kind != "fs" and os.path.exists(target.what):
            path = os.path.abspath(target.what)
            found.add(path if os.path.isdir(path) else os.path.dirname(path))
    return found


def suite_name(targets: Sequence[Target], root: str) -> str:
    """The root directory's name plus the targets' paths below it; of a list its file's name, of python its module's."""
    base = os.path.basename(root) or "/"
    paths, others = [], []
    for target in targets:
        if target.what == STDIN:
            others.append("stdin")
        elif target.kind == "cmds":
            others.append(os.path.basename(target.what))
        elif target.kind == "py" and not os.path.exists(target.what):
            others.append(target.what)
        elif target.kind == "py":
            others.append(_dotted_name(target.what))
        else:
            paths.append(os.path.relpath(os.path.abspath(target.what), root))
    if paths:
        below = ",".join(path for path in paths if path != ".")
        others.insert(0, os.path.join(base, below) if below else base)
    return _not_too_long("+".join(others), len(targets))


def _dotted_name(path: str) -> str:
    """What a module at that path is called."""
    full = os.path.abspath(path).removesuffix(".py")
    above, last = os.path.split(full)
    names = [last]
    while os.path.isfile(os.path.join(above, "__init__.py")):
        above, last = os.path.split(above)
        names.insert(0, last)
    return ".".join(names).removesuffix(".__init__")


def _not_too_long(name: str, targets: int) -> str:
    """Hundreds of files typed by a shell make one name all the same, and always the same one."""
    if len(name) <= _NAME_CHARS:
        return name
    import hashlib

    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    return f"{name[:_NAME_CHARS]}... ({targets} targets, {digest})"
