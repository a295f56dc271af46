"""Boots with systemd: the box is really rebooted by `systemctl reboot`, and really shut down by somebody else."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from tests.boots.box import Box, task
from tests.boots.systemd import NO_BOX, POWERED_OFF, REBOOTED
from tests.crash.sessions import Nursery

_BOOT = """\
if [ -e journal.db ]
then exec {pexen} resume --all --unattended --boot-grace none
else exec {pexen} run boots.jsonl -j 2 --allow-reboot --resume-by-hand
fi
"""


def test_a_service_goes_on_after_a_reboot_that_a_task_asks_for_and_after_a_shutdown_by_somebody_else(
    systemd_nursery: Nursery, disk: Path
) -> None:
    asks = '[ "$PEXEN_REBOOT_COUNT" = 1 ] || reboot_marked one'
    somebody = "[ $(seen 'S somebody') -ge 2 ] || { systemctl poweroff; sleep 60; }"
    tasks = {
        "asks": task(asks, claims=["/box"]),
        "somebody": task(somebody, claims=["/box"], max_crashes=0),
        "other": task(priority=1, claims=["/box"]),
    }
    box = Box(systemd_nursery, disk, tasks)
    for fake in ("systemctl", "journalctl"):
        (disk / "bin" / fake).unlink()
    (disk / "boot").write_text(_BOOT.format(pexen=f"{sys.executable} -m pexen_state --journal {disk}/journal.db"))

    downs = []
    for boot in itertools.count():
        ended = systemd_nursery.start("tests.boots.systemd:main", [str(disk), f"boot-{boot}"], disk).wait()
        if ended.code == NO_BOX and not boot:
            pytest.skip(f"systemd cannot be the first process of namespaces here: {ended.err.strip()}")
        downs.append(ended.code)
        assert ended.code in (REBOOTED, POWERED_OFF), (ended, (disk / "errors").read_text())
        if box.sessions()[-1] == "finished":
            break
        assert boot < 9

    assert downs == [REBOOTED, POWERED_OFF, POWERED_OFF]  # the last one when the service had ended
    assert box.sessions() == ["rebooted", "shutdown", "finished"]
    assert set(box.ends().values()) == {("succeeded", "pass")}
    assert box.told("asks") == ["0:", "1:one"]
    assert box.causes("somebody") == ["stopped", "returned"]
    assert box.violations() == []
