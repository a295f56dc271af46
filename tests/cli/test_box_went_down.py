"""What people read when the box went down: the session of another boot is made of one of this boot."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing

from tests.cli.box import Box
from tests.cli.killing import kill_in_the_middle

WITNESS = 'echo "$PEXEN_TASK" >> "$HOME/witness"'


def new_boot(box: Box) -> None:
    """As if the last session had been in another boot, and its keeper had gone down with the box."""
    with closing(sqlite3.connect(box.journal)) as connection, connection:
        connection.execute("UPDATE session SET boot_id = 'boot ' || id WHERE id = (SELECT max(id) FROM session)")


def crashed(box: Box) -> None:
    box.script("suite/1", WITNESS)
    box.script("suite/2", f"test ! -e ../gate || cat ../gate; {WITNESS}")
    box.script("suite/3", WITNESS)
    kill_in_the_middle(box, "run", "suite")
    new_boot(box)


def test_resume_says_that_the_box_crashed_and_who_goes_first(box: Box):
    crashed(box)

    done = box.pexen("resume")

    assert done.code == 0
    said = r"run 1 was cut off at \d\d:\d\d:\d\d: the box crashed or lost power \(new boot, no shutdown recorded\)\."
    assert re.fullmatch(said, done.lines[1])
    assert done.lines[2].endswith(
        "2 may have been running: suite/2 suite/3. They go first, one at a time, to find the culprit."
    )
    assert "pexen: trying 1 of " in done.err
    assert "pexen: no task is under suspicion any more: the others go on." in done.err
    assert "the box crashed or lost power" in box.pexen("show", "suite/2").out
    assert box.sql("SELECT how_ended FROM sessions ORDER BY id") == [("crashed",), ("finished",)]


def test_without_permission_the_run_waits_for_a_reboot_and_everybody_says_so(box: Box):
    box.script("suite/asks", "test -n \"$PEXEN_REBOOT_MARK\" || pexen reboot --mark 'two\x1b[31m'")
    box.script("suite/other", "exit 0")

    done = box.pexen("run", "suite")

    assert done.code == 4
    assert "suite/asks asks for a reboot, and the rest has run." in done.err
    told = [box.pexen(*words).out for words in (["status"], ["why", "asks"], ["show", "asks"], ["runs"])]
    assert "suite/asks (mark two\\x1b[31m) waits for a reboot" in told[0]
    assert "asked for a reboot, with the mark two\\x1b[31m, and waits for it." in told[1]
    assert "asked for a reboot, with the mark two\\x1b[31m" in told[2]
    assert "awaits reboot" in told[3]
    assert not [text for text in (*told, done.out, done.err) if "\x1b" in text]
    status = json.loads(box.pexen("status", "--json").out)
    assert status["awaiting_reboot"] == [{"task": "suite/asks", "mark": "two\x1b[31m", "reboots": 1}]
    new_boot(box)

    done = box.pexen("resume")

    assert done.code == 0
    assert done.lines[1].endswith("suite/asks (mark two\\x1b[31m) asks for a reboot, which the box has had since.")
