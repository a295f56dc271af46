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


def test_what_is_typed_is_of_the_type_that_the_settings_declare(box: Box):
    box.file("pexen.toml", '[run.params]\nrelease = "11"\nn = 3\nfast = false\n[run.params.disk]\nkind = "sata"\n')
    box.file("s.jobs", "true\n")

    assert box.pexen("run", "s.jobs", "-P", "release=12", "-P", "n=4", "-P", "other=5").code == 0

    expected = {"release": "12", "n": 4, "fast": False, "disk.kind": "sata", "other": 5}
    assert json.loads(box.sql("SELECT params FROM runs")[0][0]) == expected


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("n=many", "-P n=many: n is a number here, such as 3"),
        ("n=true", "-P n=true: n is a number here, such as 3"),
        ("fast=1", "-P fast=1: fast is true or false here, such as false"),
    ],
)
def test_what_is_of_another_type_than_declared_is_refused(box: Box, word: str, said: str):
    box.file("pexen.toml", "[run.params]\nn = 3\nfast = false\n")
    box.file("s.jobs", "true\n")

    done = box.pexen("run", "s.jobs", "-P", word)

    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.toml", 'n = 1\ntext = "1"\n[disk]\nkind = "nvme"\nfast = true\n'),
        ("p.json", '{"n": 1, "text": "1", "disk": {"kind": "nvme", "fast": true}}'),
    ],
)
def test_a_file_of_them_comes_after_what_is_typed_and_before_the_settings(box: Box, name: str, text: str):
    box.file("pexen.toml", "[run.params]\nn = 7\nmine = 8\n")
    box.file("s.jobs", "true\n")
    box.file(name, text)

    assert box.pexen("run", "s.jobs", "--params", name, "-P", "disk.kind=sata").code == 0

    expected = {"n": 1, "mine": 8, "text": "1", "disk.kind": "sata", "disk.fast": True}
    assert json.loads(box.sql("SELECT params FROM runs")[0][0]) == expected


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.toml", "n = \n", "p.toml, line 1: this is no TOML"),
        ("p.json", "{", "p.json, line 1: this is no JSON"),
        ("p.json", "[1]", "parameters are a table of names and values"),
        ("p.json", '{"n": null}', "n is to be a text, a number, true or false, not None"),
        ("p.toml", "n = [1]", "p.toml, line 1: n is to be a text, a number, true or false, not [1]"),
        ("p.toml", "n = 2026-01-01", "n is to be a text, a number, true or false, not datetime.date"),
        ("p.toml", '"a b" = 1', "'a b' is no name of a parameter"),
        ("p.toml", "a-b = 1\na_b = 2", "would both be told to tasks as PEXEN_PARAM_A_B"),
        ("p.json", '{"a": "\\ud800"}', "a is to be a text"),
        ("p.json", "{" * 5000, "p.json, line 1: this is no JSON"),
        ("p.toml", b"\xff", "p.toml, line 1: this is no TOML"),
        ("p.toml", 'declared = "x"', "--params: declared = 'x': declared is a number here, such as 3"),
    ],
)
def test_a_file_that_holds_no_parameters_is_refused(box: Box, name: str, text: str | bytes, said: str):
    box.file("pexen.toml", "[run.params]\ndeclared = 3\n")
    box.file("s.jobs", "true\n")
    box.file(name, text)

    done = box.pexen("run", "s.jobs", "--params", name)

    assert done.code == 2
    assert said in done.err


def test_a_file_that_is_not_there_is_refused(box: Box):
    box.file("s.jobs", "true\n")

    done = box.pexen("run", "s.jobs", "--params", "nowhere.toml")

    assert done.code == 2
    assert "--params: cannot read nowhere.toml: No such file or directory" in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("params = 3", "params: write a table of names and values"),
        ("params = { n = [1] }", "params: n is to be a text, a number, true or false, not [1]"),
    ],
)
def test_settings_that_hold_no_parameters_are_refused_with_their_line(box: Box, text: str, said: str):
    box.file("pexen.toml", f"[run]\n{text}\n")
    box.file("s.jobs", "true\n")

    done = box.pexen("run", "s.jobs")

    assert done.code == 2
    assert f"pexen.toml, line 2: {said}" in done.err


def test_what_is_typed_on_a_run_that_is_run_again_is_of_the_type_that_was_recorded(box: Box):
    box.file("s.jobs", "true\n")
    box.pexen("run", "s.jobs", "-P", 'release="11"')

    assert box.pexen("rerun", "-P", "release=12").code == 0

    assert box.sql("SELECT params FROM runs ORDER BY id DESC LIMIT 1") == [('{"release": "12"}',)]
