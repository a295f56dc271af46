"""The service manager, asked and told by its own program."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from pexen_state.service.errors import SystemdError
from pexen_state.service.names import Scope

_PROGRAM = "systemctl"


class Systemctl:
    """Of one scope. Raises SystemdError for all that fails."""

    def __init__(self, scope: Scope, environ: Mapping[str, str]) -> None:
        self._scope = scope
        self._environ = dict(environ)
        if scope.is_user:  # who became this user by su has none
            self._environ.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")

    @property
    def is_there(self) -> bool:
        """Whether the service manager runs. Without it, units can be written and enabled all the same."""
        if self._scope.is_user:
            return os.path.isdir(os.path.join(self._environ["XDG_RUNTIME_DIR"], "systemd"))
        return os.path.isdir("/run/systemd/system")

    def require(self) -> None:
        """Raises SystemdError if there is no service manager to be told anything."""
        if not self.is_there:
            raise SystemdError(
                f"no {self._scope.word} service manager of systemd runs here, so nothing can be started as a service. "
                "`pexen run` runs it in front of you."
            )

    def call(self, *words: str) -> str:
        """What it prints."""
        argv = [_PROGRAM, *(["--user"] if self._scope.is_user else []), *words]
        try:
            done = subprocess.run(
                argv,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise SystemdError(f"{_PROGRAM} cannot be run: {error.strerror}. Is this box run by systemd?") from error
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
            raise SystemdError(f"{' '.join(argv)}: {said}")
        return done.stdout

    def reload(self) -> None:
        """Have it read its units again, if it is there."""
        if self.is_there:
            self.call("daemon-reload")

    def properties(self, unit: str, *wanted: str) -> dict[str, str]:
        """Of a unit, by name; none of what it does not know."""
        lines = self.call("show", "--property", ",".join(wanted), "--", unit).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)
