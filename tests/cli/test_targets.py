"""What may be typed as a target, and what a suite is called that nobody named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pexen_state.cli.errors import UsageError
from pexen_state.cli.targets import Target, load, parse, suite_name
from pexen_state.sched.identity import key_of


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in ("tree/run.sh", "tool", "script.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("#!/bin/sh\n")
        (tmp_path / path).chmod(0o755)
    for path in ("pack/__init__.py", "module.py", "list.jobs", "list.jsonl", "plain.txt", "list"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("-", "cmds"),
        ("tree", "fs"),
        ("./tree/", "fs"),
        ("tree/run.sh", "fs"),
        ("tool", "fs"),
        ("script.py", "fs"),  # an executable with a first line of its own, as it would be within a tree
        ("module.py", "py"),
        ("pack", "py"),
        ("pack/__init__.py", "py"),
        ("os.path", "py"),
        ("list.jobs", "cmds"),
        ("list.jsonl", "cmds"),
    ],
)
def test_what_a_target_is_can_be_seen_by_its_looks(here: Path, typed: str, kind: str):
    assert parse([typed]) == (Target(kind, typed),)


@pytest.mark.parametrize(
    ("typed", "kind", "what"),
    [("fs:pack", "fs", "pack"), ("py:script.py", "py", "script.py"), ("cmds:list", "cmds", "list")],
)
def test_a_prefix_says_which(here: Path, typed: str, kind: str, what: str):
    assert parse([typed]) == (Target(kind, what),)


def test_a_target_that_is_typed_twice_is_one(here: Path):
    assert len(parse(["tree", "tree", "tool"])) == 2


def test_standard_input_is_read_once(here: Path):
    assert parse(["-", "cmds:-", "tree"]) == (Target("cmds", "-"), Target("fs", "tree"))


@pytest.mark.parametrize("typed", ["plain.txt", "nowhere", "no/where.py", "nosuchmodule.part", "fs:", "py:"])
def test_anything_else_is_refused(here: Path, typed: str):
    with pytest.raises(UsageError):
        parse([typed])


@pytest.mark.parametrize(
    ("typed", "below"),
    [
        (["tree"], "/tree"),
        (["tree", "tool"], "/tree,tool"),
        (["tree/run.sh"], None),
        (["list.jobs"], "list.jobs"),
        (["cmds:list"], "list"),
        (["-"], "stdin"),
        (["pack"], "pack"),
        (["module.py"], "module"),
        (["os.path"], "os.path"),
        (["tree", "list.jobs"], "/tree+list.jobs"),
    ],
)
def test_a_suite_is_called_after_its_root_and_its_targets(here: Path, typed: list[str], below: str | None):
    targets = parse(typed)
    root = str(here) if below is not None else str(here / "tree")

    name = suite_name(targets, root)

    if below is None:
        assert name == "tree/run.sh"
    elif below.startswith("/"):
        assert name == here.name + below
    else:
        assert name == below


def test_a_marked_root_alone_is_the_name(here: Path):
    (here / "tree/pexen.toml").touch()

    assert load(parse(["tree"])).name == "tree"
    assert load(parse(["tree/run.sh"])).name == "tree/run.sh"


def test_hundreds_of_files_make_a_name_that_is_short_and_always_the_same(here: Path):
    for number in range(300):
        (here / f"tree/{number:03}").write_text("#!/bin/sh\n")
        (here / f"tree/{number:03}").chmod(0o755)
    typed = [f"tree/{number:03}" for number in range(300)]

    names = {load(parse(typed)).name for _ in range(2)}
    other = load(parse(typed[:-1])).name

    (name,) = names
    assert len(name) < 160
    assert "300 targets" in name
    assert other != name


def test_targets_of_two_trees_have_keys_below_what_they_have_in_common(here: Path):
    (here / "other").mkdir()
    os.link(here / "tree/run.sh", here / "other/run.sh")

    suite = load(parse(["tree/run.sh", "other/run.sh"]))

    assert [key_of(task) for task in suite.tasks] == ["tree/run.sh", "other/run.sh"]
    assert suite.root == str(here)


def test_only_task_lists_are_a_list(here: Path):
    (here / "list").write_text("true\n")

    assert load(parse(["cmds:list"])).is_a_list
    assert not load(parse(["cmds:list", "tree"])).is_a_list


def test_a_target_survives_json_with_its_text():
    target = Target("cmds", "li\udcffst", "echo \udce9\n")

    assert Target.from_json(target.as_json()) == target
