"""diff, history, flaky, slowest: what people are told about more than one run."""

from __future__ import annotations

import re
import signal

import pytest

from tests.cli.box import Box
from tests.cli.test_start_up import HEAVY, imported_by

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def timeless(lines: list[str]) -> list[str]:
    return [TIME.sub("(time)", line) for line in lines]


def test_diff_tells_each_kind_of_difference_and_ends_with_1_if_something_is_worse(nights: Box):
    done = nights.pexen("diff", "1", "2")

    assert done.code == 1
    assert timeless(done.lines) == [
        "run 1 (nightly, (time)) -> run 2 (nightly, (time))",
        "",
        "newly failed: 2",
        "  time/sync  pass -> fail  exit 1",
        "  new/nvme  not there -> fail  exit 4",
        "",
        "gone: 1",
        "  old/floppy  pass -> not there",
        "",
        "fixed: 3",
        "  net/dhcp/renew  fail -> pass",
        "  db/start  fail -> pass",
        "  raid/rebuild  timeout -> pass",
        "",
        "other changes: 2",
        "  db/query  not run -> pass",
        "  raid/check  not run -> pass",
        "",
        "2 newly failed, 1 gone, 3 fixed, 2 other changes; 6 tasks as before, 1 of them failed in both",
    ]


def test_diff_the_other_way_round(nights: Box):
    lines = nights.pexen("diff", "2", "1").lines

    assert "not run any more: 2" in lines
    assert "  db/query  pass -> not run  requires 'db', which was provided by nobody: db/start (fail)" in lines
    assert "new: 1" in lines
    assert "newly flaky: 1" in lines
    assert "  net/dns  pass in 2 attempts" in lines


def test_diff_as_json_has_both_sides_of_each_task(nights: Box):
    found = nights.json("diff", "1", "2", code=1)

    assert (found["before"]["id"], found["after"]["id"], found["worse"]) == (1, 2, True)
    assert found["counts"] == {
        "newly_failed": 2,
        "not_run": 0,
        "gone": 1,
        "fixed": 3,
        "new": 0,
        "changed": 2,
        "flaky": 0,
        "slower": 0,
    }
    (first, second) = found["changes"]["newly_failed"]
    assert (first["task"], first["before"]["verdict"], first["after"]["reason"]) == ("time/sync", "pass", "exit 1")
    assert (second["task"], second["before"]) == ("new/nvme", None)


def test_diff_of_a_run_with_itself_and_of_two_suites(nights: Box):
    same = nights.pexen("diff", "weekly.jobs", "latest")
    other = nights.pexen("diff", "4", "2")

    assert same.code == 0
    assert same.lines[-1] == "no difference: 2 tasks as before"
    assert other.code == 1
    assert other.lines[1] == "  these are runs of two suites"


def test_diff_with_a_rerun_is_about_what_was_run_again(nights: Box):
    done = nights.pexen("diff", "2", "3")

    assert done.code == 0
    assert done.lines[1:] == [
        "  run 3 runs tasks of run 2 again: only those are compared",
        "",
        "no difference: 3 tasks as before, 3 of them failed in both",
    ]


