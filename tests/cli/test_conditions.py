"""Where tasks apply: facts, parameters and conditions, as people meet them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from tests.cli.box import Box
from tests.cli.killing import kill_in_the_middle

SUITE = """\
[tasks.here]
when = "cpus >= 1"
[tasks.nowhere]
when = "os.id == 'plan9' and cpus >= 1"
provides = ["glenda"]
[tasks.needs]
requires = ["glenda"]
[tasks.nvme]
when = "param.storage == 'nvme'"
[run]
journal = "../.pexen/journal.db"
params = { storage = "sata", size = 3 }
"""


def suite(box: Box) -> None:
    box.file("suite/pexen.toml", SUITE)
    for name in ("here", "nowhere", "needs", "nvme"):
        box.script(f"suite/{name}", "exit 0")


def verdicts(box: Box) -> dict[str, tuple[str, str | None]]:
    return {task: tuple(rest) for task, *rest in box.sql("SELECT task, verdict, reason FROM tasks")}


def test_a_task_that_does_not_apply_is_skipped_and_says_why_and_so_is_who_needs_it(box: Box):
    suite(box)

    done = box.pexen("run", "suite")

    assert done.code == 0, done.err
    found = verdicts(box)
    assert [found[name][0] for name in ("here", "nowhere", "needs", "nvme")] == ["pass", "skip", "skip", "skip"]
    assert str(found["nowhere"][1]).startswith("when: os.id == 'plan9' (")
    assert "nowhere" in str(found["needs"][1])
    assert found["nvme"][1] == "when: param.storage == 'nvme' (param.storage is 'sata')"
    assert box.sql("SELECT task FROM attempts") == [("here",)]
    assert "when: os.id == 'plan9'" in box.pexen("why", "nowhere").out


def test_parameters_are_typed_in_a_file_or_in_the_suite(box: Box):
    suite(box)
    box.file("p.toml", 'storage = "nvme"\nsize = 5\n')
    box.file("p.json", '{"storage": "nvme"}')
    box.script("suite/here", 'echo "$PEXEN_PARAM_STORAGE $PEXEN_PARAM_SIZE"')

    for words, told in (
        ((), "sata 3"),
        (("--params", "p.toml"), "nvme 5"),
        (("--params", "p.json", "-P", "size=7"), "nvme 7"),
        (("-P", "storage=nvme"), "nvme 3"),
    ):
        assert box.pexen("run", "suite", *words).code == 0
        assert box.pexen("logs", "here").out.strip() == told
        ((verdict,),) = box.sql("SELECT verdict FROM tasks WHERE task = 'nvme' ORDER BY run DESC LIMIT 1")
        assert verdict == ("pass" if "nvme" in told else "skip")
    wrong = box.pexen("run", "suite", "-P", "size=large")
    assert (wrong.code, "-P size=large: size is a number here, such as 3" in wrong.err) == (2, True)
    gone = box.pexen("run", "suite", "--params", "none.toml")
    assert (gone.code, "--params: cannot read none.toml: No such file or directory" in gone.err) == (2, True)


def test_a_bad_condition_is_an_error_before_anything_runs(box: Box):
    box.file("suite/pexen.toml", "\nwhen = \"os.di == 'debian'\"\n")
    box.script("suite/a", "exit 0")

    misspelt = box.pexen("run", "suite")
    box.file("suite/pexen.toml", "when = \"os.id = 'debian'\"\n")
    broken = box.pexen("run", "suite")

    assert (misspelt.code, broken.code) == (2, 2)
    assert "suite/pexen.toml, line 2: when: there is no fact 'os.di' (column 1). Did you mean 'os.id'?" in misspelt.err
    assert "suite/pexen.toml, line 1: when: \"os.id = 'debian'\" is no condition, column 7" in broken.err


def test_plan_says_what_would_be_skipped_and_why(box: Box):
    suite(box)

    out = box.pexen("plan", "suite").out

    assert "when: os.id == 'plan9'" in out
    assert "nvme" in [one["key"] for one in box.json("plan", "suite")["not_run"]]
    assert "nvme" not in [one["key"] for one in box.json("plan", "suite", "-P", "storage=nvme")["not_run"]]
    dry = box.pexen("run", "-n", "suite")
    assert dry.lines == ["here"]
    assert "2 tasks would be skipped for a condition; `pexen plan` says which." in dry.err


def test_facts_are_shown_and_kept_with_each_run(box: Box):
    box.script("suite/a", "pexen fact os.id; pexen fact cpus; pexen fact nonsense; echo $?")

    shown = json.loads(box.pexen("facts", "--json").out)["facts"]
    lines = box.pexen("facts").lines
    done = box.pexen("run", "suite")

    assert done.code == 0
    kept = dict(box.sql("SELECT name, value FROM facts WHERE run = 1"))
    assert (kept["kernel"], kept["cpus"]) == (shown["kernel"], shown["cpus"])
    assert any((line.split()[0], line.split()[-1]) == ("arch", shown["arch"]) for line in lines)
    printed = box.pexen("logs", "a").out.splitlines()
    assert printed[:2] == [shown.get("os.id", ""), str(shown["cpus"])]
    assert printed[2:] == ["pexen: fact: there is no fact 'nonsense'; `pexen facts` lists them", "2"]


def change_fact(box: Box, name: str, value: object) -> None:
    with closing(sqlite3.connect(box.journal)) as connection, connection:
        connection.execute("UPDATE fact SET value = ? WHERE name = ?", (value, name))


def test_a_resume_on_a_box_that_changed_says_so_and_decides_anew_only_if_asked(box: Box):
    box.file(
        "s.jsonl",
        '{"name": "one", "cmd": "true"}\n{"name": "two", "cmd": "test ! -e gate || cat gate"}\n'
        '{"name": "next", "cmd": "true"}\n{"name": "three", "cmd": "true", "when": "kernel == \'of old\'"}\n'
        '{"name": "four", "cmd": "true", "when": "kernel != \'of old\'"}\n',
    )
    kill_in_the_middle(box, "run", "s.jsonl", "-j1")
    assert verdicts(box)["three"][0] == "skip"
    change_fact(box, "kernel", "of old")  # as if it had begun on another one

    done = box.pexen("resume")

    assert done.code == 0, done.err
    assert "the box is another than when the run began: kernel was of old and is " in done.err + done.out
    assert {task: verdict for task, (verdict, _) in verdicts(box).items()} == {
        "one": "pass",
        "two": "pass",
        "next": "pass",
        "three": "skip",
        "four": "pass",  # that it applied was decided when the run began
    }


def test_rerun_changed_decides_conditions_on_the_box_as_it_is(box: Box):
    box.file(
        "s.jsonl",
        '{"name": "one", "cmd": "true"}\n{"name": "two", "cmd": "test ! -e gate || cat gate"}\n'
        '{"name": "three", "cmd": "true", "when": "cpus > 1000"}\n'
        '{"name": "four", "cmd": "true", "when": "cpus < 1000"}\n',
    )
    kill_in_the_middle(box, "run", "s.jsonl", "-j1")
    change_fact(box, "cpus", 2000)
    with closing(sqlite3.connect(box.journal)) as connection, connection:  # and what it decided then
        connection.execute("UPDATE task SET reason = 'when: cpus < 1000 (cpus is 2000)' WHERE key = 'four'")

    done = box.pexen("resume", "--rerun-changed")

    assert done.code == 0, done.err
    assert verdicts(box)["three"][0] == "skip"
    assert verdicts(box)["four"][0] == "pass"


def test_a_factory_that_asks_for_its_context_is_given_facts_and_parameters(box: Box):
    box.file(
        "made.py",
        "from pexen_state.sched.meta import assign_val\n"
        "def tasks(context):\n"
        "    for n in range(context.params['count']):\n"
        "        one = lambda n=n: print(context.facts['arch'])\n"
        "        assign_val(one, name=f'task{n}')\n"
        "        yield one\n",
    )

    done = box.pexen("run", "py:made:tasks", "-P", "count=3")

    assert done.code == 0, done.err
    assert box.sql("SELECT count(*) FROM tasks") == [(3,)]
