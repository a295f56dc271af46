"""What a service is made of: plain values, as JSON in its unit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pexen_state.service.errors import UnitError
from pexen_state.service.names import checked_name, checked_text

IF_UNFINISHED = ("resume", "new", "skip")


@dataclass(frozen=True, slots=True)
class Starts:
    """When new runs are begun, of what, and how."""

    calendar: str  #: as systemd.time(7) has it
    targets: tuple[str, ...]
    directory: str  #: where they were typed
    environment: Mapping[str, str] = field(default_factory=dict)  #: with which they are begun
    if_unfinished: str = "resume"
    on_finish: str | None = None  #: a command for /bin/sh


@dataclass(frozen=True, slots=True)
class Service:
    """`journal` is an absolute path; `python` the words that run it, the first an absolute path."""

    name: str
    journal: str
    python: tuple[str, ...]
    is_user: bool = False
    has_state_directory: bool = False  #: the journal is in a directory that systemd makes for it
    harden: bool = False
    allow_reboot: bool = False
    boot_grace: str | None = None  #: a duration, or `none`
    failures_fail_unit: bool = False
    after: tuple[str, ...] = ()  #: units
    starts: Starts | None = None

    def as_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)  # in ASCII, on one line

    @classmethod
    def from_json(cls, text: str) -> Service:
        """Raises ValueError for what `as_json` has not written; what a newer pexen knows more of is left out."""
        said = json.loads(text)
        if not isinstance(said, dict):
            raise ValueError(text)
        found = _known(cls, said)
        if found.get("starts") is not None:
            starts = _known(Starts, found["starts"])
            found["starts"] = Starts(**{**starts, "targets": tuple(starts["targets"])})
        for name in ("python", "after"):
            found[name] = tuple(found.get(name, ()))
        try:
            return cls(**found)
        except TypeError as error:
            raise ValueError(str(error)) from error


def _known(kind: type[Any], said: Mapping[str, Any]) -> dict[str, Any]:
    return {one.name: said[one.name] for one in fields(kind) if one.name in said}


def check(service: Service) -> None:
    """Raises UnitError for what cannot be said in units."""
    checked_name(service.name)
    checked_text(service.journal, "the path of the journal")
    for word in service.python:
        checked_text(word, "the path of python")
    for unit in service.after:
        if not unit or any(char in unit for char in " \t'\"\\;#=%"):
            raise UnitError(f"--after: {unit!a} is no name of a unit, such as network-online.target")
    if service.harden and service.allow_reboot:
        raise UnitError("--harden: a hardened service has no right to reboot the box. Leave --allow-reboot out.")
    starts = service.starts
    if service.harden:
        _check_hidden(service.journal, "the journal")
        _check_hidden(service.python[0], "python")
        if starts is not None:
            _check_hidden(starts.directory, "the suite")
    if starts is None:
        return
    checked_text(starts.calendar, "--on-calendar")
    checked_text(starts.directory, "the path of the directory")
    checked_text(starts.on_finish or "", "--on-finish")
    for target in starts.targets:
        checked_text(target, "TARGET")
    for name, value in starts.environment.items():
        checked_text(value, f"${name}")


def _check_hidden(path: str, what: str) -> None:
    for place in ("/tmp/", "/var/tmp/"):
        if f"{path}/".startswith(place):
            raise UnitError(f"--harden: {what} is below {place}, and a hardened service sees a {place} of its own")
