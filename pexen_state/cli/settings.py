"""The settings of a suite: the `[run]` table of the file that marks its root.

Keys are the long names of options, with `_`; those that describe the suite, not those that pick the tasks of one run.
Whatever is in the file and not understood is an error that names file, line and key. Permission to reboot the box
never comes from here.
"""

from __future__ import annotations

import os
import tomllib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pexen_state.cli.errors import UsageError
from pexen_state.cli.running import environment, options, parameters
from pexen_state.cli.running.options import Options
from pexen_state.factory.metadata.document import TREE_KEYS
from pexen_state.factory.metadata.toml_lines import line_of, what_is_wrong
from pexen_state.factory.metadata.tree import is_trusted
from pexen_state.report.formats.kinds import KINDS
from pexen_state.report.text import safe
from pexen_state.root import MARKER, Root, find_root, is_ours, marker_in
from pexen_state.util import PexenWarning
from pexen_state.words import bytes_of, did_you_mean, seconds_of


class Settings(NamedTuple):
    """What a suite says of itself. Paths are absolute."""

    file: str | None = None
    name: str | None = None
    journal: str | None = None
    options: Options = Options()


NOTHING_SAID = Settings()


def of_roots(roots: Iterable[Root], owners: Iterable[int] = ()) -> Settings:
    """The settings of a suite whose targets have these roots. Raises UsageError.

    `owners` are those of the targets: who lets their code run may as well say how. Settings of anybody else are left
    alone, with a warning: whoever can write to /tmp would say what is in the environment of every suite there.
    """
    owners = tuple(owners)
    found: list[Settings] = []
    for root in dict.fromkeys(roots):
        if root.file is None:
            continue
        if is_trusted(root.file, owners):
            found.extend(_of_file(root.file))
        else:
            warnings.warn(
                f"the settings in {_shown(root.file)} are left alone: the file belongs to somebody else",
                PexenWarning,
                stacklevel=2,
            )
    if len(found) > 1:
        files = " and ".join(_shown(settings.file or "") for settings in found)
        raise UsageError(
            f"the targets have settings of their own, {files}, and one run cannot have both. Run them one after the "
            "other."
        )
    return found[0] if found else NOTHING_SAID


def _of_file(file: str) -> Iterator[Settings]:
    """Its settings, if it has any."""
    document = _Document.read(file)
    settings = document.settings()
    beside = os.path.join(os.path.dirname(file), "pyproject.toml")
    if beside != file and is_ours(beside) and _Document.read(beside).run is not None:
        raise UsageError(
            f"{_shown(beside)} has a table [tool.pexen.run], and {_shown(file)} beside it is where settings belong. "
            "Move them there."
        )
    if document.run is not None or document.groups is not None:
        yield settings


def journal_here(directory: str, home: str) -> str | None:
    """The journal that the settings above that directory name, for whoever looks. Absolute. Raises UsageError.

    A file of somebody else is not believed: `pexen resume` runs what is in a journal, and anybody can put a file into
    /tmp. Nor is one above the `home` directory, if one is in that.
    """
    root = find_root(directory)
    if root.file is None or not is_trusted(root.file) or _is_above_home(root.directory, directory, home):
        return None
    return _Document.read(root.file).journal()


def _is_above_home(root: str, directory: str, home: str) -> bool:
    is_below_home = os.path.join(os.path.realpath(directory), "").startswith(os.path.join(home, ""))
    return is_below_home and not os.path.join(os.path.realpath(root), "").startswith(os.path.join(home, ""))


def check_deeper(root: Root, directories: Iterable[str]) -> None:
    """Raises UsageError for settings that are deeper in the tree: they would hold for nobody.

    `directories` are absolute: those of the tasks; what is between them and the root is looked at, too.
    """
    seen = {root.directory}
    for directory in directories:
        at = directory
        while at not in seen and at != os.path.dirname(at):
            seen.add(at)
            file = marker_in(at) if at.startswith(os.path.join(root.directory, "")) else None
            if file is not None:
                _Document.read(file).check_deeper(root)
            at = os.path.dirname(at)


# -- one file


