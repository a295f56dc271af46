"""How a service stands, as a row: what its units say, and what the service manager says if it can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pexen_state.service import names
from pexen_state.service.errors import SystemdError
from pexen_state.service.installed import Installed
from pexen_state.service.systemctl import Systemctl

_OF_UNIT = ("ActiveState", "SubState", "StatusText", "Result", "MainPID")
_OF_TIMER = ("NextElapseUSecRealtime", "LastTriggerUSec")


def standing_of(installed: Installed, environ: Mapping[str, str]) -> dict[str, Any]:
    """Plain values. `state` is `unknown` where no service manager can be asked."""
    service, scope = installed
    systemctl = Systemctl(scope, environ)
    unit = _asked(systemctl, installed.unit, _OF_UNIT)
    starts = service.starts
    timer = _asked(systemctl, names.start_timer(service.name), _OF_TIMER) if starts is not None else {}
    return {
        "name": service.name,
        "scope": scope.word,
        "unit": installed.unit,
        "journal": service.journal,
        "enabled": installed.is_enabled,
        "state": unit.get("ActiveState", "unknown"),
        "result": unit.get("Result") or None,
        "status": unit.get("StatusText") or None,
        "pid": int(unit.get("MainPID", "0")) or None,
        "calendar": starts.calendar if starts is not None else None,
        "targets": list(starts.targets) if starts is not None else [],
        "next": timer.get("NextElapseUSecRealtime") or None,
        "last": timer.get("LastTriggerUSec") or None,
    }


def _asked(systemctl: Systemctl, unit: str, wanted: tuple[str, ...]) -> dict[str, str]:
    if not systemctl.is_there:
        return {}
    try:
        return systemctl.properties(unit, *wanted)
    except SystemdError:
        return {}
