"""`pexen doctor` as it is typed: on this very machine, with journals that are whole, damaged, busy or not there."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pexen_state.box.mounts import VOLATILE, kind_of
from pexen_state.cli.doctor.examination import of_reboots
from pexen_state.cli.doctor.files import Files
from pexen_state.cli.doctor.reading import kernel, systemd
from pexen_state.sched.pool.tree import descendants
from tests.cli.box import Box
from tests.cli.hostility import is_harmless
from tests.cli.typed import typed


@pytest.fixture
def ran(box: Box) -> Box:
    box.file("s.jobs", "true\n")
    assert box.pexen("run", "s.jobs").code == 0
    return box


def levels(found: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {one["what"]: one["level"] for one in found["findings"]}


def examined(box: Box, *words: str) -> dict[str, list[dict[str, str]]]:
    done = box.pexen(*words, "doctor", "--json")
    assert done.err == ""
    code = int("warn" in done.out or "bad" in done.out)
    found = box.json(*words, "doctor", code=done.code)
    assert done.code <= code
    assert done.code == any(one["level"] in ("warn", "bad") for one in found["findings"])
    return found


def test_without_a_journal_the_box_alone_is_examined(box: Box):
    found = examined(box)

    assert found["journal"] is None
    assert levels(found)["journal"] == "note"
    assert not {"schema", "file system"} & set(levels(found))
    assert {"kernel.panic", "RuntimeWatchdogSec", "clock", "cgroups", "SQLite"} <= set(levels(found))
    assert not (box.directory / ".pexen").exists()


def test_a_whole_journal_is_told_in_words_and_as_json(ran: Box):
    found = examined(ran)
    text = ran.pexen("doctor")

    assert (levels(found)["journal"], levels(found)["schema"]) == ("ok", "ok")
    assert f"{ran.journal} (" in text.out
    assert len([line for line in text.lines if line[:4].strip()]) == len(found["findings"]) + 1
    assert text.lines[-1].startswith(f"{len(found['findings'])} things looked at, ")
    assert is_harmless(text.out)


def test_what_is_well_is_left_out_if_it_is_to_be_quiet(ran: Box):
    troubles = [one for one in examined(ran)["findings"] if one["level"] in ("warn", "bad")]

    said = ran.pexen("-q", "doctor").lines

    assert [line.split()[0] for line in said if line[0] != " "][:-1] == [one["level"].upper() for one in troubles]


def test_nothing_is_changed(ran: Box):
    def everything() -> dict[str, bytes]:
        files = (path for path in ran.journal.parent.rglob("*") if path.is_file())
        # Who reads a write-ahead log needs these two, as SQLite does it.
        return {str(path): path.read_bytes() for path in files if not path.name.endswith(("-shm", "-wal"))}

    before = everything()
    ran.pexen("doctor")
    assert everything() == before


def test_a_named_journal_that_is_not_there(box: Box):
    found = examined(box, "--journal", "nowhere.db")

    assert levels(found)["journal"] == "warn"
    assert not (box.directory / "nowhere.db").exists()


def test_a_damaged_journal(ran: Box):
    data = ran.journal.read_bytes()
    ran.journal.write_bytes(data[: len(data) // 2])

    done = ran.pexen("doctor")

    assert done.code == 1
    assert done.out.startswith("BAD   journal ")
    assert "mend: restore a copy made by `pexen db backup`" in done.out
    assert ran.journal.read_bytes() == data[: len(data) // 2]


def test_a_page_in_the_middle_that_is_nonsense(ran: Box):
    data = bytearray(ran.journal.read_bytes())
    with closing(sqlite3.connect(f"file:{ran.journal}?mode=ro", uri=True)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'task'").fetchall()
    data[4096 * (page - 1) : 4096 * page] = b"\x1b[31m::error::" * 315 + b"x"
    ran.journal.write_bytes(data)

    done = ran.pexen("doctor")

    assert done.code == 1
    assert done.out.startswith("BAD   journal ")
    assert is_harmless(done.out)


def test_a_clock_that_went_back(ran: Box):
    with closing(sqlite3.connect(ran.journal)) as connection, connection:
        connection.execute("UPDATE session SET ended_us = ended_us + 1000000000000")

    (found,) = (one for one in examined(ran)["findings"] if one["what"] == "clock")

    assert found["level"] == "warn"
    assert "before the newest entry" in found["says"]


def test_what_a_killed_run_has_left_is_named_and_a_resume_takes_it_away(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"waits: test -e go || {gate.wait}\n")
    with box.started("run", "s.jobs") as running:
        gate.reached()
        alive = examined(box)
        below = descendants(running.process.pid)
        (task,) = (one for one in below if one.name == "cat")
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: none gets to end another
            for pid in (running.process.pid, *(one.pid for one in below if one.pid != task.pid)):
                os.kill(pid, number)
        running.process.wait()
        dead = examined(box)
    box.file("go", "")
    code = box.pexen("resume").code
    after = examined(box)

    def left(found: dict[str, list[dict[str, str]]]) -> str:
        # Others' sockets in the directory of temporary files are no concern of this test.
        return "; ".join(
            f"{one['says']} {one['mend']}"
            for one in found["findings"]
            if one["what"] == "leftovers" and "sockets" not in one["says"]
        )

    assert "there still run" not in left(alive)
    assert f"cat (pid {task.pid})" in left(dead)
    assert f"kill {task.pid}" in left(dead)
    assert "journal.db.reserve" in left(dead)
    assert code == 0
    assert "journal.db" not in left(after)


def test_a_journal_of_an_older_schema(box: Box):
    old = Path(__file__).parents[1] / "journal" / "fixtures" / "journal-0001.db"
    shutil.copyfile(old, box.directory / "old.db")

    found = {one["what"]: one for one in examined(box, "--journal", "old.db")["findings"]}

    assert found["journal"]["level"] == "ok"
    assert found["schema"]["level"] == "note"
    assert "db upgrade" in found["schema"]["mend"]


def test_a_journal_in_memory(box: Box):
    memory = Path("/dev/shm")
    if kind_of(str(memory)) not in VOLATILE:
        pytest.skip("/dev/shm is no file system in memory here")

    found = {one["what"]: one for one in examined(box, "--journal", str(memory / "no" / "journal.db"))["findings"]}

    assert found["file system"]["level"] == "warn"
    assert "power loss" in found["file system"]["matters"]


def test_a_run_that_may_reboot_says_once_what_would_hurt_it(box: Box, alone: tuple[str, ...]):
    box.file("s.jobs", "one: true\nasks: pexen reboot\n")
    box.script("reboot", "kill -TERM $PPID")
    hurts = of_reboots(kernel(Files()), systemd(Files()))
    words = ("--allow-reboot", "--resume-by-hand", "--reboot-command", str(box.directory / "reboot"))

    first = box.pexen("run", "s.jobs", *words, prefix=alone)
    again = box.pexen("resume", prefix=alone)
    without = box.pexen("run", "s.jobs", prefix=alone)

    said = "pexen: warning: --allow-reboot: this box may not come back"
    assert first.code == 4
    assert first.err.count(said) == bool(hurts)
    assert all(f"{one.what}: {one.says}" in first.err for one in hurts)
    assert said not in again.err + without.err
    found = {one["what"]: one["level"] for one in examined(box)["findings"]}
    assert all(found[one.what] == "warn" for one in hurts)


def test_a_unit_whose_interpreter_is_gone(box: Box):
    missing = box.directory / "venv/bin/python"
    box.file(
        ".config/systemd/user/pexen@mine.service",
        f"[Service]\nExecStart=:{missing} -m pexen_state --journal {box.journal} resume --all --unattended\n",
    )
    environment = {"XDG_CONFIG_HOME": ""}
    done = box.pexen("doctor", env=environment)
    box.script("venv/bin/python")
    mended = box.pexen("doctor", env=environment)

    assert done.code == 1
    assert f"pexen@mine.service starts what is not there, or cannot be run: {missing}" in done.out
    assert "what is not there" not in mended.out
    assert "pexen@mine.service is not enabled" in mended.out


def test_hostile_names_do_no_harm(box: Box):
    name = "\x1b]0;owned\x07\n::error::x\u202e"
    box.file(f".config/systemd/user/pexen@{name}.service", b"[Service]\nExecStart=/\x1b[31m/\xff\x9b31m ::error::\n")

    done = typed(box.directory, "--journal", f"{name}.db", "doctor")
    as_json = typed(box.directory, "--journal", f"{name}.db", "doctor", "--json")

    assert "owned" in done.out
    assert is_harmless(done.out)
    assert is_harmless(as_json.out)


def test_a_directory_is_no_journal(box: Box):
    done = box.pexen("--journal", ".", "doctor")

    assert (done.code, done.out) == (2, "")
