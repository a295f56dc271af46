"""All files of a tree that say something of the tasks in it, each read once.

A file holds for its directory and all below. Which those are is counted from the root of the suite, so that a task has
the same metadata however its target is typed.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from pexen_state.factory.metadata.comments import said_by
from pexen_state.factory.metadata.document import Document, shown_from_here
from pexen_state.factory.metadata.layers import Layer
from pexen_state.root import marker_in
from pexen_state.util import PexenWarning


class Tree:
    """`root` is absolute. Files of others than us, root and `owners` (user ids) are left alone, with a warning."""

    def __init__(self, root: str, owners: Iterable[int] = ()) -> None:
        self.root = root
        self._owners = tuple(owners)
        self._chains: dict[str, tuple[Document, ...]] = {}

    def documents(self, directory: str) -> tuple[Document, ...]:
        """Those that hold in a directory, the outermost first. Raises MetadataError."""
        found = self._chains.get(directory)
        if found is None:
            above = os.path.dirname(directory)
            is_below = directory != self.root and directory.startswith(os.path.join(self.root, ""))
            outer = self.documents(above) if is_below else ()
            own = self._read(directory) if is_below or directory == self.root else None
            found = self._chains[directory] = outer if own is None else (*outer, own)
        return found

    def _read(self, directory: str) -> Document | None:
        file = marker_in(directory)
        if file is None:
            return None
        if not is_trusted(file, self._owners):
            warnings.warn(
                f"what {shown_from_here(file)} says of tasks is left alone: the file belongs to somebody else",
                PexenWarning,
                stacklevel=2,
            )
            return None
        return Document.read(file)

    def is_ignored(self, path: str) -> bool:
        """Whether a file, or a directory with all that is in it, is left out."""
        return any(matches(path, document, document.ignore) for document in self.documents(os.path.dirname(path)))

    def is_wanted(self, path: str) -> bool:
        """Whether a file may be a task: the deepest `match` says so, if there is any."""
        for document in reversed(self.documents(os.path.dirname(path))):
            if document.match is not None:
                return matches(path, document, document.match)
        return True

    def is_named(self, path: str) -> bool:
        """The same, where nothing is wanted unless a `match` says so."""
        return any(document.match is not None for document in self.documents(os.path.dirname(path))) and (
            self.is_wanted(path)
        )

    def layers(self, path: str) -> list[Layer]:
        """What the files of the tree say of what is at a path; it need not be a file."""
        return [layer for document in self.documents(os.path.dirname(path)) for layer in holding(document, path)]

    def layers_of_script(self, path: str) -> list[Layer]:
        """The same, with what the script says of itself."""
        own = said_by(path)
        return [*self.layers(path), own] if own is not None else self.layers(path)


def holding(document: Document, path: str) -> Iterator[Layer]:
    """What a file says of what is at a path below it."""
    for layer in document.layers:
        if layer.pattern is None or matches(path, document, (layer.pattern,)):
            yield layer


def matches(path: str, document: Document, patterns: Sequence[str]) -> bool:
    """A glob with a slash is one of paths below the file's directory, one without is one of names.

    With a slash at its end it is one of directories alone, and otherwise as if it had none there.
    """
    if not patterns:
        return False
    relative = os.path.relpath(path, document.directory)
    name = os.path.basename(path)
    for pattern in patterns:
        glob = pattern.rstrip("/")
        if fnmatchcase(relative if "/" in glob else name, glob) and (glob == pattern or os.path.isdir(path)):
            return True
    return False


def is_trusted(file: str, also: Iterable[int] = ()) -> bool:
    """Whether the file is ours, or root's. `also` are owners of what is run anyway."""
    try:
        owner = os.stat(file).st_uid
    except OSError:
        return False
    # Who became root by sudo still is who owns the project.
    sudo = os.environ.get("SUDO_UID", "") if os.geteuid() == 0 else ""
    return owner in (os.geteuid(), 0, *also) or str(owner) == sudo
