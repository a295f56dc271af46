"""A place for units that is not this machine's: another /etc/systemd/system, and a systemctl that is recorded.

Units are enabled by the real systemctl, which then only makes links. Nothing is started.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.box import Box, Ended

_SYSTEMCTL = """\
user=
[ "$1" = --user ] && {{ user=--user; shift; }}
echo "$user $*" >>'{log}'
verb=$1; shift
case $verb in
enable|disable)
    [ "$1" = --now ] && shift
    SYSTEMD_OFFLINE=1 exec {real} $user $verb "$@" ;;
show) cat '{shown}' ;;
start) [ ! -e '{refuse}' ] || {{ echo "Job failed." >&2; exit 1; }} ;;
esac
"""


class Units:
    def __init__(self, box: Box) -> None:
        self._box = box
        self.system = box.directory / "etc-systemd"
        self.system.mkdir()
        self.user = box.directory / ".config/systemd/user"
        self._log = box.file("systemctl.log", "")
        self.shown = box.file("systemctl.shown", "ActiveState=active\nStatusText=run 1, \x1b[31msuite x\n")
        self.refuse = box.directory / "refuse"
        real = shutil.which("systemctl")
        box.script("bin/systemctl", _SYSTEMCTL.format(log=self._log, shown=self.shown, refuse=self.refuse, real=real))
        (box.directory / "run/systemd").mkdir(parents=True)
        self._environment = {
            "PATH": f"{box.directory}/bin:{box.environment['PATH']}",
            "XDG_RUNTIME_DIR": str(box.directory / "run"),
        }
        self.is_there = True  #: whether the service manager of the box runs

    @property
    def prefix(self) -> tuple[str, ...]:
        mounts = f"mount --bind '{self.system}' /etc/systemd/system && mount -t tmpfs tmpfs /run"
        directories = "mkdir -p /run/lock" + (" /run/systemd/system" if self.is_there else "")
        return "unshare", "--mount", "sh", "-c", f'{mounts} && {directories} && exec "$@"', "sh"

    def pexen(self, *words: str, **options: Any) -> Ended:
        env = {**self._environment, **options.pop("env", {})}
        return self._box.pexen(*words, env=env, prefix=self.prefix, **options)

    def told(self) -> list[str]:
        """What systemctl was told since this was asked last, without questions."""
        lines = [line.strip() for line in self._log.read_text().splitlines()]
        self._log.write_text("")
        return [line for line in lines if not line.removeprefix("--user ").startswith("show")]

    def files(self) -> list[str]:
        """Of the box and of the user, links included."""
        found = []
        for directory in (self.system, self.user):
            if directory.exists():
                found += [str(one.relative_to(directory)) for one in sorted(directory.rglob("*")) if not one.is_dir()]
        return found


def why_not() -> str | None:
    """Why there can be no such place here."""
    if shutil.which("systemctl") is None:
        return "systemctl is not installed here"
    if not Path("/etc/systemd/system").is_dir():
        return "there is no /etc/systemd/system to be hidden"
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/run"]
    if shutil.which("unshare") is None or subprocess.run(tried, capture_output=True).returncode:
        return "this machine lets us make no name spaces of mounts"
    return None


@pytest.fixture
def units(box: Box) -> Units:
    if (why := why_not()) is not None:
        pytest.skip(why)
    return Units(box)
