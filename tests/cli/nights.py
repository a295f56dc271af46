"""A journal with rows of every kind, made by real runs: the nights of a small suite.

Run 1 fails here and there, is killed in the middle, and is resumed. Run 2 is the same suite after some mending. Run 3
runs again what failed in it. Run 4 is another suite, with one task of the same name.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.cli.box import Box

_GATE = "gate"

#: key -> command and metadata, in this order. `fixed` is a file that the mending of the second night makes.
TASKS: dict[str, dict[str, object]] = {
    "setup/net": {"cmd": "echo up", "provides": ["net"]},
    "net/dhcp/renew": {"cmd": "test -e fixed || { echo no lease; exit 3; }", "requires": ["net"]},
    "net/dns": {"cmd": 'test -e fixed || test "$PEXEN_ATTEMPT" = 2', "requires": ["net"], "retries": 1},
    "db/start": {"cmd": "test -e fixed", "provides": ["db"]},
    "db/query": {"cmd": "true", "requires": ["db"]},
    "raid/rebuild": {"cmd": "test -e fixed || sleep 600", "claims": ["/dev/md0"], "timeout": 1},
    "raid/check": {"cmd": "true", "uses": ["/dev/md0"]},
    "kernel/module": {
        "cmd": f'test "$PEXEN_ATTEMPT" = 2 || test -e fixed || cat {_GATE}',
        "after": ["net/dns"],  # whose attempts are over then: what waits behind this one goes down with its run
    },
    "kernel/oops": {"cmd": "kill -SEGV $$"},
    "time/sync": {"cmd": "test ! -e fixed"},
}
GONE = "old/floppy"  # is in the first night alone
ADDED = "new/nvme"  # is in the second night alone


def make(directory: Path) -> Box:
    """About 4 seconds."""
    box = Box(directory)
    box.environment = {
        name: value
        for name, value in box.environment.items()
        if not name.startswith("PEXEN_") and name not in ("STATE_DIRECTORY", "NO_COLOR", "FORCE_COLOR")
    }
    gate = box.gate(_GATE)
    box.script("box/fs/xfs", "exit 77")
    box.script("box/fs/ext4")
    _write(box, {**TASKS, GONE: {"cmd": "true"}})
    suite = ("box", "night.jsonl", "--name", "nightly", "-j1")
    with box.started("run", *suite) as run:
        gate.reached()
        box.until_quiet()  # what has ended is not to be run again
        run.signal(signal.SIGKILL)
        run.process.wait()
        gate.let_go()
    assert box.pexen("resume").code == 1
    box.file("fixed", "")
    box.script("box/fs/ext4", "true")
    _write(box, {**TASKS, ADDED: {"cmd": "exit 4"}})
    assert box.pexen("run", *suite).code == 1
    assert box.pexen("rerun", "2", "--failed").code == 1
    box.file("weekly.jobs", "net/dns: true\nsoak: true\n")
    assert box.pexen("run", "weekly.jobs", "-j1").code == 0
    return box


def _write(box: Box, tasks: dict[str, dict[str, object]]) -> None:
    box.file("night.jsonl", "".join(json.dumps({"name": key, **task}) + "\n" for key, task in tasks.items()))
