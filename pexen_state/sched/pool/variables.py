"""The environment variables by which a task knows itself: ours, and those under which other tools' tests know the same.

Encoded, as an environment is handed over: to decode the whole of one and to encode it again costs more than all else.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from pexen_state.sched.pool.base import Context
from pexen_state.subresults import collecting

#: What a task may call while it runs.
_COMMANDS = os.fsencode(os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(__file__))), "in_task", "bin"))

_PARAM = b"PEXEN_PARAM_"
_RESULTS = b"/" + os.fsencode(collecting.FILE)

#: All that is said about a task. What of it an outer run has left is about another one.
_SAID = (
    b"AUTOPKGTEST_ARTIFACTS",
    b"AUTOPKGTEST_REBOOT_MARK",
    b"PEXEN_ARTIFACTS",
    b"PEXEN_ATTEMPT",
    b"PEXEN_ATTEMPT_ID",
    b"PEXEN_DATA",
    b"PEXEN_DEADLINE",
    b"PEXEN_JOURNAL",
    b"PEXEN_PARAMS",
    b"PEXEN_PYTHON",
    b"PEXEN_REBOOT_COUNT",
    b"PEXEN_REBOOT_MARK",
    b"PEXEN_RESULTS",
    b"PEXEN_RUN",
    b"PEXEN_SHARED",
    b"PEXEN_SOCKET",
    b"PEXEN_TASK",
    b"REBOOTCOUNT",
    b"RSTRNT_REBOOTCOUNT",
    b"TMT_REBOOT_COUNT",
    b"TMT_TEST_DATA",
    b"TMT_TEST_RESTART_COUNT",
)


def left_by_an_outer_run(names: Iterable[str]) -> list[str]:
    """Those of the names that say something about a task."""
    said = {name.decode() for name in _SAID}
    return [name for name in names if name in said or name.startswith(_PARAM.decode())]


def tell(found: dict[bytes, bytes], own: Mapping[bytes, bytes], context: Context | None, timeout: float | None) -> None:
    """Say in `found`, where an executable is to be started, who it is. `own` are the worker's own variables."""
    for name in _SAID:
        found.pop(name, None)
    if context is None:
        return
    reboots, mark = b"%d" % context.reboots, os.fsencode(context.mark)
    found[b"PEXEN_RUN"] = os.fsencode(context.run)
    found[b"PEXEN_TASK"] = os.fsencode(context.key)
    found[b"PEXEN_ATTEMPT"] = b"%d" % context.nth
    found[b"PEXEN_ATTEMPT_ID"] = os.fsencode(context.attempt_id)
    for name in (b"PEXEN_REBOOT_COUNT", b"TMT_REBOOT_COUNT", b"RSTRNT_REBOOTCOUNT", b"REBOOTCOUNT"):
        found[name] = reboots
    found[b"TMT_TEST_RESTART_COUNT"] = b"%d" % max(0, context.nth - 1 - context.reboots)
    found[b"PEXEN_REBOOT_MARK"] = mark
    if context.reboots:  # tests for autopkgtest ask whether it is set
        found[b"AUTOPKGTEST_REBOOT_MARK"] = mark
    if b"PEXEN_SOCKET" in own:
        found[b"PEXEN_SOCKET"] = own[b"PEXEN_SOCKET"]
        found[b"PEXEN_PYTHON"] = own[b"PEXEN_PYTHON"]
        found[b"PATH"] = b":".join([_COMMANDS, found.get(b"PATH", os.fsencode(os.defpath))])
    if timeout is not None:
        found[b"PEXEN_DEADLINE"] = b"%d" % int(time.time() + timeout)
    if context.directory is not None:
        directory = os.fsencode(context.directory)
        found[b"PEXEN_SHARED"] = directory + b"/shared.json"
        found[b"PEXEN_RESULTS"] = directory + _RESULTS
        found[b"PEXEN_ARTIFACTS"] = found[b"AUTOPKGTEST_ARTIFACTS"] = directory + b"/artifacts"
    if context.data is not None:
        found[b"PEXEN_DATA"] = found[b"TMT_TEST_DATA"] = os.fsencode(context.data)
    if context.params:
        found.update(_of_params(context.params))


def _of_params(params: Mapping[str, Any]) -> dict[bytes, bytes]:
    said = {_PARAM + variable_of(key).encode(): os.fsencode(_as_text(value)) for key, value in params.items()}
    return {**said, b"PEXEN_PARAMS": json.dumps(dict(params)).encode()}


def variable_of(key: str) -> str:
    """A parameter's key, as the end of a variable's name: `disk.kind` is DISK_KIND."""
    return re.sub(r"[^A-Z0-9_]", "_", key.upper())


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
