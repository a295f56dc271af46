"""What the units of a service are called, and where they are.

One service for each journal. Its name may be any text; units are called after it as systemd-escape(1) would.
"""

from __future__ import annotations

import os
import string
from collections.abc import Mapping
from typing import NamedTuple

from pexen_state.service.errors import UnitError

_PLAIN = frozenset((string.ascii_letters + string.digits + ":_.").encode())

#: Of a file's name, and so of a unit's.
_LONGEST = 255


class Scope(NamedTuple):
    """Whose service manager: that of the box, or a user's own."""

    is_user: bool
    directory: str  #: where its units are put
    wanted_by: str  #: the target that starts them

    @property
    def word(self) -> str:
        return "user" if self.is_user else "system"


SYSTEM = Scope(False, "/etc/systemd/system", "multi-user.target")


def user_scope(environ: Mapping[str, str]) -> Scope:
    """Of whoever has this environment."""
    config = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    return Scope(True, os.path.join(os.path.abspath(config), "systemd/user"), "default.target")


def own_scope(environ: Mapping[str, str]) -> Scope:
    """Where whoever types a command has services: root those of the box."""
    return SYSTEM if os.geteuid() == 0 else user_scope(environ)


def scopes(environ: Mapping[str, str]) -> tuple[Scope, Scope]:
    """Both, one's own first."""
    own, user = own_scope(environ), user_scope(environ)
    return (own, SYSTEM) if own.is_user else (own, user)


def escaped(name: str) -> str:
    """As `systemd-escape NAME`: `a-b/c` is `a\\x2db-c`."""
    text = name.encode("utf-8", "surrogateescape")
    parts = []
    for at, byte in enumerate(text):
        if byte == ord("/"):
            parts.append("-")
        elif byte in _PLAIN and not (at == 0 and byte == ord(".")):
            parts.append(chr(byte))
        else:
            parts.append(f"\\x{byte:02x}")
    return "".join(parts)


def checked_name(name: str) -> str:
    """Raises UnitError for what cannot be the name of a service."""
    if not name.strip():
        raise UnitError("a service needs a name, such as that of its suite")
    checked_text(name, "the name of the service")
    if len(start_timer(name)) > _LONGEST:
        raise UnitError("the name of the service is too long: its units would have names that no file may have")
    return name


def shortened(name: str) -> str:
    """As much of it as the name of a service can be."""
    while len(start_timer(name)) > _LONGEST:
        name = name[:-1]
    return name


def checked_text(text: str, what: str) -> str:
    """Raises UnitError for what cannot be said in a unit: a unit is lines of UTF-8."""
    if not text.isprintable():  # neither control characters, nor line ends, nor bytes that are no text
        raise UnitError(f"{what} holds a character that cannot stand in a unit of systemd: {text!a}")
    return text


def resumes(name: str) -> str:
    """The unit that goes on with what is unfinished; every run of the service is run by it."""
    return f"pexen@{escaped(name)}.service"


def starts(name: str) -> str:
    """The unit that begins a new run, and ends when that one is recorded."""
    return f"pexen-start@{escaped(name)}.service"


def start_timer(name: str) -> str:
    return f"pexen-start@{escaped(name)}.timer"


def all_units(name: str) -> tuple[str, str, str]:
    return resumes(name), starts(name), start_timer(name)
