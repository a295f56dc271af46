"""Where the tree of a suite begins: the directory that keys of its files are relative to.

Which file marks it is said, too; what is in that file is read elsewhere. Apart from the factories, because verbs that
only look have to find the root quickly.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

MARKER = "pexen.toml"
PYPROJECT = "pyproject.toml"

#: A table of ours in a file that is no TOML.
_OURS = re.compile(rb"^[ \t]*\[+[ \t]*tool[ \t]*\.[ \t]*pexen[ \t]*[.\]]", re.MULTILINE)


class Root(NamedTuple):
    """`directory` is absolute; `file` is what marks it, None if nothing does."""

    directory: str
    file: str | None


def suite_root(target: str | os.PathLike[str]) -> str:
    """The directory of the outermost `pexen.toml` or `pyproject.toml` with a `[tool.pexen]`, above or at the target.

    Without one, the directory that the target is in. However a target is typed, the tasks in it have the same
    keys then. Absolute; symbolic links in it are not followed, so that names stay those that people use.
    """
    return find_root(target).directory


def find_root(target: str | os.PathLike[str]) -> Root:
    """The same, with the file that says so."""
    full = os.path.abspath(target)
    above = os.path.dirname(full)
    root = Root(above, None)
    at = full if os.path.isdir(full) else above
    while True:
        if (file := marker_in(at)) is not None:
            root = Root(at, file)
        parent = os.path.dirname(at)
        if parent == at:
            return root
        at = parent


def marker_in(directory: str) -> str | None:
    """The file in that directory that makes it the root of a suite, if there is one."""
    marker = os.path.join(directory, MARKER)
    if os.path.isfile(marker):
        return marker
    project = os.path.join(directory, PYPROJECT)
    return project if is_ours(project) else None


def is_ours(project: str) -> bool:
    """Whether a pyproject.toml has a table of ours."""
    try:
        with open(project, "rb") as file:
            content = file.read()
    except OSError:
        return False
    import tomllib  # few directories have such a file

    try:
        tool = tomllib.loads(content.decode("utf-8")).get("tool")
    except (ValueError, RecursionError):
        # Who wrote our table into it is told what is wrong; else it belongs to somebody else, and is not ours to
        # complain about.
        return _OURS.search(content) is not None
    return isinstance(tool, dict) and "pexen" in tool
