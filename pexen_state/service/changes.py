"""Which files have to be written and removed for a service to be as it is wanted, and doing so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pexen_state.service.errors import SystemdError


class Change(NamedTuple):
    path: str
    text: str | None  #: None: it is to be removed


def needed(directory: str, wanted: Mapping[str, str], all_files: Iterable[str]) -> list[Change]:
    """`wanted`: text by the name of a file. Others of `all_files` are not to be there."""
    found = []
    for name in all_files:
        path = os.path.join(directory, name)
        there = _text(path)
        if there != wanted.get(name):
            found.append(Change(path, wanted.get(name)))
    return found


def make(changes: Iterable[Change]) -> None:
    """Raises SystemdError. Each file is whole at any time."""
    for path, text in changes:
        try:
            if text is None:
                os.unlink(path)
            else:
                _write(path, text)
        except OSError as error:
            raise SystemdError(
                f"{path} cannot be {'removed' if text is None else 'written'}: {error.strerror}. The services of the "
                "box are root's; your own are --user."
            ) from error


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    partial = f"{path}.{os.getpid()}.tmp"
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        with open(file, "w", encoding="utf-8") as out:
            out.write(text)
            os.fchmod(out.fileno(), 0o644)  # whatever the umask: a unit holds no secret
        os.replace(partial, path)
    except OSError:
        os.unlink(partial)
        raise
