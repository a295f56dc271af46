"""The doctor on a box whose first process is systemd: what only systemd itself can say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.boots import machine, systemd
from tests.boots.box import Box, task
from tests.boots.systemd import NO_BOX, POWERED_OFF
from tests.crash.sessions import Nursery

_BOOT = """\
cd {disk}
mkdir -p /run/systemd/journald.conf.d /run/systemd/system
printf '[Journal]\\nStorage=none\\n' >/run/systemd/journald.conf.d/a.conf
printf '[Service]\\nExecStart={disk}/gone/python -m pexen_state\\n' >'/run/systemd/system/pexen@a\\x20b.service'
{pexen} doctor --json >doctor.json
echo $? >code
"""


@pytest.mark.skipif(
    (machine.why_not() or systemd.why_not()) is not None, reason="systemd cannot be the first process of namespaces"
)
def test_systemd_is_asked_and_what_it_says_is_told(disk: Path) -> None:
    with Nursery() as nursery:
        Box(nursery, disk, {"none": task()})
        for fake in ("systemctl", "journalctl"):
            (disk / "bin" / fake).unlink()
        (disk / "boot").write_text(_BOOT.format(disk=disk, pexen=f"{sys.executable} -m pexen_state"))
        ended = nursery.start("tests.boots.systemd:main", [str(disk), "boot-0"], disk).wait()
    if ended.code == NO_BOX:
        pytest.skip(f"systemd cannot be the first process of namespaces here: {ended.err.strip()}")
    assert ended.code == POWERED_OFF, (disk / "errors").read_text()

    found = {one["what"]: one for one in json.loads((disk / "doctor.json").read_text())["findings"]}

    assert (disk / "code").read_text() == "1\n"
    assert found["RuntimeWatchdogSec"]["says"].startswith("0")
    assert found["log of the box"]["says"] == "journald has Storage=none"
    assert found["cgroups"]["says"].startswith("version 2")
    assert found["service"]["level"] == "bad"
    assert f"{disk}/gone/python" in found["service"]["says"]
