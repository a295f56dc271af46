"""What may be typed as a target, what a suite is called that nobody named, and what is recorded and seen of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pexen_state.cli.errors import UsageError
from pexen_state.cli.output import Console
from pexen_state.cli.running.options import Options
from pexen_state.cli.running.recorded import Recorded
from pexen_state.cli.running.session import warnings_as_sentences
from pexen_state.cli.running.watching import Watch
from pexen_state.core.inputs import Ending, Finished, PoolHasRoom, RunOpened, Started
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, Verdict
from pexen_state.report.display import Progress, Running
from pexen_state.root import Root
from pexen_state.sched.common import DepcheckError
from pexen_state.sched.executable import Executable
from pexen_state.sched.identity import key_of
from pexen_state.sched.planner import Sched
from pexen_state.suite.targets import Commands, Target, load, parse, root_of, suite_name, told_where


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


def test_the_whole_machine_is_no_suite(here: Path):
    (here / "way").symlink_to("/")

    for typed in ("/", "//", "/usr/..", "way", "fs:/", "fs:way"):
        with pytest.raises(UsageError) as raised:
            parse(["tree", typed])
        assert str(raised.value) == (
            f"{typed.removeprefix('fs:')} is the root of the file system: every executable of this machine would be "
            "run. Name the directory of a suite."
        )


def test_where_programs_are_has_to_be_meant(here: Path, monkeypatch: pytest.MonkeyPatch):
    (here / "tools").mkdir()
    (here / "way").symlink_to("/usr/bin")
    monkeypatch.setenv("PATH", f"{here}/tools:.::tree")

    for typed in ("/bin", "/usr/bin/", "/usr/sbin", "way", "tools"):
        with pytest.raises(UsageError) as raised:
            parse([typed])
        assert str(raised.value) == (
            f"{typed} is where programs of this machine are, and each of them would be run. If that is meant, "
            f"type fs:{typed}"
        )
        assert [target.kind for target in parse([f"fs:{typed}"])] == ["fs"]
    assert parse(["tree", "."])[0].kind == "fs"  # what is relative in PATH is no place of programs


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


def test_what_is_nowhere_in_a_tree_belongs_to_the_suite_that_one_is_in(here: Path, monkeypatch: pytest.MonkeyPatch):
    assert root_of(Target("cmds", "-")) == Root(str(here), None)
    (here / "pexen.toml").touch()
    monkeypatch.chdir(here / "tree")

    for target in (Target("cmds", "-"), Target("py", "os.path")):
        assert root_of(target) == Root(str(here), str(here / "pexen.toml"))


def test_errors_about_a_list_name_its_lines(here: Path):
    (here / "list.jsonl").write_text(
        '{"name": "setup", "cmd": "true", "provides": ["db"]}\n{"name": "login", "cmd": "true", "requires": ["bd"]}\n'
    )
    suite = load(parse(["list.jsonl"]))

    with pytest.raises(DepcheckError) as caught, warnings_as_sentences(Console()), told_where(suite.tasks):
        Sched(suite.tasks)

    assert str(caught.value).endswith("\n  See list.jsonl, line 2.")
    assert caught.value.remain == ["bd"]


def test_other_tables_of_exit_statuses_and_another_shell_reach_the_tasks(here: Path):
    (here / "list").write_text("true\n")

    made = load(parse(["cmds:list", "tree"]), commands=Commands("ltp", "/bin/bash")).tasks

    assert [(task.statuses, task.executable) for task in made if isinstance(task, Executable)] == [
        ("ltp", "/bin/bash"),
        ("ltp", str(here / "tree/run.sh")),
    ]


# -- what is recorded


def test_options_survive_the_journal_and_those_of_an_older_pexen_are_understood():
    options = Options(jobs="3", env={"A": "b"}, keyword="net", of_run=3)

    assert Options.from_json(json.loads(json.dumps(options.as_json()))) == options
    old = {"targets": [], "jobs": None, "pool": "process", "timeout": None, "retries": 0, "surroundings": {}}
    assert Recorded.from_json(old, 1).options == Options(pool="process", retries=0)
    with pytest.raises(UsageError, match="run 4 was begun by a program, not by `pexen run`"):
        Recorded.from_json({"jobs": 3}, 4)


# -- looking at a run


def test_a_task_runs_since_it_was_first_seen_running_and_the_longest_is_told_first():
    now = 0.0
    plan = Plan([TaskSpec(key) for key in "abcdefghijkl"])
    plan.handle(RunOpened(), PoolHasRoom(11))
    sched = Sched()
    watch = Watch(sched, clock=lambda: now)
    assert watch.look() == Progress(0)
    sched.plan = plan

    assert watch.look() == Progress(12, (), 11, 12)
    plan.handle(Started(2, 1))
    watch.look()
    now = 5.0
    plan.handle(*(Started(number, 1) for number in range(1, 11)), PoolHasRoom(0))
    watch.look()
    now = 7.0
    plan.handle(Finished(3, 1, Ending(Cause.RETURNED, Verdict.PASS)), PoolHasRoom(0))
    seen = watch.look()

    assert (seen.unfinished, seen.in_flight, len(seen.running)) == (11, 10, 8)
    assert seen.running[0] == Running("b", 7.0)
    assert set(seen.running[1:]) <= {Running(key, 2.0) for key in "adefghij"}
