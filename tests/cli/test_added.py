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
    kill_in_the_middle(box, "run", suite, shown="leaf0")

    planned = box.pexen("resume", "--plan")
    done = box.pexen("resume")

    assert "running when it was left: run again" in planned.out
    assert "leaf2" in planned.out
    assert "gone" not in planned.out
    assert done.code == 0, done.out + done.err
    assert "run 1: 4 tasks: 4 pass" in done.out
    assert [attempts for (attempts,) in box.sql("SELECT attempts FROM tasks ORDER BY number")] == [1, 1, 2, 1]


GROWING = """
import os
import pexen_state


@pexen_state.task
def root():
    pexen_state.current().add_task(branch, name="branch")


@pexen_state.task
def beside():
    pass


@pexen_state.task(enabled=False)
def branch():
    pexen_state.current().add_task(leaf, name="leaf")


@pexen_state.task(enabled=False)
def leaf():
    assert os.path.exists("mended")
"""


@pytest.mark.parametrize("words", [("rerun", "--failed"), ("run", "grows", "--lf")])
def test_what_failed_is_run_again_by_whoever_in_the_suite_adds_it(box: Box, words: tuple[str, ...]):
    box.file("grows/__init__.py", GROWING)
    assert box.pexen("run", "grows").code == 1
    box.file("mended", "")

    done = box.pexen(*words)

    assert done.code == 0, done.out + done.err
    assert box.sql("SELECT task FROM tasks WHERE run = 2 ORDER BY number") == [("root",), ("branch",), ("leaf",)]
    assert "no longer" not in done.err


def test_all_of_a_run_again_is_its_suite_and_what_that_adds(box: Box):
    box.file("grows/__init__.py", GROWING)
    box.file("mended", "")
    assert box.pexen("run", "grows").code == 0

    done = box.pexen("rerun")

    assert done.code == 0
    assert done.err == ""
    for run in (1, 2):
        found = box.sql(f"SELECT task FROM tasks WHERE run = {run} ORDER BY number")
        assert found == [("beside",), ("root",), ("branch",), ("leaf",)]
