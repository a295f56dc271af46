"""Tasks that are there on demand, tags, shards and rounds, as they are typed; and that a resume has the same."""

from __future__ import annotations

import json
import signal

import pytest

from tests.cli.box import Box, Ended

LOGIN = {"name": "login", "cmd": "true", "requires": ["httpd | nginx"]}
OFFERS = [
    {"name": "web/apache", "cmd": "true", "provides": ["httpd"], "requires": ["disk"], "cost": 5},
    {"name": "web/nginx", "cmd": "true", "provides": ["nginx"], "cost": 1},
    {"name": "disk", "cmd": "true", "provides": ["disk"]},
]


def listed(*tasks: dict[str, object]) -> str:
    return "".join(f"{json.dumps(task)}\n" for task in tasks)


@pytest.fixture
def web(box: Box) -> Box:
    box.file("s.jsonl", listed(LOGIN))
    box.file("more.jsonl", listed(*OFFERS))
    return box


def ran(box: Box, run: int = 1) -> dict[str, str]:
    return dict(box.sql(f"SELECT task, verdict FROM tasks WHERE run = {run}"))


def test_a_missing_name_is_taken_from_the_catalogue_and_the_header_says_so(web: Box):
    done = web.pexen("run", "s.jsonl", "--catalogue", "more.jsonl")
    without = web.pexen("run", "s.jsonl")

    assert (done.code, done.err) == (0, "")
    assert "1 task, and 1 more that they require (on demand: web/nginx)." in done.lines
    assert ran(web) == {"login": "pass", "web/nginx": "pass"}
    assert without.code == 2
    assert "login requires 'httpd | nginx', but no task provides it." in without.err


def test_settings_may_name_the_catalogue_and_tasks_of_the_suite_may_be_on_demand(box: Box):
    box.file("suite/pexen.toml", '[run]\ncatalogue = ["../more"]\n')
    box.script("suite/a")
    box.script("more/unused")
    box.file("s.jsonl", listed(LOGIN, {**OFFERS[1], "on_demand": True}, {**OFFERS[2], "on_demand": True}))

    tree = box.pexen("run", "suite")
    tasks = box.pexen("list", "s.jsonl")

    assert tree.code == 0
    assert box.sql("SELECT count(*) FROM tasks", box.directory / "suite/.pexen/journal.db") == [(1,)]
    assert tasks.lines[0] == "suite s.jsonl  1 task, and 1 more that they require (on demand: web/nginx)"


def test_a_catalogue_may_be_a_part_of_the_tree(box: Box):
    box.script("suite/tests/a")
    box.script("suite/providers/db")
    box.file("suite/pexen.toml", "")

    assert [one["key"] for one in box.json("list", "suite", "--catalogue", "suite/providers")["tasks"]] == ["tests/a"]
    assert box.pexen("run", "suite/providers").code == 0  # who names nothing else means them


def test_a_catalogue_that_is_not_there_or_meets_the_suite_is_refused(web: Box):
    missing = web.pexen("run", "s.jsonl", "--catalogue", "more.json")
    stdin = web.pexen("run", "s.jsonl", "--catalogue", "-")
    web.file("same.jsonl", listed({"name": "login", "cmd": "false"}))
    same = web.pexen("run", "s.jsonl", "--catalogue", "same.jsonl")

    assert (missing.code, stdin.code, same.code) == (2, 2, 2)
    assert missing.err.startswith("pexen: --catalogue: there is no file or directory more.json")
    assert "it cannot be standard input" in stdin.err
    assert "two tasks have the key login" in same.err


def test_plan_says_who_was_taken_and_explains_why_not_the_others(web: Box):
    lines = web.pexen("plan", "s.jsonl", "--catalogue", "more.jsonl").lines
    explained = web.pexen("plan", "s.jsonl", "--catalogue", "more.jsonl", "--explain", "httpd")
    document = web.json("plan", "s.jsonl", "--catalogue", "more.jsonl", "--explain", "httpd | nginx")

    at = lines.index("taken from the catalogue")
    assert lines[at + 1 :] == ["  web/nginx  for httpd | nginx, required by login: it costs least: 1"]
    assert explained.lines == [
        "httpd | nginx can be taken from the catalogue:",
        "  chosen:     web/nginx costs least: 1",
        "  not chosen: web/apache costs 5, and web/nginx 1",
    ]
    assert document["catalogue"] == [
        {
            "name": "httpd | nginx",
            "required_by": ["login"],
            "candidates": [
                {"key": "web/nginx", "cost": 1, "chosen": True, "why": "costs least: 1"},
                {"key": "web/apache", "cost": 5, "chosen": False, "why": "costs 5, and web/nginx 1"},
            ],
        }
    ]
    assert document["required_by"] == ["login"]


def test_what_nobody_can_fill_is_refused_with_the_reason_of_each_candidate(web: Box):
    web.file("more.jsonl", listed(OFFERS[0]))

    for verb in ("run", "plan"):
        done = web.pexen(verb, "s.jsonl", "--catalogue", "more.jsonl")
        assert done.code == 2
        assert "  web/apache requires 'disk', which nobody provides." in done.err.splitlines()


