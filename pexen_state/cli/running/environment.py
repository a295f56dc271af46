"""Variables that tasks are to find in their environment: `-e NAME=VALUE`, and files of them.

The values of a file are read anew by every session and are kept nowhere: the place for secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from pexen_state.cli.errors import UsageError
from pexen_state.report.text import safe

_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_EXPORT = re.compile(r"export\s+")
_OURS = "PEXEN_"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$", "`": "`"}


def typed(words: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE`; a NAME alone takes the value of now. Raises UsageError."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if (wrong := what_is_wrong_with(name)) is not None:
            raise UsageError(f"-e {safe(word)}: {wrong}")
        if not equals:
            if name not in os.environ:
                raise UsageError(f"-e {name}: no variable of that name is set here. Say {name}=VALUE.")
            value = os.environ[name]
        found[name] = value
    return found


def what_is_wrong_with(name: str) -> str | None:
    """Why a variable cannot be called that; None if it can."""
    if not _NAME.fullmatch(name):
        return f"{safe(name)!r} is no name of a variable: letters, digits and _, and no digit first"
    if name.startswith(_OURS):
        return f"{name} is set by pexen itself: names that begin with {_OURS} are its own"
    return None


def read_file(path: str) -> dict[str, str]:
    """The variables in a file. Raises UsageError, which names the file and the line."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise UsageError(
            f"cannot read the environment file {safe(path)}: {error.strerror}. Put it there again, or name another "
            "one with --env-file."
        ) from error
    found: dict[str, str] = {}
    for number, name, value in _variables(content.decode("utf-8", "surrogateescape"), path):
        if (wrong := what_is_wrong_with(name)) is not None:
            raise _error(path, number, wrong)
        if "\0" in value:
            raise _error(path, number, "a value cannot hold a NUL character")
        found[name] = value
    return found


def apply(env: Mapping[str, str] | None, env_file: str | None) -> None:
    """Set them in this process, for the tasks to inherit. What was said by name wins over what is in the file."""
    if env_file is not None:
        os.environ.update(read_file(env_file))
    os.environ.update(env or {})


def _variables(text: str, path: str) -> Iterator[tuple[int, str, str]]:
    """(line, name, value) of each. A value in quotes may go on over several lines."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    at = 0
    while at < len(lines):
        number, line = at + 1, lines[at].strip()
        at += 1
        if not line or line[0] in "#;":
            continue
        name, equals, value = _EXPORT.sub("", line, count=1).partition("=")
        if not equals:
            # Never the line itself: it may hold a secret.
            raise _error(path, number, "this is to be NAME=VALUE, and has no '='")
        value = value.lstrip()
        if value[:1] in ("'", '"'):
            while (closed := _quoted(value)) is None:
                if at >= len(lines):
                    raise _error(path, number, f"the {value[0]} that opens the value is never closed")
                value = f"{value}\n{lines[at]}"
                at += 1
            inner, rest = closed
            if rest.strip() and not rest.lstrip().startswith("#"):
                raise _error(path, number, "something follows the quoted value; only a comment may")
            yield number, name.strip(), inner
        else:
            yield number, name.strip(), re.split(r"\s+#", value, maxsplit=1)[0].rstrip()


def _quoted(text: str) -> tuple[str, str] | None:
    """(the value between the quotes, what follows); None if it is not closed. Only double ones have escapes."""
    quote, at = text[0], 1
    inner: list[str] = []
    while at < len(text):
        char = text[at]
        if char == quote:
            return "".join(inner), text[at + 1 :]
        if char == "\\" and quote == '"' and at + 1 < len(text):
            at += 1
            after = text[at]
            inner.append("" if after == "\n" else _ESCAPES.get(after, f"\\{after}"))
        else:
            inner.append(char)
        at += 1
    return None


def _error(path: str, line: int, why: str) -> UsageError:
    return UsageError(f"{safe(path)}, line {line}: {why}")
