"""A service of somebody who is not root, under a service manager of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.boots.systemd import POWERED_OFF
from tests.boots.test_installed import boot, printed
from tests.crash.sessions import Nursery
from tests.wheels import build, install

_DRIVER = """\
set -x
trap 'systemctl poweroff' EXIT
me=1234 home={disk}/home
echo "tester:x:$me:$me::$home:/bin/sh" >>/etc/passwd
echo "tester:x:$me:" >>/etc/group
mkdir -p /run/user/$me $home
mv s.jobs $home
chown -R $me:$me /run/user/$me $home
chmod 700 /run/user/$me $home
systemd-run --unit=manager --uid=$me --gid=$me -p Delegate=yes -E XDG_RUNTIME_DIR=/run/user/$me -E HOME=$home \\
    -E SYSTEMD_LOG_TARGET=console -p StandardError=append:{disk}/errors \\
    /usr/lib/systemd/systemd --user || exit
for n in $(seq 100); do [ ! -S /run/user/$me/systemd/private ] || break; sleep 0.1; done
me() {{
    setpriv --reuid $me --regid $me --clear-groups env -i HOME=$home XDG_RUNTIME_DIR=/run/user/$me PATH="$PATH" "$@"
}}
cd $home
me pexen service install mine || exit
me pexen --journal @mine run s.jobs --detach --on-finish "touch $home/over" || exit
for n in $(seq 300); do [ ! -e over ] || break; sleep 0.1; done
me pexen --journal @mine sql --json 'SELECT task, verdict FROM tasks ORDER BY number' >../tasks
me pexen --journal @mine sql --json "SELECT count(*) FROM results WHERE name = 'usage'" >../used
me pexen service list --json >../listed
me pexen service remove mine
find $home/.config -not -type d >../left
me systemctl --user list-units --all --plain --no-legend 'pexen*' >>../left
"""


def test_a_user_has_services_of_their_own(
    systemd_nursery: Nursery, disk: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk.chmod(0o755)
    install(Path(build("wheel", tmp_path_factory.mktemp("wheel"))), disk / "venv")
    (disk / "s.jobs").write_text("who: test $(id -u) = 1234\nwrites: touch $HOME/mine\nfails: false\n")
    (disk / "driver").write_text(_DRIVER.format(disk=disk))

    assert boot(systemd_nursery, disk, 0) == POWERED_OFF, printed(disk)

    assert (disk / "tasks").exists(), printed(disk)
    rows = json.loads((disk / "tasks").read_text())["rows"]
    assert rows == [["who", "pass"], ["writes", "pass"], ["fails", "fail"]]
    assert json.loads((disk / "used").read_text())["rows"] == [[3]]
    assert (disk / "home/mine").exists()
    assert "mine" in (disk / "listed").read_text()
    assert (disk / "left").read_text() == ""