class _Document:
    """A file with our tables: `pexen.toml`, or `pyproject.toml` where they are below `tool.pexen`."""

    def __init__(self, file: str, text: str, said: Mapping[str, Any], above: tuple[str, ...]) -> None:
        self.file = file
        self._text = text
        self._said = said  # our tables alone
        self._above = above  # their names before
        self.run = said.get("run")
        self.groups = said.get("groups")

    @classmethod
    def read(cls, file: str) -> _Document:
        try:
            with open(file, "rb") as opened:
                content = opened.read()
        except OSError as error:
            raise UsageError(f"cannot read {_shown(file)}: {error.strerror}. Make it readable.") from error
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise UsageError(f"{_shown(file)}, line {line}: this is no UTF-8, as TOML has to be") from None
        try:
            said: Any = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            line_, why = what_is_wrong(text, error)
            where = f", line {line_}" if line_ else ""
            raise UsageError(f"{_shown(file)}{where}: this is no TOML: {safe(why)}") from None
        above = () if os.path.basename(file) == MARKER else ("tool", "pexen")
        for name in above:
            said = said.get(name, {}) if isinstance(said, Mapping) else {}
        document = cls(file, text, said if isinstance(said, Mapping) else {}, above)
        if not isinstance(said, Mapping):
            raise document._error((), f"[{'.'.join(above)}] is to be a table")
        return document

    def settings(self) -> Settings:
        for key in self._said:
            if key not in TREE_KEYS and key != "name":  # of these the factories say what is wrong
                if key in _KEYS:
                    raise self._error((key,), f"{key!r} is a setting of the run: it belongs into the table [run]")
                what = f"Known are: {' '.join(sorted(TREE_KEYS))}; settings are in the table [run]"
                raise self._unknown((key,), key, TREE_KEYS, what)
        found: dict[str, Any] = {}
        if self.groups is not None:
            found["groups"] = self._groups()
        table = self._table() if self.run is not None else {}
        for key, value in table.items():
            found[key] = self._value(key, value)
        if "fail_fast" in found and "max_fail" in found:
            raise self._error(("run", "max_fail"), "fail_fast is max_fail = 1: say one of them")
        if found.pop("fail_fast", False):
            found["max_fail"] = 1
        found["reports"] = {kind: found.pop(kind) for kind in KINDS if kind in found} or None
        name, journal = found.pop("name", None), found.pop("journal", None)
        return Settings(self.file, name, journal, Options(**found))

    def _groups(self) -> dict[str, dict[str, object]]:
        if not isinstance(self.groups, Mapping):
            raise self._error(("groups",), f"[groups] is to hold a table for each group, not {_kind(self.groups)}")
        found: dict[str, dict[str, object]] = {}
        for name, table in self.groups.items():
            where = ("groups", name)
            if not name:
                raise self._error(where, "a group has a name")
            if not isinstance(table, Mapping):
                raise self._error(where, f"[groups.{safe(name)}] is to be a table, not {_kind(table)}")
            found[name] = {}
            for key, value in table.items():
                checker = _GROUP_KEYS.get(key)
                if checker is None:
                    raise self._unknown((*where, key), key, _GROUP_KEYS, f"A group has: {' '.join(_GROUP_KEYS)}")
                try:
                    found[name][key] = checker(value, os.path.dirname(self.file))
                except ValueError as error:
                    raise self._error((*where, key), f"{key}: {error}") from None
        return found

    def journal(self) -> str | None:
        """Only that, whatever else is in the file."""
        said = self._table().get("journal") if self.run is not None else None
        return None if said is None else str(self._value("journal", said))

    def check_deeper(self, root: Root) -> None:
        if self.run is not None or self.groups is not None:
            table = "run" if self.run is not None else "groups"
            home = _shown(root.file or os.path.join(root.directory, MARKER))
            raise self._error(
                (table,), f"settings hold for the whole suite, and belong into the file of its root: {home}"
            )
        self.settings()

    def _table(self) -> Mapping[str, Any]:
        if not isinstance(self.run, Mapping):
            raise self._error(("run",), f"[run] is to be a table, not {_kind(self.run)}")
        return self.run

    def _value(self, key: str, value: object) -> object:
        if key in _REBOOTS:
            raise self._error(("run", key), f"{key}: no file of a tree can permit a reboot")
        checker = _KEYS.get(key)
        if checker is None:
            raise self._unknown(("run", key), key, _KEYS, f"[run] knows: {' '.join(_KEYS)}")
        try:
            return checker(value, os.path.dirname(self.file))
        except _Inner as inner:
            raise self._error(("run", key, inner.key), f"{key}: {inner}") from None
        except (ValueError, UsageError) as error:
            raise self._error(("run", key), f"{key}: {error}") from None

    def _unknown(self, keys: Sequence[str], key: str, known: Iterable[str], what: str) -> UsageError:
        return self._error(keys, f"there is no key {safe(key)!r}.{did_you_mean(key, known)} {what}")

    def _error(self, keys: Sequence[str], why: str) -> UsageError:
        line = line_of(self._text, (*self._above, *keys))
        where = f"line {line}" if line is not None else f"[{safe('.'.join((*self._above, *keys[:1])))}]"
        return UsageError(f"{_shown(self.file)}, {where}: {why}")


# -- the values


