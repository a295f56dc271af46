"""Groups of exclusivity on the command line: declared, run, explained, refused."""

from __future__ import annotations

import signal

import pytest

from tests.cli.box import Box

SAID = """
[groups.vm]
pool = "thread"
workers = 3

[tasks."vm/*"]
group = "vm"

[run]
jobs = 2
"""


@pytest.fixture
def grouped(box: Box) -> Box:
    box.file("suite/pexen.toml", SAID)
    for name in ("a", "b", "vm/c", "vm/d", "vm/e"):
        box.script(f"suite/{name}")
    return box


def test_tasks_of_a_group_run_after_the_others_on_its_own_workers(grouped: Box):
    done = grouped.pexen("run", "suite", "--journal", "j.db")

    assert done.code == 0, done.err
    journal = grouped.directory / "j.db"
    order = [key for (key,) in grouped.sql("SELECT task FROM attempts ORDER BY ended_at", journal)]
    assert {*order[:2]} == {"a", "b"}
    assert {worker for (worker,) in grouped.sql("SELECT worker FROM attempts", journal)} <= {0, 1, 2}
    assert '"kind": "entered", "data": {"group": "vm"}' in grouped.pexen("events", "--json", "--journal", "j.db").out


def test_a_dry_run_goes_through_all_groups(grouped: Box):
    assert grouped.pexen("run", "-n", "suite").lines == ["a", "b", "vm/c", "vm/d", "vm/e"]


def test_list_and_plan_know_groups(grouped: Box):
    assert "  c  group vm" in grouped.pexen("list", "suite").lines
    assert "  groups are switched 1 time" in grouped.pexen("plan", "suite").lines
    assert grouped.json("plan", "suite")["group_switches"] == 1
    explained = grouped.pexen("list", "suite", "--explain", "vm/d").lines
    assert 'group    vm      suite/pexen.toml, line 7 ([tasks."vm/*"])' in explained


def test_why_says_whose_turn_it_is_and_the_run_goes_on_after_a_kill(grouped: Box):
    gate = grouped.gate()
    grouped.script("suite/a", f"test $PEXEN_ATTEMPT = 2 || cat '{gate.path}'")
    with grouped.started("run", "suite", "--journal", "j.db") as run:
        gate.reached()
        done = grouped.pexen("why", "vm/c", "--journal", "j.db")
        assert (done.code, done.err) == (0, "")
        said = done.out
        assert (
            "vm/c is ready and waits for the turn of the group vm: now it is that of the tasks without a group" in said
        )
        run.signal(signal.SIGKILL)
        run.process.wait()
        gate.let_go()

    done = grouped.pexen("resume", "--journal", "j.db")

    assert done.code == 0, done.err
    assert {verdict for (verdict,) in grouped.sql("SELECT verdict FROM tasks", grouped.directory / "j.db")} == {"pass"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("groups = 3\n", "line 1: [groups] is to hold a table for each group, not the number 3"),
        ("[groups]\nvm = 3\n", "line 2: [groups.vm] is to be a table, not the number 3"),
        ("[groups.vm]\nworkers = 0\n", "line 2: workers: write a number of workers, not the number 0"),
        ("[groups.vm]\npool = 'fork'\n", "line 2: pool: write one of process, thread, not the string 'fork'."),
        (
            "[groups.vm]\nworker = 2\n",
            "line 2: there is no key 'worker'. Did you mean 'workers'? A group has: pool workers",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(grouped: Box, text: str, why: str):
    grouped.file("suite/pexen.toml", text)

    done = grouped.pexen("run", "suite")

    assert (done.code, done.out) == (2, "")
    assert f"suite/pexen.toml, {why}" in done.err


def test_a_group_that_is_not_among_those_declared_is_refused(grouped: Box):
    grouped.file("suite/vm/pexen.toml", 'group = "vms"\n')
    for verb in ("run", "plan", "list"):
        done = grouped.pexen(verb, "suite")
        assert (done.code, done.out) == (2, "")
        assert "vm/c is of the group 'vms', and the groups are 'vm'. Did you mean 'vm'?" in done.err

    grouped.file("suite/vm/pexen.toml", "[groups.other]\n")
    done = grouped.pexen("run", "suite")
    assert done.code == 2
    assert "suite/vm/pexen.toml, line 1: settings hold for the whole suite" in done.err
