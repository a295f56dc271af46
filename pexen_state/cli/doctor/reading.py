"""Looks at the box, and returns values. Nothing else of the doctor touches anything; nothing here judges.

Whatever is looked at has a limit of time (`files.within`), and may not be there.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sqlite3
import time
from collections.abc import Mapping

from pexen_state.box import facts
from pexen_state.box.life import has_systemd
from pexen_state.box.mounts import VOLATILE, kind_of
from pexen_state.cli.doctor.files import PATIENCE_S, Files, said_by, within
from pexen_state.cli.doctor.seen import Cgroups, Clock, Journal, Kernel, Left, Seen, Services, Systemd, Unit, Unknown
from pexen_state.cli.doctor.units import NAME, said_in

_JOURNAL_S = 40.0
_LEFT_S = 20.0

_SYSTEM_UNITS = (
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
_USER_UNITS = ("etc/systemd/user", "run/systemd/user", "usr/local/lib/systemd/user", "usr/lib/systemd/user")

_CLOCK_IS_NOT_RIGHT = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES = 1024  # more than the structure has anywhere


def look(path: str | None, is_named: bool, environ: Mapping[str, str]) -> Seen:
    """Everything. `path`: of the journal; None: there is none here."""
    from pexen_state.cli.doctor import reading_journal

    files = Files()
    journal: Journal | Unknown | None = None
    left: Left | Unknown = Left()
    if path is not None:
        found = journal = within(_JOURNAL_S, lambda: reading_journal.journal(path, is_named))
        if isinstance(found, Unknown):
            left = Unknown("the journal does not answer")
        else:
            uuids = found.content.uuids if found.content is not None else ()
            left = within(_LEFT_S, lambda: reading_journal.left(path, uuids))
    return Seen(
        sqlite3.sqlite_version_info[:3],
        journal,
        left,
        within(PATIENCE_S, lambda: services(files, environ)),
        within(PATIENCE_S, lambda: kernel(files)),
        within(2 * PATIENCE_S, lambda: systemd(files)),
        within(PATIENCE_S, lambda: cgroups(files, os.geteuid())),
        within(PATIENCE_S, clock),
        os.geteuid() == 0,
    )


def kernel(files: Files) -> Kernel:
    settings = "proc/sys/kernel"
    loaded = files.number("sys/kernel/kexec_crash_loaded")
    backend = (files.text("sys/module/pstore/parameters/backend") or "").strip()
    return Kernel(
        files.number(f"{settings}/panic"),
        files.number(f"{settings}/panic_on_oops"),
        files.number(f"{settings}/hung_task_panic"),
        files.number(f"{settings}/hung_task_timeout_secs"),
        None if loaded is None else loaded == 1,
        backend if backend not in ("", "(null)", "N") else None,
        files.is_directory("sys/fs/pstore"),
        facts.container(files.root),
    )


def systemd(files: Files) -> Systemd:
    is_there = files.is_directory("run/systemd/system")
    device = files.has("dev/watchdog0") or files.has("dev/watchdog")
    kept = files.is_directory("var/log/journal") and kind_of(files.path("var/log/journal")) not in VOLATILE
    said = None
    if is_there and files.root == "/" and has_systemd():
        said = said_by(["systemctl", "show", "--property=RuntimeWatchdogUSec", "--value"])
    if is_there and said is None:
        said = _setting(files, "system.conf", "Manager", "RuntimeWatchdogSec") or "0"
    storage = _setting(files, "journald.conf", "Journal", "Storage") or "auto"
    return Systemd(is_there, said or ("0" if is_there else None), device, storage, kept)


def _setting(files: Files, name: str, section: str, key: str) -> str | None:
    """Of a file of settings of systemd and what is dropped in beside it: the last one that says it."""
    directories = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd", "lib/systemd")
    main = next((found for where in directories if files.has(found := f"{where}/{name}")), None)
    dropped: dict[str, str] = {}
    for where in directories:  # of the same name the first counts
        for one in files.names(f"{where}/{name}.d"):
            if one.endswith(".conf"):
                dropped.setdefault(one, f"{where}/{name}.d/{one}")
    said = None
    for path in (*([main] if main else []), *(dropped[one] for one in sorted(dropped))):
        at = ""
        for raw in (files.text(path) or "").split("\n"):
            line = raw.strip()
            if line.startswith("[") and line.endswith("]"):
                at = line[1:-1]
            elif at == section and line.partition("=")[0].strip() == key:
                said = line.partition("=")[2].strip() or None
    return said


def cgroups(files: Files, user: int) -> Cgroups:
    root = "sys/fs/cgroup"
    if not files.has(f"{root}/cgroup.controllers"):
        return Cgroups(1 if files.names(root) else None)
    own = f"{root}/user.slice/user-{user}.slice/user@{user}.service"
    where = own if user != 0 and files.has(f"{own}/cgroup.controllers") else root
    can_kill = any(files.has(f"{root}/{one}/cgroup.kill") for one in files.names(root))
    controllers = frozenset((files.text(f"{where}/cgroup.controllers") or "").split())
    return Cgroups(2, controllers, where.removeprefix(root).lstrip("/"), can_kill)


def clock() -> Clock:
    return Clock(time.time_ns() // 1000, _is_synchronised())


def _is_synchronised() -> bool | None:
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))  # sets nothing
    except (AttributeError, OSError):
        return None
    return None if state < 0 else state != _CLOCK_IS_NOT_RIGHT


def services(files: Files, environ: Mapping[str, str]) -> Services:
    own = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    user_units = (os.path.join(own, "systemd/user").lstrip("/"), *_USER_UNITS)
    units = [*_units(files, _SYSTEM_UNITS, False), *_units(files, user_units, True)]
    user = _user()
    return Services(tuple(units), user, user is not None and files.has(f"var/lib/systemd/linger/{user}"))


def _user() -> str | None:
    if os.geteuid() == 0:
        return None
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return None


def _units(files: Files, directories: tuple[str, ...], is_user: bool) -> list[Unit]:
    found: dict[str, Unit] = {}
    for directory in directories:
        for name in files.names(directory):
            if NAME.fullmatch(name) and name not in found:
                found[name] = _unit(files, directory, name, is_user, directories)
    return list(found.values())


def _unit(files: Files, directory: str, name: str, is_user: bool, directories: tuple[str, ...]) -> Unit:
    path = f"{directory}/{name}"
    enabled = any(
        one.endswith((".wants", ".requires")) and _is_wanted(files.names(f"{where}/{one}"), name)
        for where in directories
        for one in files.names(where)
    )
    text = files.text(path)
    if text is None:
        return Unit(name, files.path(path), is_user, is_enabled=enabled, is_read=False)
    said = said_in(text)
    missing = [program for program in said.programs if not _can_be_run(files, program)]
    return Unit(name, files.path(path), is_user, said.programs, tuple(missing), said.journals, enabled)


def _is_wanted(names: list[str], unit: str) -> bool:
    """A template by any of its instances."""
    before, _, behind = unit.partition("@")
    if behind == ".service":
        return any(name.startswith(f"{before}@") and name.endswith(".service") for name in names)
    return unit in names


def _can_be_run(files: Files, program: str) -> bool:
    if "\0" in program:
        return False
    if os.path.isabs(program):
        path = files.path(program)
        return os.path.isfile(path) and os.access(path, os.X_OK)
    return shutil.which(program, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") is not None
