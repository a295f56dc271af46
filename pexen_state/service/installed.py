"""The services that this box has: read from their units, which say what they were made of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pexen_state.service import names
from pexen_state.service.errors import UnitError
from pexen_state.service.names import Scope
from pexen_state.service.units import MADE_OF
from pexen_state.service.values import Service
from pexen_state.words import did_you_mean

_BEGIN, _END = "pexen@", ".service"
_LINGER = "/var/lib/systemd/linger"


class Installed(NamedTuple):
    service: Service
    scope: Scope

    @property
    def unit(self) -> str:
        return names.resumes(self.service.name)

    @property
    def is_enabled(self) -> bool:
        """Whether the service manager starts it by itself."""
        return os.path.lexists(os.path.join(self.scope.directory, f"{self.scope.wanted_by}.wants", self.unit))

    @property
    def is_of_boots(self) -> bool:
        """Whether it goes on after a boot, whoever logs in."""
        return self.is_enabled and (not self.scope.is_user or lingers())


def lingers() -> bool:
    """Whether the services of the user whose process this is run without a login."""
    import pwd

    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
    return os.path.exists(os.path.join(_LINGER, name))


def in_scope(scope: Scope) -> list[Installed]:
    """By name. What cannot be read is none of ours."""
    try:
        files = sorted(os.listdir(scope.directory))
    except OSError:
        return []
    found = []
    for file in files:
        if file.startswith(_BEGIN) and file.endswith(_END):
            service = _read(os.path.join(scope.directory, file))
            if service is not None and names.resumes(service.name) == file:
                found.append(Installed(service, scope))
    return sorted(found, key=lambda one: one.service.name)


def on_this_box(environ: Mapping[str, str]) -> list[Installed]:
    """One's own first."""
    return [one for scope in names.scopes(environ) for one in in_scope(scope)]


def named(name: str, found: Iterable[Installed]) -> Installed:
    """Raises UnitError if there is none."""
    known = list(found)
    for one in known:
        if one.service.name == name:
            return one
    there = ", ".join(one.service.name for one in known)
    hint = did_you_mean(name, [one.service.name for one in known]) or (f" There are: {there}." if there else "")
    raise UnitError(f"there is no service {name!r}.{hint} `pexen service install NAME` makes one.")


def of_journal(path: str, found: Iterable[Installed]) -> Installed | None:
    """That of a journal, if it has one."""
    real = os.path.realpath(path)
    return next((one for one in found if os.path.realpath(one.service.journal) == real), None)


def _read(path: str) -> Service | None:
    try:
        with open(path, encoding="utf-8") as file:
            said = next((line for line in file if line.startswith(MADE_OF)), None)
        return Service.from_json(said.removeprefix(MADE_OF)) if said is not None else None
    except (OSError, ValueError, KeyError):
        return None