def resumed_after_a_kill(box: Box, *words: str) -> Ended:
    """Begin a run whose first task is cut off at a gate, and go on with it."""
    gate = box.gate()
    with box.started("run", *words, "-j1") as run:
        gate.reached()
        run.signal(signal.SIGKILL)
        run.process.wait()
    gate.path.unlink()
    return box.pexen("resume")


GATE = {"name": "first", "cmd": "test ! -e gate || cat gate"}


def test_a_resume_takes_whom_the_run_took_even_if_another_would_be_taken_now(box: Box):
    box.file("s.jsonl", listed(GATE, LOGIN))
    box.file("more.jsonl", listed(*OFFERS))
    gate = box.gate()
    with box.started("run", "s.jsonl", "-j1", "--catalogue", "more.jsonl") as run:
        gate.reached()
        run.signal(signal.SIGKILL)
        run.process.wait()
    gate.path.unlink()
    box.file("more.jsonl", listed({**OFFERS[0], "cost": 0}, OFFERS[1], OFFERS[2]))

    plan = box.pexen("resume", "--plan")
    done = box.pexen("resume")

    assert "new" not in plan.out
    assert (done.code, done.err) == (0, "")
    assert ran(box) == {"first": "pass", "login": "pass", "web/nginx": "pass"}


def test_a_run_without_dependencies_goes_on_without_them(box: Box):
    box.file(
        "s.jsonl", listed({**LOGIN, "requires": ["gone"]}, GATE, {"name": "x", "cmd": "true", "provides": ["gone"]})
    )

    done = resumed_after_a_kill(box, "s.jsonl", "--no-deps", "-k", "login or first")

    assert (done.code, done.err) == (0, "")
    assert ran(box) == {"login": "pass", "first": "pass"}


def test_rounds_are_cut_off_and_go_on(box: Box):
    box.file(
        "s.jsonl",
        listed({"name": "setup", "cmd": "true", "provides": ["db"]}, {**GATE, "requires": ["db"]}),
    )

    done = resumed_after_a_kill(box, "s.jsonl", "-k", "first", "--repeat", "3")

    assert (done.code, done.err) == (0, "")
    assert ran(box) == {"setup": "pass", "first@1": "pass", "first@2": "pass", "first@3": "pass"}
    assert box.sql("SELECT count(*) FROM attempts WHERE task = 'setup'") == [(1,)]
    rerun = box.pexen("run", "s.jsonl", "--lf")
    assert rerun.code == 5


def test_until_fail_ends_with_the_first_failure_and_what_failed_is_found_again(box: Box):
    box.file("s.jobs", 'flaky: test "$(echo x >>ran; wc -l <ran)" -ne 3\n')

    done = box.pexen("run", "s.jobs", "--until-fail", "--repeat", "9", "-j1")
    failed = box.pexen("list", "s.jobs")
    again = box.pexen("run", "s.jobs", "--lf")

    assert done.code == 1
    verdicts = [verdict for (verdict,) in box.sql("SELECT verdict FROM tasks WHERE run = 1 ORDER BY number")]
    assert verdicts[:3] == ["pass", "pass", "fail"]
    assert verdicts[-1] == "not_run"
    assert failed.lines[0] == "suite s.jobs  1 task"
    assert again.code == 0
    assert ran(box, 2) == {"flaky": "pass"}


def test_shards_on_two_boxes_have_every_task_once(box: Box):
    box.file("s.jsonl", listed({"name": "db", "cmd": "true", "provides": ["db"]}, {**LOGIN, "requires": ["db"]}, GATE))

    first = box.pexen("run", "s.jsonl", "--shard", "1/2")
    second = box.pexen("run", "s.jsonl", "--shard", "2/2")
    empty = box.pexen("run", "s.jsonl", "--shard", "3/3")

    assert (first.code, second.code, empty.code) == (0, 0, 5)
    assert (sorted(ran(box, 1)), sorted(ran(box, 2))) == (["db", "login"], ["first"])
    assert "2 of 3 tasks: --shard 1/2." in first.lines


def test_tags_pick_tasks(box: Box):
    box.file("s.jsonl", listed({"name": "a", "cmd": "true", "tags": ["slow", "net"]}, {"name": "b", "cmd": "true"}))

    done = box.pexen("run", "s.jsonl", "-t", "slow and net", "-t", "other")
    wrong = box.pexen("run", "s.jsonl", "-t", "slow and")

    assert done.code == 0
    assert ran(box) == {"a": "pass"}
    assert (wrong.code, wrong.err) == (2, "pexen: -t: a word is missing at the end:\n  slow and\n          ^\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shard", "3/2"], "--shard: '3/2' is no part of a suite"),
        (["--repeat", "0"], "--repeat: '0' is no number of rounds"),
        (["--until-fail", "-x"], "--until-fail is over with the first failure"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_read(box: Box, words: list[str], said: str):
    box.file("s.jobs", "true\n")

    done = box.pexen("run", "s.jobs", *words)

    assert done.code == 2
    assert said in done.err


def test_a_run_that_is_run_again_takes_its_own_from_the_catalogue(web: Box):
    web.pexen("run", "s.jsonl", "--catalogue", "more.jsonl")

    done = web.pexen("rerun")

    assert (done.code, done.err) == (0, "")
    assert ran(web, 2) == {"login": "pass", "web/nginx": "pass"}
