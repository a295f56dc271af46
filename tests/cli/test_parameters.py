"""Parameters of a run: what is typed, what tasks read, what a resume makes of it."""

from __future__ import annotations

import json

import pytest

from tests.cli.box import Box
from tests.cli.killing import kill_in_the_middle


def test_values_are_as_toml_would_have_them(box: Box):
    box.file("s.jobs", 'show: echo "$PEXEN_PARAM_DISK_KIND $PEXEN_PARAM_FAST $PEXEN_PARAMS" >out\n')
    words = ("disk.kind=nvme", "fast=true", "n=3", "x=1.5", 'text="3"', "odd=a=b", "empty=", "list=[1]")

    done = box.pexen("run", "s.jobs", *(word for one in words for word in ("-P", one)))

    assert done.code == 0, done.err
    kind, fast, params = (box.directory / "out").read_text().split(" ", 2)
    assert (kind, fast) == ("nvme", "true")
    expected = {"disk.kind": "nvme", "fast": True, "n": 3, "x": 1.5, "text": "3", "odd": "a=b", "empty": ""}
    assert json.loads(params) == {**expected, "list": "[1]"}
    assert json.loads(box.sql("SELECT params FROM runs")[0][0]) == json.loads(params)


@pytest.mark.parametrize(
    ("word", "said"),
    [("=1", "no name of a parameter"), ("a b=1", "no name of a parameter"), ("key", "say which value, -P key=VALUE")],
)
def test_what_is_no_parameter_is_refused(box: Box, word: str, said: str):
    box.file("s.jobs", "true\n")

    done = box.pexen("run", "s.jobs", "-P", word)

    assert done.code == 2
    assert said in done.err


def test_two_that_a_task_could_not_tell_apart_are_refused(box: Box):
    box.file("s.jobs", "true\n")

    done = box.pexen("run", "s.jobs", "-P", "a.b=1", "-P", "a_b=2")

    assert done.code == 2
    assert "-P a.b and -P a_b would both be told to tasks as PEXEN_PARAM_A_B" in done.err


def test_those_with_which_a_run_began_hold_to_its_end(box: Box):
    box.file("s.jobs", "one: true\ntwo: test ! -e gate || cat gate\nthree: echo $PEXEN_PARAM_KIND >out\n")
    kill_in_the_middle(box, "run", "s.jobs", "-j1", "-P", "kind=old")

    done = box.pexen("resume", "-P", "kind=new", "-P", "more=1")

    assert done.code == 0
    assert "Parameter kind is 'old', not 'new': it stays as it was when the run began." in done.err
    assert "Parameter more is not set, not 1: it stays as it was when the run began." in done.err
    assert (box.directory / "out").read_text() == "old\n"


def test_a_run_that_is_run_again_may_have_others(box: Box):
    box.file("s.jobs", "one: echo $PEXEN_PARAM_KIND $PEXEN_PARAM_MORE >>out\n")
    box.pexen("run", "s.jobs", "-P", "kind=old", "-P", "more=1")

    assert box.pexen("rerun", "-P", "kind=new").code == 0

    assert (box.directory / "out").read_text() == "old 1\nnew 1\n"
