"""Tasks as a tree: directories or packages are branches, each with how many tasks are below it.

Branches that hold nothing but one branch are drawn as one. Nothing here is recursive: a name may have any depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pexen_state.report.text import safe

_PART = re.compile("/*[^/]+")


class Leaf(NamedTuple):
    """One task. `path` is its key in parts; `said` comes before its name, `notes` after it; both are safe already."""

    path: Sequence[str]
    said: str = ""
    notes: str = ""


class _Branch:
    __slots__ = ("branches", "leaves", "tasks")

    def __init__(self) -> None:
        self.branches: dict[str, _Branch] = {}
        self.leaves: list[Leaf] = []
        self.tasks = 0


def parts_of(key: str) -> list[str]:
    """`net/dhcp/renew` in its three parts. Slashes that part nothing stay where they are."""
    parts = _PART.findall(key)
    if not parts:
        return [key]
    slashes = key[len(key.rstrip("/")) :]
    return (
        [parts[0], *(part[1:] for part in parts[1:-1]), parts[-1][1:] + slashes] if parts[1:] else [parts[0] + slashes]
    )


def tree_lines(leaves: Iterable[Leaf]) -> Iterator[str]:
    """In the order in which branches and tasks first came; of a branch its own tasks come first."""
    root = _Branch()
    for leaf in leaves:
        branch = root
        branch.tasks += 1
        for part in leaf.path[:-1]:
            branch = branch.branches.setdefault(part, _Branch())
            branch.tasks += 1
        branch.leaves.append(leaf)
    waiting: list[tuple[int, str, _Branch]] = [(0, "", root)]
    while waiting:
        depth, name, branch = waiting.pop()
        if name:
            while not branch.leaves and len(branch.branches) == 1:
                ((below, branch),) = branch.branches.items()
                name = f"{name}/{below}"
            yield f"{'  ' * min(depth - 1, 40)}{safe(name)}/ ({branch.tasks})"
        for leaf in branch.leaves:
            notes = f"  {leaf.notes}" if leaf.notes else ""
            said = f"{leaf.said} " if leaf.said else ""
            yield f"{'  ' * min(depth, 40)}{said}{safe(leaf.path[-1])}{notes}"
        waiting += [(depth + 1, name, below) for name, below in reversed(branch.branches.items())]