class _Inner(ValueError):
    """About one key of a table that is a value."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key


def _kind(value: object) -> str:
    match value:
        case bool():
            return f"{str(value).lower()}"
        case int() | float():
            return f"the number {safe(str(value)[:40])}"
        case str():
            return f"the string {safe(repr(value)[:40])}"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return "a time"


def _jobs(value: object, _: str) -> str:
    if value == "auto" or (type(value) is int and 0 < value <= 10_000):
        return str(value)
    raise ValueError(f'write a number of tasks to run at once, or "auto", not {_kind(value)}')


def _order(value: object, _: str) -> str:
    from pexen_state.sched.common import SchedulerError
    from pexen_state.sched.order import checked_order

    try:
        return checked_order(_text(value))
    except SchedulerError as error:
        raise ValueError(str(error)) from None


def _workers(value: object, _: str) -> int:
    if type(value) is int and 0 < value <= 10_000:
        return value
    raise ValueError(f"write a number of workers, not {_kind(value)}")


def _timeout(value: object, _: str) -> str:
    if value == "none":
        return "none"
    try:
        seconds_of(value)
    except ValueError:
        raise ValueError(
            f'write a duration, such as 90, "5m" or "1h30m", or "none" for no limit, not {_kind(value)}'
        ) from None
    return str(value)


def _count(value: object, _: str) -> int:
    if type(value) is int and 0 <= value < 10**9:
        return value
    raise ValueError(f"write a number, 0 or more, not {_kind(value)}")


def _truth(value: object, _: str) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"write true or false, not {_kind(value)}")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"write a string that says something, not {_kind(value)}")
    if "\0" in value:
        raise ValueError("a string here cannot hold a NUL character")
    return value


def _name(value: object, _: str) -> str:
    return _text(value)


def _path(value: object, directory: str) -> str:
    return os.path.abspath(os.path.join(directory, _text(value)))


def _env_file(value: object, directory: str) -> str:
    path = _path(value, directory)
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        raise ValueError(f"there is no file {_shown(path)} that can be read. Put it there, or leave this out.")
    return path


def _shell(value: object, directory: str) -> str:
    return options.shell_of(_text(value), directory)


def _one_of(*words: str) -> Callable[[object, str], str]:
    def check(value: object, _: str) -> str:
        if isinstance(value, str) and value in words:
            return value
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        raise ValueError(f"write one of {', '.join(words)}, not {_kind(value)}.{hint}")

    return check


def _env(value: object, _: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f'write a table of strings, such as {{ LANG = "C" }}, not {_kind(value)}')
    for name, said in value.items():
        if (wrong := environment.what_is_wrong_with(name)) is not None:
            raise _Inner(name, wrong)
        if not isinstance(said, str):
            raise _Inner(name, f"{name} is to be a string, not {_kind(said)}")
        if "\0" in said:
            raise _Inner(name, f"{name} holds a NUL character, and no variable can")
    return value


def _targets(value: object, directory: str) -> tuple[str, ...]:
    """As they are typed; paths are relative to the file."""
    if not isinstance(value, list) or not value:
        raise ValueError(f'write an array of targets, such as ["../providers"], not {_kind(value)}')
    found = []
    for one in map(_text, value):
        kind, colon, rest = one.partition(":")
        prefix, what = (f"{kind}:", rest) if colon and kind in ("fs", "cmds", "py") else ("", one)
        path = os.path.join(directory, what)
        found.append(prefix + os.path.abspath(path) if os.path.lexists(path) else one)
    return tuple(found)


def _params(value: object, _: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f'write a table of names and values, such as {{ disk = "nvme" }}, not {_kind(value)}')
    params = dict(parameters.flat(value))
    parameters.check_variables(params)
    return params


def _resources(value: object, _: str) -> dict[str, int]:
    if not isinstance(value, dict):
        raise ValueError(f'write a table of how much there is, such as {{ gpu = 2, disk = "64G" }}, not {_kind(value)}')
    found = {}
    for name, amount in value.items():
        try:
            found[name] = bytes_of(amount)
        except ValueError:
            raise _Inner(
                name, f'{safe(name)} is to be a whole number above zero, or for example "4G", not {_kind(amount)}'
            ) from None
    return found


#: What may be in `[run]`: each with what makes an option's value of it, given the directory of the file.
_KEYS: dict[str, Callable[[Any, str], object]] = {
    "name": _name,
    "jobs": _jobs,
    "order": _order,
    "pool": _one_of(*options.POOLS),
    "timeout": _timeout,
    "run_timeout": _timeout,
    "retries": _count,
    "fail_fast": _truth,
    "max_fail": _count,
    "env": _env,
    "resources": _resources,
    "params": _params,
    "env_file": _env_file,
    "exit_codes": _one_of(*options.EXIT_CODES),
    "shell": _shell,
    "show_output": _one_of(*options.SHOW_OUTPUT),
    "strict": _truth,
    "journal": _path,
    "catalogue": _targets,
    "on_finish": _name,
    "on_finish_timeout": _timeout,
    **dict.fromkeys(KINDS, _path),
}

_GROUP_KEYS: dict[str, Callable[[Any, str], object]] = {"pool": _one_of(*options.POOLS), "workers": _workers}

_REBOOTS = ("allow_reboot", "reboot_command", "resume_by_hand")


def _shown(file: str) -> str:
    try:
        here = os.path.join(os.getcwd(), "")
    except FileNotFoundError:
        return safe(file)
    return safe(file.removeprefix(here))
