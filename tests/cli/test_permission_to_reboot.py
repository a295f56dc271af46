"""Who may have the box rebooted: one runner of a box, whose journal survives that, and whom somebody goes on with."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pexen_state.box.mounts import VOLATILE, kind_of
from tests.cli.box import COMMAND, Box

ALLOWED = ("--allow-reboot", "--resume-by-hand")


def test_a_journal_that_a_reboot_would_take_away_is_refused(box: Box):
    memory = Path("/dev/shm")
    if kind_of(str(memory)) not in VOLATILE:
        pytest.skip("/dev/shm is no file system in memory here")
    box.file("s.jobs", "true\n")
    journal = memory / f"pexen-test-{os.getpid()}" / "journal.db"

    done = box.pexen("--journal", str(journal), "run", "s.jobs", *ALLOWED)

    assert done.code == 2
    assert "does not survive a reboot. Name another one with --journal." in done.err
    assert not journal.parent.exists()


def test_somebody_has_to_go_on_with_the_run(box: Box, alone: tuple[str, ...]):
    box.file("s.jobs", "true\n")

    done = box.pexen("run", "s.jobs", "--allow-reboot", prefix=alone)

    assert done.code == 2
    assert "nothing goes on with this run after a reboot. With --resume-by-hand you do" in done.err


def test_a_second_runner_that_may_reboot_the_box_is_refused_until_the_first_is_dead(box: Box, alone: tuple[str, ...]):
    gate = box.gate()
    box.file("first.jobs", f"waits: {gate.wait}\n")
    box.file("second.jobs", "true\n")
    second = ("--journal", "second.db", "run", "second.jobs", *ALLOWED)

    with box.started("run", "first.jobs", *ALLOWED, program=(*alone, *COMMAND)) as first:
        gate.reached()
        refused = box.pexen(*second, prefix=alone)
        wrote = (box.directory / "second.d").exists()
        others = box.pexen("--journal", "third.db", "run", "second.jobs", prefix=alone)
        first.signal(signal.SIGKILL)
        first.process.wait()
    allowed = box.pexen(*second, prefix=alone)

    assert refused.code == 6
    assert f"the process {first.process.pid} runs tasks that may reboot this box" in refused.err
    assert not wrote
    assert (others.code, allowed.code) == (0, 0)


def test_a_reboot_that_fails_is_said_to_its_task_and_the_others_run(box: Box, alone: tuple[str, ...]):
    box.file("s.jobs", "asks: pexen reboot\nother: true\n")

    done = box.pexen("run", "s.jobs", *ALLOWED, "--reboot-command", "sh -c 'echo no way >&2; exit 3'", prefix=alone)

    assert done.code == 1
    assert box.sql("SELECT task, verdict FROM tasks ORDER BY number") == [("asks", "error"), ("other", "pass")]
    ((reason,),) = box.sql("SELECT reason FROM tasks WHERE task = 'asks'")
    assert "exit 3: no way" in reason
    assert box.sql("SELECT how_ended FROM sessions") == [("finished",)]


def test_our_own_reboot_ends_us_in_good_order_and_costs_nothing(box: Box, alone: tuple[str, ...]):
    box.file("s.jobs", "asks: pexen reboot --mark two\nother: true\n")
    # What takes the box down tells everybody to end, us included.
    box.script("reboot", "kill -TERM $PPID")

    done = box.pexen("run", "s.jobs", *ALLOWED, "--reboot-command", str(box.directory / "reboot"), prefix=alone)

    assert done.code == 4
    assert "the box goes down, as tasks have asked. `pexen resume` goes on after the boot." in done.err
    assert "asked to end" not in done.err
    assert box.sql("SELECT how_ended FROM sessions") == [("rebooted",)]
    assert box.sql("SELECT state FROM tasks ORDER BY number") == [("rebooting",), ("succeeded",)]
    assert box.sql("SELECT crashes, failures FROM task ORDER BY id") == [(0, 0), (0, 0)]


def test_it_is_never_read_from_a_file_of_the_tree(box: Box):
    box.file("pexen.toml", "[run]\nallow_reboot = true\n")
    box.file("s.jobs", "true\n")

    done = box.pexen("run", "s.jobs")

    assert done.code == 2
    assert "allow_reboot" in done.err
