"""Makes tasks of the executable files of a directory tree, and of those that it says by what to run."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pexen_state.core.spec import Declared
from pexen_state.factory.base import BaseFactory, FactoryError
from pexen_state.factory.importing import import_path
from pexen_state.factory.metadata.layers import combined, keep_layers
from pexen_state.factory.metadata.tree import Tree
from pexen_state.factory.modtree import ModTreeFactory
from pexen_state.root import suite_root
from pexen_state.sched.executable import Executable, StatusTable
from pexen_state.sched.meta import Task, assign_val
from pexen_state.util import PexenWarning

Place = tuple[int, int]  # device and inode

_MARK = re.compile(r"\{\.?\}")


class FilesystemFactory(BaseFactory):
    """Walks a directory and gives a task for each executable file in it and below.

    A task runs its file in the directory of the file, and returns a `subprocess.CompletedProcess`; it raises
    `subprocess.CalledProcessError` if the file's exit status is not zero. Extra arguments go to
    `subprocess.Popen`: `stdout=subprocess.PIPE` captures output, for one.

    Arguments:
        follow   - go into symbolic links to directories, too
        root     - the directory that keys are relative to (`suite_root` of what is walked, if not given)
        statuses - which exit status means what (`sched.executable`)
        declared - whether a failure keeps the promises of a plain callable or of an executable (`core.spec`)
        packages - a python package in the tree gives its own tasks, instead of its executable files
        metadata - whether `pexen.toml` and comments of scripts are looked at (`factory.metadata`)
        owners   - user ids of others whose files are believed, too

    A file that is not executable is a task where `match` names it and `cmd` says by what it is run.

    Files come before directories, both sorted by name. Hidden ones are left out. No directory is walked
    twice, so loops of symbolic links end; one that is reached both directly and by a link is known by its
    own name. A link to an executable file is a task of its own.
    """

    def __init__(
        self,
        follow: bool = False,
        *,
        root: str | os.PathLike[str] | None = None,
        statuses: StatusTable = "plain",
        declared: Declared = Declared.CALLABLE,
        packages: bool = False,
        metadata: bool = True,
        owners: Iterable[int] = (),
        **popen: Any,
    ) -> None:
        super().__init__()
        self.follow = follow
        self.root = root
        self.statuses = statuses
        self.declared = declared
        self.packages = packages
        self.metadata = metadata
        self.owners = tuple(owners)
        self.popen = popen

    def __call__(self, start: str | os.PathLike[str]) -> Iterator[Task]:
        """Walk a directory; or take one file, which has to be such that it can be run. Raises FactoryError."""
        top = os.fspath(start)
        root = os.path.abspath(self.root) if self.root is not None else suite_root(top)
        # As it was typed, or, within another factory, where that one stands.
        place = list(self.callpath) or [name for name in os.path.normpath(top).split(os.sep) if name not in ("", ".")]
        tree = Tree(root, self.owners) if self.metadata else None
        if os.path.isdir(top):
            for names in self._walk(top, tree):
                path = os.path.join(top, *names)
                if os.path.isdir(path):
                    yield from self._package(path, [*place, *names], root)
                elif (task := self._task(path, [*place, *names], root, tree)) is not None:
                    yield task
        elif not os.path.exists(top):
            raise FactoryError(f"cannot walk {top}: there is no such file or directory")
        elif not _can_be_run(top, tree):
            raise FactoryError(f"{top} cannot be run: it is no executable file; try: chmod +x {top}")
        elif (task := self._task(top, place, root, tree)) is not None:
            yield task

    def _package(self, path: str, place: list[str], root: str) -> Iterator[Task]:
        """The tasks of a python package: their callpaths, and so their keys, go on below its directory."""
        package = import_path(path)
        factory = ModTreeFactory(root=root, owners=self.owners, metadata=self.metadata)
        factory.callpath = os.path.relpath(os.path.abspath(path), root).split(os.sep) if root else list(place)
        yield from factory(package)

    def _task(self, path: str, place: list[str], root: str, tree: Tree | None) -> Executable | None:
        """None: it says that it is not to be run."""
        full = os.path.abspath(path)
        directory, name = os.path.split(full)
        layers = tree.layers_of_script(full) if tree is not None else []
        said = combined(layers)
        if not said.pop("enabled", True):
            return None
        command = said.pop("cmd", None)
        task = Executable(
            [name] if command is None else _filled_in(command, name),
            cwd=directory,
            executable=full if command is None else None,
            popen=self.popen,
            statuses=said.get("exit_codes") or self.statuses,
            declared=self.declared,
        )
        if said:
            assign_val(task, **said)
        if layers:
            keep_layers(task, layers)
        self.callpath_burn(task, path=place, key=os.path.relpath(full, root))
        return task

    def _walk(self, top: str, tree: Tree | None) -> Iterator[list[str]]:
        """The names, from `top` downwards, of every file that is run; and of every package, if they are wanted."""
        full = os.path.abspath(top)
        # Directories are found by their own names first, so that a link that sorts before one of them does
        # not take its place.
        seen = set(map(_place_of, _directories(top))) if self.follow else set()
        pending: list[tuple[list[str], bool | None]] = [([], False)]  # None: it is a package
        while pending:
            here, through_link = pending.pop()
            if through_link is None:
                yield here
                continue
            deeper: list[tuple[list[str], bool | None]] = []
            for entry in _listed(os.path.join(top, *here), must_be_there=not here):
                names = [*here, entry.name]
                path = os.path.join(full, *names)
                if tree is not None and tree.is_ignored(path):
                    continue
                if not _is_directory(entry):
                    if (tree is None or tree.is_wanted(path)) and _can_be_run(path, tree):
                        yield names
                elif self.packages and os.path.isfile(os.path.join(entry.path, "__init__.py")):
                    deeper.append((names, None))
                elif not entry.is_symlink() and not through_link:
                    deeper.append((names, False))
                elif self.follow and (place := _place_of(entry.path)) not in seen:
                    seen.add(place)
                    deeper.append((names, True))
            pending.extend(reversed(deeper))


def _directories(top: str) -> Iterator[str]:
    """Every directory that is reached without a link."""
    pending = [top]
    while pending:
        path = pending.pop()
        yield path
        below = _listed(path, must_be_there=path == top)
        pending.extend(entry.path for entry in below if entry.is_dir(follow_symlinks=False))


def _listed(directory: str, must_be_there: bool) -> list[os.DirEntry[str]]:
    """What is in a directory, sorted, without what is hidden.

    One that cannot be read is an error: tests that are there and are not run must not look like a success.
    One that went away meanwhile is a warning.
    """
    try:
        with os.scandir(directory) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except FileNotFoundError as error:
        if must_be_there:
            raise FactoryError(f"cannot walk {directory}: {error.strerror}") from error
        warnings.warn(f"{directory} went away while it was walked; it gives no tasks", PexenWarning, stacklevel=2)
        return []
    except OSError as error:
        raise FactoryError(
            f"cannot walk {directory}: {error.strerror}; make it readable, or hide it by a dot before its name"
        ) from error


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads in a circle


def _can_be_run(path: str, tree: Tree | None) -> bool:
    """By itself; or by a command, which holds for those files that a `match` names, lest it be given every README."""
    if _is_executable_file(path):
        return True
    full = os.path.abspath(path)
    return tree is not None and tree.is_named(full) and os.path.isfile(path) and "cmd" in combined(tree.layers(full))


def _filled_in(command: Sequence[str], name: str) -> list[str]:
    """The words with the file's name for `{}`, and with that without its last extension for `{.}`.

    Where there is neither, the name is a word at the end. It never looks like an option.
    """
    file = os.path.join(os.curdir, name)
    marks = {"{}": file, "{.}": os.path.splitext(name)[0]}
    words = [_MARK.sub(lambda found: marks[found[0]], word) for word in command]
    return words if words != list(command) else [*words, file]


def _is_executable_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.X_OK)
    except OSError:
        return False  # a link that leads nowhere, or a file that went away meanwhile


def _place_of(directory: str) -> Place | None:
    try:
        status = os.stat(directory)
    except OSError:
        return None
    return status.st_dev, status.st_ino
