"""Tasks that add others, run from the command line: shown, counted, and there again when the run is resumed."""

from __future__ import annotations

import pytest

from tests.cli.box import Box
from tests.cli.killing import kill_in_the_middle

ADDER = """
import os
import pexen_state


@pexen_state.task(name="adder")
def adder():
    me = pexen_state.current()
    for number in range(3):
        me.add_task(leaf, name=f"leaf{number}", kwargs={"number": number}, priority=number)


@pexen_state.task(enabled=False)
def leaf(*, number):
    if number == 1 and os.path.exists("gate"):
        open("gate").read()
    print("leaf", number)
"""


@pytest.fixture
def suite(box: Box) -> str:
    box.file("grows/__init__.py", ADDER)
    return "grows"


def test_they_are_counted_and_listed_like_any_other(box: Box, suite: str):
    done = box.pexen("run", suite)

    assert done.code == 0, done.out + done.err
    assert "run 1: 4 tasks: 4 pass" in done.out
    assert "4/4 leaf2" in done.out
    assert box.keys() == ["adder", "leaf0", "leaf1", "leaf2"]
    assert "leaf 2\n" in box.pexen("logs", "leaf2").out
    assert box.pexen("db", "check").code == 0


def test_they_are_there_again_when_the_run_is_resumed(box: Box, suite: str):
    kill_in_the_middle(box, "run", suite)

    planned = box.pexen("resume", "--plan")
    done = box.pexen("resume")

    assert "running when it was left: run again" in planned.out
    assert "leaf2" in planned.out
    assert "gone" not in planned.out
    assert done.code == 0, done.out + done.err
    assert "run 1: 4 tasks: 4 pass" in done.out
    assert [attempts for (attempts,) in box.sql("SELECT attempts FROM tasks ORDER BY number")] == [1, 1, 2, 1]
