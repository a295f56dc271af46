"""What people read when the box went down: the session of another boot is made of one of this boot."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from pexen_state.journal.records import HowEnded
from tests.cli.box import Box
from tests.cli.killing import kill_in_the_middle

WITNESS = 'echo "$PEXEN_TASK" >> "$HOME/witness"'


def new_boot(box: Box) -> None:
    """As if the last session had been in another boot, and its keeper had gone down with the box."""
    with closing(sqlite3.connect(box.journal)) as connection, connection:
        connection.execute("UPDATE session SET boot_id = 'boot ' || id WHERE id = (SELECT max(id) FROM session)")


def crashed(box: Box, **options: object) -> None:
    box.script("suite/1", WITNESS)
    box.script("suite/2", f"test ! -e ../gate || cat ../gate; {WITNESS}")
    box.script("suite/3", WITNESS)
    kill_in_the_middle(box, "run", "suite", **options)
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


def how_left(box: Box) -> str:
    """What a resume says of the last session, without the time of day."""
    said = next(line for line in box.pexen("resume").lines if line.startswith("run 1 was "))
    return re.sub(r"\d\d:\d\d:\d\d", "TIME", said)


def set_session(box: Box, **columns: object) -> None:
    with closing(sqlite3.connect(box.journal)) as connection, connection:
        told = ", ".join(f"{name} = ?" for name in columns)
        connection.execute(
            f"UPDATE session SET {told} WHERE id = (SELECT max(id) FROM session)", tuple(columns.values())
        )


def test_a_box_that_somebody_else_shut_down_is_told_apart_from_one_that_crashed(box: Box):
    crashed(box)
    set_session(box, how_ended=int(HowEnded.SHUTDOWN), ended_us=1)

    assert how_left(box) == "run 1 was ended at 1970-01-01 TIME: the box was shut down or rebooted, by somebody else."
    assert box.sql("SELECT DISTINCT cause FROM attempts WHERE cause NOT IN ('returned')") == [("shut_down",)]


def test_a_box_that_was_rebooted_for_a_task_says_for_which(box: Box):
    box.script("suite/asks", 'test -n "$PEXEN_REBOOT_MARK" || pexen reboot --mark two')
    box.pexen("run", "suite")
    new_boot(box)
    set_session(box, how_ended=int(HowEnded.REBOOTED))

    assert how_left(box) == "run 1 was left at TIME: the box was rebooted for suite/asks (mark two)."


def test_a_box_that_was_to_be_rebooted_and_is_still_up_is_not_said_to_have_been(box: Box):
    box.script("suite/asks", 'test -n "$PEXEN_REBOOT_MARK" || pexen reboot')
    box.pexen("run", "suite")
    set_session(box, how_ended=int(HowEnded.REBOOTED))

    assert how_left(box) == (
        "run 1 was left at TIME: the box was to be rebooted for suite/asks, and has not gone down since."
    )


def test_a_runner_that_was_killed_and_decided_nothing_does_not_hide_that_the_box_crashed(box: Box):
    crashed(box)
    with closing(sqlite3.connect(box.journal)) as connection, connection:
        names = [name for _, name, *_ in connection.execute("PRAGMA table_info(session)")]
        others = [name for name in names if name not in ("id", "boot_id", "how_ended", "first_seq", "pid")]
        kept = ", ".join(others)
        connection.execute(
            f"INSERT INTO session (boot_id, how_ended, first_seq, pid, {kept})"
            f" SELECT ?, NULL, (SELECT max(seq) + 1 FROM transition), 1, {kept} FROM session",
            (Path("/proc/sys/kernel/random/boot_id").read_text().strip(),),
        )

    assert how_left(box) == (
        "run 1 was cut off at TIME: the box crashed or lost power (new boot, no shutdown recorded)."
    )


def test_a_parked_run_says_why_and_is_left_alone_by_resume_all(box: Box):
    crashed(box)
    with closing(sqlite3.connect(box.journal)) as connection, connection:
        names = ", ".join(name for _, name, *_ in connection.execute("PRAGMA table_info(session)") if name != "id")
        for _ in range(3):
            connection.execute(f"INSERT INTO session ({names}) SELECT {names} FROM session WHERE id = 1")
        last = "(SELECT max(seq) FROM transition)"
        connection.execute(f"UPDATE session SET first_seq = {last} + 1, last_seq = {last}, how_ended = 9 WHERE id > 1")
        connection.execute("UPDATE session SET how_ended = 9, boot_id = 'boot ' || id")

    parked = box.pexen("resume", "--all")
    alone = box.pexen("resume", "--all")
    status = box.pexen("status")
    goes_on = box.pexen("resume")

    assert parked.code == 4
    assert "run 1 is parked: 3 sessions in a row were crashed with the box" in parked.err
    assert alone.code == 5
    assert "is left alone: it is parked." in alone.err
    assert "parked" in status.out
    assert goes_on.code == 0, goes_on.err


def test_whom_the_kernel_named_in_its_last_words_is_said(box: Box):
    crashed(box, env={"PATH": f"{box.directory}/bin:{os.environ['PATH']}"})
    said = "[1.1] box kernel: BUG: unable to handle page fault\n[1.2] box kernel: CPU: 0 PID: 1 Comm: 2 Not tainted\n"
    box.script("bin/journalctl", f"printf '%s' '{said}'")

    done = box.pexen("resume")

    assert done.code == 0
    assert done.lines[2].endswith("to find the culprit. The kernel's last words name suite/2.")
    assert "its kernel said: BUG: unable to handle page fault" in box.pexen("show", "suite/2").out
