"""Makes tasks of a list of commands: one shell command a line, or one JSON object a line.

# a comment
make -C lib test
net/dhcp: ./dhcp.sh --renew
{"name": "report", "cmd": "./report.sh", "after": ["net/*"], "always": true}
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

from pexen_state.core.spec import Declared
from pexen_state.factory.base import BaseFactory, FactoryError
from pexen_state.factory.metadata.document import taken
from pexen_state.sched.executable import Executable, StatusTable
from pexen_state.sched.fields import FIELDS
from pexen_state.sched.meta import MetaError, assign_val
from pexen_state.util import PexenError
from pexen_state.words import did_you_mean

_NAMED = re.compile(r"(?P<name>[\w./@+-]+):(?:\s+(?P<cmd>.*))?", re.DOTALL)
_OBJECT = re.compile(r"\{\s*[\"}]")  # `{ echo a; }` is a command

#: `kwargs` are for callables. Here `name` and `cmd` say who a task is and what it does, the rest is metadata.
KEYS = tuple(field for field in FIELDS if field != "kwargs")
_SETS = ("requires", "requires_all", "provides", "uses", "claims", "recovers")


class TaskListFactory(BaseFactory):
    """Reads a task list and gives a task for each command in it, in the order of the list.

    A line is a command for `/bin/sh -c` (left out where all it could do is start one program), with `name: `
    before it if it is to have a name of its own; or a JSON object with the keys of KEYS, whose `cmd` is such a
    command or a list of words. Empty lines and lines that begin with `#` are left out. The key of a task is its
    name, else its command; when one comes again, it is followed by `#2`, `#3`. Bytes that are not UTF-8 are kept
    as they are.

    Arguments:
        shell    - instead of /bin/sh
        cwd      - where commands run; not given: where the runner is
        statuses - which exit status means what (`sched.executable`)
        declared - whether a failure keeps the promises of an executable or of a plain callable (`core.spec`)
    """

    def __init__(
        self,
        *,
        shell: str | None = None,
        cwd: str | None = None,
        statuses: StatusTable = "plain",
        declared: Declared = Declared.EXECUTABLE,
        **popen: Any,
    ) -> None:
        super().__init__()
        self.shell = shell
        self.cwd = cwd
        self.statuses = statuses
        self.declared = declared
        self.popen = popen

    def __call__(self, path: str | os.PathLike[str]) -> Iterator[Executable]:
        """Read a file. Raises FactoryError, which names the file and the line, for what cannot be used."""
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError as error:
            raise FactoryError(f"cannot read the task list {os.fspath(path)}: {error.strerror}") from error
        yield from self.from_text(content, os.fspath(path))

    def from_text(self, content: bytes | str, origin: str = "-") -> Iterator[Executable]:
        """Read a text that was read elsewhere (from standard input, from a journal). `origin` is for messages."""
        if isinstance(content, bytes):
            content = content.decode("utf-8", "surrogateescape")
        every_line_json = origin.endswith(".jsonl")
        times: dict[str, int] = {}
        # Not splitlines(): it also splits at characters that have no meaning for a shell.
        for number, line in enumerate(content.removeprefix("\ufeff").split("\n"), start=1):
            text = line.strip()
            if text and not text.startswith("#"):
                where = f"{origin}, line {number}"
                as_json = every_line_json or _OBJECT.match(text)
                fields = _object(text, where) if as_json else _command_and_name(text, where)
                yield self._task(fields, times, where)

    def _task(self, fields: dict[str, Any], times: dict[str, int], where: str) -> Executable:
        command, name = fields.pop("cmd"), fields.pop("name", None)
        _check_command(command, where)
        statuses = self.statuses
        if fields.get("exit_codes") is not None:
            try:
                statuses = fields["exit_codes"] = taken("exit_codes", fields["exit_codes"])
            except PexenError as error:
                raise FactoryError(f"{where}: {error}") from None
        task = Executable(
            command,
            cwd=self.cwd,
            executable=self.shell if isinstance(command, str) else None,
            shell=isinstance(command, str),
            popen=self.popen,
            statuses=statuses,
            declared=self.declared,
            origin=where,
        )
        try:
            assign_val(task, **fields)
        except MetaError as error:
            raise FactoryError(f"{where}: {error}") from None
        key = _unique(name or (command if isinstance(command, str) else " ".join(command)), times)
        self.callpath_burn(task, key, key=key)
        return task


def _command_and_name(text: str, where: str) -> dict[str, Any]:
    match = _NAMED.fullmatch(text)
    if match is None:
        return {"cmd": text}
    if not match["cmd"]:
        raise FactoryError(f"{where}: there is no command after {match['name'] + ':'!r}")
    return {"cmd": match["cmd"], "name": match["name"]}


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        fields = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, where))
    except ValueError as error:
        raise FactoryError(f"{where}: this is to be a JSON object, and is none: {error}") from None
    except RecursionError:
        raise FactoryError(f"{where}: this JSON object is nested too deeply") from None
    if not isinstance(fields, dict):
        raise FactoryError(f"{where}: this is to be a JSON object, and is none")
    for key in fields:
        if key not in KEYS:
            hint = did_you_mean(key, KEYS)
            raise FactoryError(f"{where}: there is no key {key!r}.{hint} Known are: {' '.join(KEYS)}")
    _check_words(fields, where)
    for key in _SETS:
        if isinstance(fields.get(key), list):
            fields[key] = [_hashable(name) for name in fields[key]]
    return fields


def _once(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise FactoryError(f"{where}: the key {twice!r} is there twice")
    return fields


def _check_words(fields: dict[str, Any], where: str) -> None:
    if "cmd" not in fields:
        raise FactoryError(f"{where}: 'cmd' is missing: the command to run")
    command, name = fields["cmd"], fields.get("name")
    words = command if isinstance(command, list) else [command]
    if not words or not all(isinstance(word, str) for word in words) or not words[0].strip():
        raise FactoryError(f"{where}: 'cmd' is to be a command or a list of words, not {command!r}")
    if name is not None and (not isinstance(name, str) or not name):
        raise FactoryError(f"{where}: 'name' is to be a string, not {name!r}")


def _check_command(command: str | list[str], where: str) -> None:
    text = "".join(command)
    if "\0" in text:
        raise FactoryError(f"{where}: a command cannot hold a NUL character")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise FactoryError(f"{where}: the command cannot be given to a program: {error}") from None


def _hashable(name: Any) -> Any:
    """JSON has no tuples; a list among the names means one."""
    return tuple(_hashable(part) for part in name) if isinstance(name, list) else name


def _unique(key: str, times: dict[str, int]) -> str:
    found, number = key, times.get(key, 0)
    while number and found in times:  # the second loop is for a list that itself says `name#2`
        number += 1
        found = f"{key}#{number}"
    times[key] = max(number, 1)
    times.setdefault(found, 1)
    return found
