"""What a unit file of systemd says, as far as a doctor needs it: which programs it starts, with which journal.

Pure: lines in, values out. Whatever makes no sense is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

#: Files of services that run pexen: templates and instances.
NAME = re.compile(r"pexen[^/]*@[^/]*\.service")

_COMMANDS = ("ExecCondition", "ExecStartPre", "ExecStart")
_PREFIXES = "@-:+!|"
_ESCAPES = {"n": "\n", "t": "\t", "s": " ", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class Said(NamedTuple):
    programs: tuple[str, ...]  #: without those whose name systemd itself has to complete (`%h`)
    journals: tuple[str, ...]


def said_in(text: str) -> Said:
    programs: dict[str, None] = {}
    journals: dict[str, None] = {}
    for key, value in _settings(text):
        words = [_complete(word) for word in words_of(value.lstrip(_PREFIXES))] if key in _COMMANDS else []
        if words and words[0]:
            programs[words[0]] = None
        for before, word in pairwise(words):
            if before == "--journal" and word:
                journals[word] = None
    return Said(tuple(programs), tuple(journals))


def words_of(command: str) -> list[str]:
    """As systemd splits a command: quotes, and escapes with a backslash."""
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    at = 0
    while at < len(command):
        char = command[at]
        at += 1
        if char == "\\" and at < len(command):
            letter, at = _escaped(command, at)
            word = [*(word or ()), letter]
        elif quote:
            if char == quote:
                quote = ""
            else:
                assert word is not None
                word.append(char)
        elif char in "'\"":
            quote, word = char, word or []
        elif char in " \t":
            if word is not None:
                words.append("".join(word))
            word = None
        else:
            word = word or []
            word.append(char)
    if word is not None:
        words.append("".join(word))
    return words


def _escaped(command: str, at: int) -> tuple[str, int]:
    """The character behind a backslash, and where what follows begins."""
    if (code := re.compile(r"x([0-9A-Fa-f]{2})").match(command, at)) is not None:
        return chr(int(code[1], 16)), at + 3
    return _ESCAPES.get(command[at], command[at]), at + 1


def _settings(text: str) -> Iterator[tuple[str, str]]:
    section = ""
    before = ""
    for raw in text.split("\n"):
        line = before + raw.strip()
        if not before and line.startswith(("#", ";")):
            continue
        if line.endswith("\\"):
            before = f"{line[:-1]} "
            continue
        before = ""
        if line.startswith("[") and line.endswith("]"):
            section = line
        elif section == "[Service]" and "=" in line:
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()


def _complete(word: str) -> str:
    """Empty where something is in it that only systemd knows."""
    plain = word.replace("%%", "\0")
    return "" if "%" in plain else plain.replace("\0", "%")
