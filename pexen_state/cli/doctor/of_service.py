"""Whether something goes on with a run after a boot, and can. Pure: values in, findings out."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from pexen_state.cli.doctor.finding import Finding, Level, ok, unknown
from pexen_state.cli.doctor.seen import Cgroups, Services, Unit, Unknown


def services(found: Services | Unknown, journal: str | None) -> Iterator[Finding]:
    """`journal`: the path of the one that was looked at."""
    if isinstance(found, Unknown):
        yield unknown("service", found.why)
        return
    for unit in found.units:
        yield _unit(unit)
    if journal is not None and not any(goes_on(unit, journal) for unit in found.units):
        yield Finding(
            "service",
            Level.NOTE,
            f"none goes on with {journal} after a boot",
            "after a crash or a reboot somebody has to type `pexen resume`",
        )
    yield from _lingering(found)


def goes_on(unit: Unit, journal: str) -> bool:
    """Whether it is started by a boot, and is about that journal."""
    real = os.path.normpath(journal)
    return unit.is_enabled and not unit.missing and any(os.path.normpath(one) == real for one in unit.journals)


def _unit(unit: Unit) -> Finding:
    what = "service"
    if not unit.is_read:
        return Finding(what, Level.WARN, f"{unit.path} cannot be read", "systemd may not be able to either")
    if unit.missing:
        missing = ", ".join(unit.missing)
        says = f"{unit.path} starts what is not there, or cannot be run: {missing}"
        mend = "install pexen-state there again, or remove the unit"
        return Finding(what, Level.BAD, says, "nothing goes on with its runs after a boot", mend)
    if not unit.programs:
        return Finding(what, Level.WARN, f"{unit.path} starts nothing", "nothing goes on with its runs after a boot")
    if not unit.is_enabled:
        systemctl = "systemctl --user" if unit.is_user else "systemctl"
        says = f"{unit.name} is not enabled"
        # A timer, or another unit, may start it.
        mend = f"{systemctl} enable {shlex.quote(unit.name)}"
        return Finding(what, Level.NOTE, says, "no boot starts it, unless another unit does", mend)
    return ok(what, f"{unit.name} is enabled, and what it starts is there")


def _lingering(found: Services) -> Iterator[Finding]:
    what = "lingering"
    own = [unit for unit in found.units if unit.is_user]
    if found.user is None or not own:
        return
    if found.lingers:
        yield ok(what, f"the services of {found.user} run without a login")
    else:
        mend = f"loginctl enable-linger {shlex.quote(found.user)}"
        says = f"the services of {found.user} run only while {found.user} is logged in"
        yield Finding(what, Level.WARN, says, "after a boot nothing goes on until then", mend)


def cgroups(found: Cgroups | Unknown, is_root: bool) -> Finding:
    what = "cgroups"
    if isinstance(found, Unknown):
        return unknown(what, found.why)
    matters = "what a task leaves running is found by its process tree alone, and its memory is not measured"
    if found.version is None:
        return Finding(what, Level.NOTE, "none are mounted", matters)
    if found.version != 2:
        return Finding(what, Level.NOTE, "version 1", matters, "boot with systemd.unified_cgroup_hierarchy=1")
    if not is_root and not found.is_where:
        return Finding(what, Level.NOTE, "version 2, but none is handed to this user", matters)
    if "memory" not in found.controllers:
        mend: str | None = None
        if not is_root:
            file = "/etc/systemd/system/user@.service.d/delegate.conf"
            mend = (
                f"mkdir -p {os.path.dirname(file)} && printf '[Service]\\nDelegate=cpu memory pids\\n' >{file} && "
                "systemctl daemon-reload"
            )
        return Finding(what, Level.NOTE, "version 2, without memory", "a task's memory is not measured", mend)
    if not found.can_kill:
        says = "version 2, without cgroup.kill (Linux 5.14)"
        return Finding(what, Level.NOTE, says, "what a task leaves running is ended one by one")
    return ok(what, "version 2, and a service can hand them to its tasks")
