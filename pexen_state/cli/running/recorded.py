"""What is kept with a run about how it was started, so that `pexen resume` works from anywhere.

The directory, the parts of the environment that change what programs do, the umask and the resource limits; and
what was typed. Secrets do not belong here, so the environment as a whole is not kept.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pexen_state.cli.errors import UsageError
from pexen_state.cli.journals import current_directory
from pexen_state.cli.running.options import Options
from pexen_state.report.text import safe
from pexen_state.suite.targets import Target
from pexen_state.util import PexenWarning

_NAMES = ("PATH", "LANG", "LANGUAGE", "TZ", "HOME", "VIRTUAL_ENV", "PYTHONPATH")


def _unseen(name: str) -> ModuleType:
    """A module that is not found where modules are, unless somebody else has imported it.

    By that a worker knows whether a task may have changed its limits; to look at them all costs more than a task.
    """
    was_there = name in sys.modules
    module = importlib.import_module(name)
    if not was_there:
        del sys.modules[name]
    return module


resource = _unseen("resource")
_ALIASES = {"RLIMIT_OFILE"}  # of RLIMIT_NOFILE
_LIMITS = {
    name: getattr(resource, name)
    for name in sorted(dir(resource))
    if name.startswith("RLIMIT_") and name not in _ALIASES
}
#: With less than that pexen itself may not be able to run. Who gave it more since, to go on, is not to be overruled.
_ENOUGH = {"RLIMIT_NOFILE": 256, "RLIMIT_NPROC": 256}


@dataclass(frozen=True, slots=True)
class Recorded:
    """All of it."""

    targets: tuple[Target, ...]
    options: Options
    surroundings: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "targets": [target.as_json() for target in self.targets],
            **self.options.as_json(),
            "surroundings": dict(self.surroundings),
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any], run: int) -> Recorded:
        """Raises UsageError for a run that no command line began."""
        if not is_ours(said):
            raise UsageError(
                f"run {run} was begun by a program, not by `pexen run`: only that program knows its tasks. Start it "
                "again; with the same journal and name it goes on."
            )
        targets = tuple(map(Target.from_json, said["targets"]))
        return cls(targets, Options.from_json(said), said["surroundings"])


def is_ours(said: Mapping[str, Any]) -> bool:
    """Whether options in a journal are those of a run that a command line began."""
    return "targets" in said and "surroundings" in said


def surroundings() -> dict[str, Any]:
    """Those of this process."""
    umask = os.umask(0o077)  # there is no way to look at it; nobody else is here to make a file meanwhile
    os.umask(umask)
    return {
        "directory": current_directory(),
        "python": sys.executable,
        "environment": {name: os.environ[name] for name in sorted(os.environ) if _is_kept(name)},
        "umask": umask,
        "limits": {name: list(resource.getrlimit(limit)) for name, limit in _LIMITS.items()},
    }


def _is_kept(name: str) -> bool:
    return name in _NAMES or name.startswith("LC_")


def environment_of(kept: Mapping[str, Any], now: Mapping[str, str]) -> dict[str, str]:
    """An environment of now, with what was kept of that of the run in its place."""
    return {**{name: value for name, value in now.items() if not _is_kept(name)}, **kept["environment"]}


def restore(kept: Mapping[str, Any]) -> None:
    """Make this process as the one was that began the run. Warns of what cannot be had again."""
    directory = kept["directory"]
    try:
        os.chdir(directory)
    except OSError as error:
        raise UsageError(
            f"the run was begun in {safe(directory)}, and one cannot go there: {error.strerror}. Make it again, then "
            "`pexen resume`."
        ) from error
    for name in [name for name in os.environ if _is_kept(name)]:
        if name not in kept["environment"]:
            del os.environ[name]
    os.environ.update(kept["environment"])
    time.tzset()
    # Python looked at the variable when it started, which was before.
    for place in reversed(kept["environment"].get("PYTHONPATH", "").split(os.pathsep)):
        if place and place not in sys.path:
            sys.path.insert(0, place)
    os.umask(kept["umask"])
    lost = _restore_limits(kept["limits"])
    if lost:
        _warn(f"these resource limits of the run cannot be had again: {', '.join(lost)}")
    if kept["python"] != sys.executable:
        _warn(f"the run was begun with {safe(kept['python'])}, and goes on with {safe(sys.executable)}")


def _restore_limits(limits: Mapping[str, Sequence[int]]) -> list[str]:
    """Returns the names of those that this process may not set."""
    lost = []
    for name, (soft, hard) in limits.items():
        limit = _LIMITS.get(name)
        if limit is None or resource.getrlimit(limit) == (soft, hard):
            continue
        if soft != resource.RLIM_INFINITY and soft < _ENOUGH.get(name, 0):
            now = resource.getrlimit(limit)[0]
            soft = max(soft, _ENOUGH[name] if now == resource.RLIM_INFINITY else min(now, _ENOUGH[name]))
            hard = max(soft, hard) if hard != resource.RLIM_INFINITY else hard
        try:
            resource.setrlimit(limit, (soft, hard))
        except (OSError, ValueError):
            lost.append(name)
            _come_near(limit, soft)
    return lost


def _come_near(limit: int, soft: int) -> None:
    """Set what this process may: as much as was, up to the hard limit that it has."""
    hard = resource.getrlimit(limit)[1]
    unlimited = resource.RLIM_INFINITY
    may = hard == unlimited or (soft != unlimited and soft <= hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(limit, (soft if may else hard, hard))


def _warn(text: str) -> None:
    warnings.warn(text, PexenWarning, stacklevel=3)
