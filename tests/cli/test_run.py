"""`pexen run`: what may be a target, and what its tasks are called."""

from __future__ import annotations

import pytest

from tests.cli.box import Box


def test_a_tree_runs_and_its_exit_statuses_are_read_as_automake_does(box: Box):
    box.script("suite/a/pass")
    box.script("suite/b/fail.sh", "echo first; echo why >&2; exit 3")
    box.script("suite/b/skip", "exit 77")
    box.script("suite/c", "exit 99")
    box.file("suite/README", "no executable")

    done = box.pexen("run", "suite")

    assert done.code == 1
    assert box.sql("SELECT task, state, verdict, reason FROM tasks ORDER BY task") == [
        ("suite/a/pass", "succeeded", "pass", None),
        ("suite/b/fail.sh", "failed", "fail", "exit 3"),
        ("suite/b/skip", "skipped", "skip", "exit 77"),
        ("suite/c", "failed", "error", "exit 99"),
    ]
    header, *lines = done.lines
    assert "run 1" in header
    assert f"suite {box.directory.name}/suite" in header
    assert "4 tasks  1 worker (process pool)  timeout 1h, no retries  journal .pexen/journal.db" in header
    failed = next(number for number, line in enumerate(lines) if line.startswith("  FAIL"))
    assert "suite/b/fail.sh  exit 3  pexen logs suite/b/fail.sh" in lines[failed]
    assert lines[failed + 1 : failed + 3] == ["         | first", "         | why"]
    assert lines[-1] == "See what failed: pexen logs 1 --failed"
    assert done.err == ""


def test_however_a_target_is_typed_its_tasks_have_one_key(box: Box):
    box.file("proj/pexen.toml", "")
    box.script("proj/net/dhcp/renew")

    for number, (cwd, typed) in enumerate(
        [("proj", "."), ("proj", "net/"), (".", "proj/net"), ("proj/net/dhcp", "renew"), ("proj/net", "../net/dhcp")]
    ):
        journal = box.directory / f"{number}.db"
        assert box.pexen("run", "--journal", str(journal), typed, cwd=cwd).code == 0
        assert box.keys(journal) == ["net/dhcp/renew"]


def test_targets_that_overlap_give_a_task_once(box: Box):
    box.script("suite/one")
    box.script("suite/deep/two")

    assert box.pexen("run", "suite", "suite/deep", "suite/one").code == 0

    assert box.keys() == ["suite/one", "suite/deep/two"]


def test_one_executable_is_one_task(box: Box):
    box.script("check.py", "exit 0")

    assert box.pexen("run", "check.py").code == 0
    assert box.keys() == ["check.py"]


PACKAGE = """
import pexen_state
@pexen_state.task(provides=["net"])
def up(shared):
    shared["address"] = "10.0.0.1"
"""
MODULE = """
import pexen_state
@pexen_state.task(requires=["net"])
def ping(shared):
    print("to", shared["address"])
    assert shared["address"] == "10.0.0.2", "wrong address"
"""


@pytest.mark.parametrize("typed", ["checks", "./checks", "py:checks", "checks/__init__.py"])
def test_a_python_package_runs_and_what_it_prints_is_kept(box: Box, typed: str):
    box.file("checks/__init__.py", PACKAGE)
    box.file("checks/net/__init__.py", "")
    box.file("checks/net/ping.py", MODULE)

    done = box.pexen("run", typed, "-j2")

    assert done.code == 1
    assert box.keys() == ["up", "net/ping/ping"]
    assert "AssertionError: wrong address" in done.out
    assert "         | to 10.0.0.1" in done.lines
    assert "2 workers" in done.lines[0]
    assert "suite checks  " in done.lines[0]


@pytest.mark.parametrize("typed", ["checks.net.ping", "checks/net/ping.py", "py:checks/net/ping.py"])
def test_a_module_within_a_package_has_the_same_keys_as_the_package(box: Box, typed: str):
    box.file("checks/__init__.py", "")
    box.file("checks/net/__init__.py", "")
    box.file("checks/net/ping.py", PACKAGE)

    assert box.pexen("run", typed).code == 0

    assert box.keys() == ["net/ping/up"]
    assert box.sql("SELECT name FROM runs") == [("checks.net.ping",)]


def test_a_module_of_its_own_is_part_of_the_key(box: Box):
    box.file("checks.py", PACKAGE)

    assert box.pexen("run", "checks.py", "--pool", "thread").code == 0

    assert box.keys() == ["checks/up"]


def test_a_factory_is_named_with_its_module(box: Box):
    box.script("suite/a", "exit 7")
    box.file(
        "made.py",
        "from pexen_state.factory import FilesystemFactory\ndef tasks():\n    return FilesystemFactory()('suite')\n",
    )

    done = box.pexen("run", "py:made:tasks")

    assert done.code == 1
    assert box.keys() == ["suite/a"]


def test_a_task_list_runs_on_all_processors_and_without_a_time_limit(box: Box):
    box.file(
        "nightly.jobs", '# comment\ntrue\nwho: echo me\n{"cmd": "exit 77", "name": "bad", "after": ["who"]}\ntrue\n'
    )

    done = box.pexen("run", "nightly.jobs")

    assert done.code == 1
    assert box.keys() == ["true", "who", "bad", "true#2"]
    assert box.sql("SELECT name FROM runs") == [("nightly.jobs",)]
    assert "no timeout" in done.lines[0]
    assert "FAIL" in done.out  # 77 is no skip in a list


@pytest.mark.parametrize("typed", ["-", "cmds:-", "cmds:some file"])
def test_commands_come_from_standard_input_or_any_file(box: Box, typed: str):
    box.file("some file", "echo one\n")

    assert box.pexen("run", typed, stdin=b"echo one\n").code == 0
    assert box.keys() == ["echo one"]


def test_help_has_its_options_under_headings(box: Box):
    said = box.pexen("run", "--help").lines

    headings = [line for line in said if line.endswith(":") and not line.startswith(" ")]
    assert headings == [
        "Which tasks:", "How:", "Limits:", "Reboots:", "At the end:", "Environment:", "What is shown:",
        "Reports, while it runs:", "Journal:", "Other:",
    ]  # fmt: skip
