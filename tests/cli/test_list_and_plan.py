"""`list` and `plan`: what a run would have, and how it would go, before anything runs."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.box import Box

LIST = [
    {"name": "setup/db", "cmd": "true", "provides": ["db"]},
    {"name": "net/a", "cmd": "true", "requires": ["db"], "claims": ["/proc/sys/net"], "timeout": "5m", "retries": 2},
    {"name": "net/b", "cmd": "true", "requires": ["db"], "uses": ["/proc/sys"], "tags": ["slow"]},
    {"name": "net/deep/er/c", "cmd": "true", "priority": -1},
    {"name": "z", "cmd": "true", "after": ["net/*"], "always": True},
    {"cmd": "ls /tmp/x"},
]


@pytest.fixture
def suite(box: Box) -> Box:
    box.file("s.jsonl", "".join(f"{json.dumps(task)}\n" for task in LIST))
    return box


def test_list_draws_a_tree_with_what_tasks_say_of_each_other(suite: Box):
    assert suite.pexen("list", "s.jsonl").lines == [
        "suite s.jsonl  6 tasks",
        "z  after net/*; always",
        "ls /tmp/x",
        "setup/ (1)",
        "  db  provides db",
        "net/ (3)",
        "  a  requires db; claims /proc/sys/net",
        "  b  requires db; uses /proc/sys; tags slow",
        "  deep/er/ (1)",
        "    c  priority -1",
    ]
    assert not suite.journal.exists()


def test_list_as_json_has_all_that_is_known_of_a_task(suite: Box):
    document = suite.json("list", "s.jsonl", "-k", "net/a")

    assert [(task["key"], task["only_required"]) for task in document["tasks"]] == [
        ("setup/db", True),
        ("net/a", False),
    ]
    known = document["tasks"][1]
    assert known["command"] == "true"
    assert (known["requires"], known["claims"], known["uses"]) == (["db"], ["/proc/sys/net"], [])
    assert (known["timeout"], known["retries"], known["priority"], known["always"]) == (300.0, 2, 0, False)
    assert (document["suite"], document["collected"]) == ("s.jsonl", 6)


def test_list_says_what_was_selected_and_what_comes_along(suite: Box):
    lines = suite.pexen("list", "s.jsonl", "-k", "net/a").lines

    assert lines[0] == "suite s.jsonl  1 of 6 tasks: -k net/a, and 1 more that they require"
    assert lines[1:] == ["setup/ (1)", "  db  provides db", "net/ (1)", "  a  requires db; claims /proc/sys/net"]


def test_a_directory_and_a_python_package_are_trees(box: Box):
    box.script("suite/net/dhcp/renew")
    box.script("suite/fs/quiet")
    box.file("mine/__init__.py", "")
    box.file("mine/sub/__init__.py", "import pexen_state\n\n@pexen_state.task(claims=['gpu'])\ndef one(): pass\n")

    assert box.pexen("list", "suite").lines[1:] == [
        "suite/ (2)",
        "  fs/ (1)",
        "    quiet",
        "  net/dhcp/ (1)",
        "    renew",
    ]
    (task,) = box.json("list", "mine")["tasks"]
    assert (task["key"], task["claims"], task["timeout"]) == ("sub/one", ["gpu"], 3600.0)


@pytest.mark.parametrize("verb", ["list", "plan"])
def test_nothing_to_list_and_wrong_targets_are_told_as_by_run(suite: Box, verb: str):
    suite.file("empty.jobs", "# nothing\n")

    empty = suite.pexen(verb, "empty.jobs")
    assert (empty.code, empty.err) == (5, "pexen: no task was found in empty.jobs: there is no command in it.\n")
    missing = suite.pexen(verb, "s.json")
    assert missing.code == 2
    assert "there is no file or directory s.json" in missing.err
    none = suite.pexen(verb, "s.jsonl", "-k", "nowhere")
    assert (none.code, none.err) == (5, "pexen: nothing is selected: -k nowhere matches none of 6 tasks.\n")


def test_plan_shows_waves_order_and_the_critical_path_through_locks(suite: Box):
    lines = suite.pexen("plan", "s.jsonl", "-j2").lines

    assert lines[:3] == [
        "suite s.jsonl  6 tasks  4 waves",
        "  no earlier run tells how long these tasks take, so each is taken to last as long as any other",
        "  on 2 workers they take as long as 4 tasks one after another",
    ]
    waves = lines.index("waves: what could begin together, if all tasks lasted as long")
    assert lines[waves + 1] == "    1  3 tasks: net/deep/er/c, setup/db, ls /tmp/x"
    order = lines.index("order on 2 workers")
    assert [line.split("  ")[-1] for line in lines[order + 1 : order + 7]] == [
        "net/deep/er/c",
        "setup/db",
        "net/a",
        "ls /tmp/x",
        "net/b",
        "z",
    ]
    path = lines.index("critical path: 4 tasks one after another")
    assert [line.split("]  ")[1] for line in lines[path + 1 : path + 5]] == [
        "setup/db",
        "net/a  waits for db, from setup/db",
        "net/b  waits for the lock /proc/sys/net of net/a",
        "z  waits for net/*, from net/b",
    ]
    locks = lines.index("locks that tasks share")
    assert lines[locks + 1 :] == ["  /proc/sys  used by 1", "  /proc/sys/net  claimed by 1"]


def test_plan_estimates_by_past_runs_and_says_what_it_guesses(box: Box):
    box.file("s.jobs", "a: sleep 0.2\nb: true\n")
    assert box.pexen("run", "s.jobs", "-j1").code == 0
    box.file("s.jobs", "a: sleep 0.2\nb: true\nc: true\n")

    plan = box.json("plan", "s.jobs", "-j1")
    said = box.pexen("plan", "s.jobs", "-j1").lines

    assert (plan["unit"], plan["seconds_known_of"]) == ("s", 2)
    assert plan["estimate"] > plan["at_least"] >= 0.2
    assert [one["key"] for one in plan["order"]] == ["a", "b", "c"]
    assert plan["waves"] == [["a", "b", "c"]]
    assert re.fullmatch(r"  on 1 worker: about \d\.\ds; on any number of workers, at least \d\.\ds", said[1])
    assert said[2].startswith("  1 task of 3 has not run before, and is taken to last ")
    assert said[2].endswith(", the median of the others")


def test_plan_shows_what_would_not_run_and_ends_as_the_run_would(box: Box):
    tasks = [
        {"name": "login", "cmd": "true", "requires": ["datbase"]},
        {"name": "start_db", "cmd": "true", "provides": ["database"]},
        {"name": "egg", "cmd": "true", "requires": ["hen"], "provides": ["egg"]},
        {"name": "hen", "cmd": "true", "requires": ["egg"], "provides": ["hen"]},
    ]
    box.file("s.jsonl", "".join(f"{json.dumps(task)}\n" for task in tasks))

    done = box.pexen("plan", "s.jsonl")

    assert done.code == 2
    never = done.lines.index("would not run")
    assert done.lines[never + 1 :] == [
        "  login  requires 'datbase', which no task provides",
        "  egg  it waits for itself: egg -> hen -> egg",
        "  hen  requires 'egg', which was provided by nobody: egg (not run)",
    ]
    assert "login requires 'datbase', but no task provides it." in done.err
    assert "Did you mean 'database', provided by start_db?" in done.err
    ran = box.pexen("run", "s.jsonl")
    assert ran.code == 2
    assert done.err.splitlines()[-3:] == ran.err.splitlines()[-3:]


def test_plan_explains_one_name(suite: Box):
    assert suite.pexen("plan", "s.jsonl", "--explain", "db").lines == [
        "db is provided by setup/db",
        "db is required by net/a, net/b",
    ]
    assert suite.pexen("plan", "s.jsonl", "--explain", "/proc/sys/").lines == [
        "/proc/sys/ is a lock used by net/b",
        "as a lock it also keeps out, and is kept out by, those above and below it: /proc/sys/net",
    ]
    about = suite.json("plan", "s.jsonl", "--explain", "/proc/sys/net")
    assert (about["claimed_by"], about["also"]) == (["net/a"], ["/proc/sys"])
    unknown = suite.pexen("plan", "s.jsonl", "--explain", "dbx")
    assert unknown.code == 2
    assert unknown.err == "pexen: no task provides, requires, uses or claims 'dbx'. Did you mean 'db'?\n"


def test_plan_of_many_tasks_leaves_most_out_and_says_so(box: Box):
    box.file("s.jobs", "".join(f"t{number}: true\n" for number in range(500)))

    lines = box.pexen("plan", "s.jobs", "-j1").lines

    assert lines[2] == (
        "  on 1 worker they take as long as 500 tasks one after another; on any number of workers, as long as 1 task"
    )
    assert "    1  500 tasks: t0, t1, t2, t3, t4, t5, t6, t7 and 492 more" in lines
    assert "  ... and 460 more tasks; --all lists them" in lines
    assert sum(line.endswith("t499") for line in box.pexen("plan", "s.jobs", "--all").lines) >= 1