def test_diff_says_that_a_run_is_unfinished(box: Box):
    gate = box.gate()
    box.file("a.jobs", "one: true\ntwo: test ! -e wait || cat gate\n")
    assert box.pexen("run", "a.jobs", "-j1").code == 0
    box.file("wait", "")
    with box.started("run", "a.jobs", "-j1") as run:
        gate.reached()
        run.until("one")
        run.signal(signal.SIGKILL)
        run.process.wait()

    done = box.pexen("diff", "1", "2")

    assert done.code == 0
    assert "  run 2 is unfinished: 1 of its 2 tasks have no verdict" in done.lines
    assert done.lines[-1] == "no difference: 1 task as before"


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Runs 1 and 3 on one kernel, 2, 4 and 5 on another one: as their journal tells it. To be looked at alone."""
    box = Box(tmp_path_factory.mktemp("kernels"))
    box.file("a.jobs", "one: test ! -e bad\ntwo: true\n")
    for bad in (False, True, False, True):
        if bad:
            box.file("bad", "")
        else:
            (box.directory / "bad").unlink(missing_ok=True)
        assert box.pexen("run", "a.jobs").code == bad
    assert box.pexen("rerun", "--failed").code == 1
    from tests.journal.telling import change

    for run, kernel in enumerate(("6.1", "6.12", "6.1", "6.12", "6.13"), start=1):
        change(box.journal, f"UPDATE fact SET value = '{kernel}' WHERE session = {run} AND name = 'kernel'")
    return box


def test_diff_by_a_fact_compares_the_newest_runs_of_its_values(kernels: Box):
    done = kernels.pexen("diff", "--by", "kernel")

    assert done.code == 1
    assert timeless(done.lines) == [
        "kernel 6.12: run 4, the newest of 2",
        "kernel 6.1: run 3, the newest of 2",
        "",
        "kernel: 6.1 -> 6.12",
        "run 3 (a.jobs, (time)) -> run 4 (a.jobs, (time))",
        "",
        "newly failed: 1",
        "  one  pass -> fail  exit 1",
        "",
        "1 newly failed; 1 task as before",
    ]


def test_diff_by_a_fact_as_json(kernels: Box):
    found = kernels.json("diff", "--by", "kernel", "a.jobs", code=1)

    assert found["fact"] == "kernel"
    assert found["values"] == [{"value": "6.12", "run": 4, "runs": 2}, {"value": "6.1", "run": 3, "runs": 2}]
    (difference,) = found["differences"]
    assert (difference["before"]["id"], difference["after"]["id"], difference["worse"]) == (3, 4, True)
    assert [change["task"] for change in difference["changes"]["newly_failed"]] == ["one"]


def test_diff_by_a_fact_of_two_runs_tells_what_it_was(kernels: Box):
    lines = kernels.pexen("diff", "1", "2", "--by", "kernel").lines

    assert lines[:4] == ["kernel 6.12: run 2", "kernel 6.1: run 1", "", "kernel: 6.1 -> 6.12"]
    assert "  one  pass -> fail  exit 1" in lines


def test_diff_by_a_fact_that_never_changed_says_so(kernels: Box):
    same = kernels.pexen("diff", "--by", "arch")

    assert same.code == 0
    assert re.fullmatch(r"arch is \S+ in all of its 4 runs: there is nothing to compare", same.lines[0])


def test_diff_by_a_fact_where_no_run_came_to_its_end(box: Box):
    gate = box.gate()
    box.file("a.jobs", "one: cat gate\n")
    with box.started("run", "a.jobs") as run:
        gate.reached()
        run.signal(signal.SIGKILL)
        run.process.wait()

    done = box.pexen("diff", "--by", "kernel")

    assert (done.code, done.lines) == (
        0,
        ["no run of this suite has come to its end by itself: nothing can be compared by kernel"],
    )


def test_facts_of_a_run_are_those_with_which_it_began(kernels: Box):
    found = kernels.json("facts", "1")

    assert (found["run"], found["facts"]["kernel"]) == (1, "6.1")
    assert isinstance(found["facts"]["root"], bool)
    assert isinstance(found["facts"]["network.interfaces"], list)
    assert kernels.json("facts", "latest")["facts"]["kernel"] == "6.13"
    assert any(line.startswith("kernel ") and line.endswith(" 6.1") for line in kernels.pexen("facts", "3").lines)
    assert kernels.pexen("facts", "9").code == 2


def test_history_tells_every_run_and_since_when(nights: Box):
    lines = timeless(nights.pexen("history", "sync").lines)

    assert lines[0] == "time/sync: fails since run 2, after 1 pass"
    assert lines[1].split() == ["run", "when", "verdict", "attempts", "took", "reason"]
    assert re.fullmatch(r"  3  \(time\)  fail            1  \d\.\ds  exit 1", lines[2])
    assert re.fullmatch(r"  2  \(time\)  fail            1  \d\.\ds  exit 1", lines[3])
    assert re.fullmatch(r"  1  \(time\)  pass            1  \d\.\ds", lines[4])
    assert lines[5] == "newest  3  PFF  oldest first: F fail, P pass"
    assert re.fullmatch(r"usually    \d\.\ds, from \d\.\ds to \d\.\ds in 1 run", lines[6])


def test_history_goes_over_all_suites_or_through_one(nights: Box):
    everywhere = nights.pexen("history", "dns").lines
    nightly = nights.json("history", "dns", "--suite", "nightly")

    assert everywhere[0] == "net/dns: passed in all of its 3 runs"
    assert everywhere[1].split()[:3] == ["run", "suite", "when"]
    assert "pPP  oldest first: P pass, p pass in a later attempt" in everywhere[5]
    assert [(run["run"], run["verdict"], run["flaky"], run["attempts"]) for run in nightly["runs"]] == [
        (2, "pass", False, 1),
        (1, "pass", True, 2),
    ]
    assert nightly["streak"]["words"] == "passed in all of its 2 runs"
    assert nightly["seconds"]["runs"] == 2
    assert [run["run"] for run in nights.json("history", "dns", "-n1")["runs"]] == [4]


def test_history_finds_a_task_that_the_newest_run_does_not_have(nights: Box):
    assert nights.pexen("history", "floppy").lines[0] == "old/floppy: passed in its only run"
    assert nights.json("history", "query")["task"] == "db/query"
    assert nights.pexen("history", "box/fs/xfs").lines[0] == "box/fs/xfs: it never passed or failed"


def test_flaky_tells_the_worst_first(nights: Box):
    done = nights.pexen("flaky")

    assert done.lines[0].split() == [
        "task",
        "suite",
        "score",
        "runs",
        "flaky",
        "changes",
        "last",
        "in",
        "run",
        "when",
        "verdicts",
    ]
    assert timeless(done.lines)[1].split() == ["net/dns", "nightly", "0.50", "2", "1", "0", "1", "(time)", "pP"]
    assert timeless(done.lines)[5].split() == ["time/sync", "nightly", "0.33", "3", "0", "1", "2", "(time)", "PFF"]
    assert done.lines[-1].startswith("score: share of the runs in which it passed after a failed attempt")
    found = nights.json("flaky", "-n2")
    assert (len(found["tasks"]), found["all"]) == (2, 5)
    assert nights.pexen("flaky", "-n2").err == "3 more; -n says how many are listed\n"


def test_flaky_tells_that_nothing_is(nights: Box):
    done = nights.pexen("flaky", "--suite", "weekly.jobs")

    assert (done.code, done.out) == (0, "")
    assert done.err == "no task passed and failed by turns in the newest 50 runs\n"


def test_slowest_by_what_tasks_usually_take_or_took_in_one_run(nights: Box):
    usual = nights.json("slowest", "--suite", "nightly")
    in_one = nights.pexen("slowest", "1", "-n2")

    assert usual["suite"] == "nightly"
    assert usual["all"] == 14
    assert abs(sum(task["share"] for task in usual["tasks"]) - 1) < 1e-9
    assert in_one.lines[0].split() == ["task", "took", "share", "attempts"]
    assert in_one.lines[1].split()[0] == "raid/rebuild"
    assert len(in_one.lines) == 3
    assert {task["task"] for task in nights.json("slowest")["tasks"]} == {"net/dns", "soak"}
    assert nights.json("slowest", "1")["run"] == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["diff"], "two runs are compared, and 0 named. Write for example: pexen diff latest-1 latest"),
        (["diff", "1"], "two runs are compared, and 1 named."),
        (["diff", "1", "2", "3"], "two runs are compared, and 3 named."),
        (["diff", "1", "2", "3", "--by", "kernel"], "two runs are compared, and 3 named."),
        (
            ["diff", "--by", "kernle"],
            "--by: there is no fact 'kernle'. Did you mean 'kernel'? `pexen facts` lists them",
        ),
        (["diff", "--by", "kernel", "9"], "the journal has no run 9."),
        (["facts", "9"], "the journal has no run 9."),
        (["diff", "1", "9"], "the journal has no run 9. `pexen runs` lists them."),
        (["diff", "1", "nightlie"], "no run is named 'nightlie'. The journal has: nightly, weekly.jobs."),
        (["history"], "Missing argument 'TASK'"),
        (["history", "dsn"], "the journal has no task 'dsn'."),
        (["history", "net/dms"], "the journal has no task 'net/dms'. Did you mean 'net/dns'?"),
        (["history", "t"], "'t' may be any of 2 tasks of the journal: db/start, setup/net. Say more of its key."),
        (["history", "dns", "--suite", "weekly"], "no suite is named 'weekly'. The journal has: nightly, weekly.jobs."),
        (["history", "floppy", "--suite", "weekly.jobs"], "the suite weekly.jobs has no task 'floppy'."),
        (["history", "dns", "-n", "0"], "Invalid value for '-n'"),
        (["flaky", "--suite", "weekly"], "no suite is named 'weekly'."),
        (["slowest", "--suite", "weekly"], "no suite is named 'weekly'."),
        (["slowest", "1", "--suite", "nightly"], "RUN says which suite is meant; leave --suite out"),
        (["slowest", "latest-9"], "the journal has no run 'latest-9'."),
    ],
)
def test_what_cannot_be_told_is_a_sentence(nights: Box, words: list[str], told: str):
    done = nights.pexen(*words)

    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_a_hostile_name_is_shown_as_everywhere_and_found_as_it_was_shown(box: Box):
    box.script("suite/evil\x1b[31m\n::error::x", "exit 1")
    assert box.pexen("run", "suite").code == 1
    box.script("suite/evil\x1b[31m\n::error::x")
    assert box.pexen("run", "suite").code == 0

    for words in (["diff", "1", "2"], ["history", "suite/evil\\x1b[31m\\n::error::x"], ["slowest"], ["slowest", "1"]):
        done = box.pexen(*words)
        assert done.code == 0, done.err
        assert "evil\\x1b[31m\\n::error::x" in done.out
        assert "\x1b" not in done.out
        assert not [line for line in done.lines if line.lstrip().startswith("::")]


def test_an_empty_journal_is_told(box: Box):
    box.file("a.jobs", "one: true\n")
    assert box.pexen("run", "a.jobs").code == 0
    from tests.journal.telling import change

    for table in ("attempt", "transition", "task", "session", "run_event", "run"):
        change(box.journal, f"DELETE FROM {table}")
    for words in (["diff", "latest", "latest"], ["history", "one"], ["slowest"]):
        done = box.pexen(*words)
        assert done.code == 2
        assert "the journal has no run yet. `pexen run` begins one." in done.err
    assert box.pexen("flaky").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["diff", "1", "2"],
        ["diff", "--by", "host"],
        ["facts", "1"],
        ["history", "dns"],
        ["flaky"],
        ["slowest"],
        ["slowest", "1"],
        ["sql", "-l"],
        ["sql", "failed"],
    ],
)
def test_none_of_them_imports_anything_of_weight(nights: Box, words: list[str]):
    modules = imported_by(*words, cwd=str(nights.directory))

    assert not modules & {*HEAVY, "pexen_state.sched", "pexen_state.journal.writer", "statistics"}
