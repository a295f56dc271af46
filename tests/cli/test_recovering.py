"""A lock that a task left dirty: who recovers it is told, and does it, over interruptions; a person may, too."""

from __future__ import annotations

from signal import SIGKILL

import pytest

from pexen_state.journal.care.check import check
from tests.cli.box import Box

DIRTY = """
import pexen_state

@pexen_state.task(claims={"/disk/one"}, priority=-1)
def breaks():
    raise RuntimeError("left in the middle")

@pexen_state.task(recovers=["/disk"], priority=1)
def repair():
    open("gate").read()

@pexen_state.task(claims={"/disk"}, priority=2)
def wants():
    pass
"""


def states(box: Box) -> dict[object, object]:
    return {key.rpartition("/")[2]: state for key, state in box.sql("SELECT task, state FROM tasks")}


def test_who_recovers_a_lock_does_so_after_its_runner_was_killed_too(box: Box):
    box.file("dirty.py", DIRTY)
    gate = box.gate()
    with box.started("run", "dirty.py", "-j", "1") as running:
        gate.reached()
        running.signal(SIGKILL)
        running.process.wait()

    locks = box.pexen("locks")
    breaks = box.pexen("why", "breaks")
    (left, *_) = [line for line in locks.out.splitlines() if "/disk/one" in line]
    assert "left dirty by dirty/breaks (error)" in left
    assert "dirty/repair may recover it." in locks.out
    assert "It still holds the lock /disk/one." in breaks.out
    assert "dirty/repair (submitted) recovers it when it passes." in breaks.out.replace("(running)", "(submitted)")

    with box.started("resume") as running:
        gate.reached()
        gate.let_go()
        assert running.ended().code == 1

    assert states(box) == {"breaks": "failed", "repair": "succeeded", "wants": "succeeded"}
    assert box.pexen("locks", "1").out == "no lock is held in run 1\n"
    assert check(box.journal) == []


@pytest.mark.parametrize("typed", ["/disk/one", "/disk//one/"])
def test_a_person_may_free_it_while_it_is_being_recovered(box: Box, typed: str):
    box.file("dirty.py", DIRTY)
    gate = box.gate()
    with box.started("run", "dirty.py", "-j", "1") as running:
        gate.reached()
        claimed = box.pexen("unlock", "/disk")
        freed = box.pexen("unlock", typed)
        gate.let_go()
        assert running.ended().code == 1

    assert claimed.code == 2
    assert "the lock /disk is held by dirty/repair, which has not ended: it is freed when that has" in claimed.err
    assert freed.out.startswith("the lock /disk/one of run 1 is free; dirty/breaks (error) had left it held.")
    assert states(box)["wants"] == "succeeded"
    assert check(box.journal) == []


def test_a_lock_of_a_task_that_waits_for_a_reboot_is_not_to_be_freed(box: Box):
    box.file("work.jsonl", '{"name": "asks", "cmd": "pexen reboot", "claims": ["boot"]}\n')
    assert box.pexen("run", "work.jsonl").code == 4

    done = box.pexen("unlock", "boot")

    assert done.code == 2
    assert (
        "the lock boot is held by asks, which goes on with it (rebooting): `pexen cancel asks` gives it up" in done.err
    )
