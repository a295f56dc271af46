"""Where the tree of a suite begins: the directory that keys of its files are relative to."""

from __future__ import annotations

import os
import tomllib

MARKER = "pexen.toml"


def suite_root(target: str | os.PathLike[str]) -> str:
    """The directory of the outermost `pexen.toml` or `pyproject.toml` with a `[tool.pexen]`, above or at the target.

    Without one, the directory that the target is in. However a target is typed, the tasks in it have the same
    keys then. Absolute; symbolic links in it are not followed, so that names stay those that people use.
    """
    full = os.path.abspath(target)
    above = os.path.dirname(full)
    root = above
    at = full if os.path.isdir(full) else above
    while True:
        if _is_marked(at):
            root = at
        parent = os.path.dirname(at)
        if parent == at:
            return root
        at = parent


def _is_marked(directory: str) -> bool:
    if os.path.isfile(os.path.join(directory, MARKER)):
        return True
    try:
        with open(os.path.join(directory, "pyproject.toml"), "rb") as file:
            tool = tomllib.load(file).get("tool")
    except (OSError, ValueError):
        # None there, or one that belongs to somebody else and is not ours to complain about.
        return False
    return isinstance(tool, dict) and "pexen" in tool
