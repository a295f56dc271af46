"""Saved queries: questions that are asked often, each a file `NAME.sql`.

Those that ship with pexen lie in `questions/` beside this file; a person's own lie in `queries/` beside the journal,
and win over a shipped one of the same name. The first comment line says what is answered; a comment line
`-- :name = value` says what a parameter is when nobody gives it. Nothing is asked here (`question`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pexen_state.util import PexenError
from pexen_state.words import did_you_mean

OWN = "queries"  #: the directory beside a journal
SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "questions")

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_DEFAULT = re.compile(r"--\s*:(\w+)\s*=\s*(.*?)\s*", re.ASCII)
_TEXT_BYTES = 1 << 20


class NotSaved(PexenError):
    """There is no saved query of that name, or it cannot be read."""


@dataclass(frozen=True, slots=True)
class Saved:
    name: str
    answers: str  #: the first comment line, for people
    text: str
    defaults: dict[str, str]
    path: str
    is_own: bool


def is_name(word: str) -> bool:
    """Whether a word may be the name of a saved query. No such word is SQL that has rows."""
    return _NAME.fullmatch(word) is not None


def every(journal: str | None) -> list[Saved]:
    """All that can be asked by name, in the order of their names. `journal`: whose own ones, too."""
    found = {name: _read(SHIPPED, name, is_own=False) for name in _names(SHIPPED)}
    if journal is not None:
        own = os.path.join(os.path.dirname(journal), OWN)
        found |= {name: _read(own, name, is_own=True) for name in _names(own)}
    return [found[name] for name in sorted(found)]


def named(name: str, journal: str | None) -> Saved:
    """Raises NotSaved, with what is near."""
    places = [(SHIPPED, False)]
    if journal is not None:
        places.insert(0, (os.path.join(os.path.dirname(journal), OWN), True))
    known: list[str] = []
    for directory, is_own in places:
        names = _names(directory)
        if name in names:
            return _read(directory, name, is_own)
        known += names
    raise NotSaved(
        f"no query is saved as {name!r}.{did_you_mean(name, known)} `pexen sql -l` lists them; a question in SQL "
        "is put in quotes."
    )


def _names(directory: str) -> list[str]:
    try:
        files = os.listdir(directory)
    except OSError:
        return []  # nobody saved any
    return sorted(file.removesuffix(".sql") for file in files if file.endswith(".sql") and is_name(file))


def _read(directory: str, name: str, is_own: bool) -> Saved:
    path = os.path.join(directory, f"{name}.sql")
    try:
        with open(path, "rb") as file:
            raw = file.read(_TEXT_BYTES + 1)
    except OSError as error:
        raise NotSaved(f"the saved query {path} cannot be read: {error.strerror}.") from None
    if len(raw) > _TEXT_BYTES:
        raise NotSaved(f"the saved query {path} is longer than a MiB, so it is none.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise NotSaved(f"the saved query {path} is no UTF-8 text: line {line}. Save it as UTF-8.") from None
    lines = [line.strip() for line in text.split("\n")]
    return Saved(name, _answers(lines), text, _defaults(lines), path, is_own)


def _answers(lines: Iterable[str]) -> str:
    for line in lines:
        if line.startswith("--") and not _DEFAULT.fullmatch(line):
            return line.lstrip("-").strip()
        if line and not line.startswith("--"):
            break
    return ""


def _defaults(lines: Iterable[str]) -> dict[str, str]:
    return {match[1]: match[2] for line in lines if (match := _DEFAULT.fullmatch(line))}
