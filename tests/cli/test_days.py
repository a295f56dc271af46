"""A day of each kind of user, typed as they would type it: real processes, a real journal, kills included."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from signal import SIGKILL

from pexen_state.journal.lock import is_held
from tests.cli.box import Box, Running

OLD = Path(__file__).parents[1] / "journal" / "fixtures" / "journal-0001.db"


def kill(box: Box, running: Running, journal: Path | None = None) -> None:
    """Kill the runner, and wait until its keeper has ended everything: the next command may do so at once, too."""
    running.signal(SIGKILL)
    running.process.wait()
    until = time.monotonic() + 60
    while is_held(journal or box.journal):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_day_of_somebody_whose_tests_kill_the_box(box: Box):
    gate = box.gate()
    witness = box.directory / "witness"
    box.script("suite/net/link", f"echo link >> '{witness}'; echo link is up")
    box.script("suite/net/dhcp", f"echo dhcp >> '{witness}'; echo no lease; exit 1")
    box.script("suite/net/dns", f"echo dns >> '{witness}'; exec sleep 600")
    box.script("suite/storage/raid", f"echo raid >> '{witness}'; {gate.wait}")
    box.script("suite/storage/trim", f"echo trim >> '{witness}'")
    box.file(
        "pexen.toml",
        '[run]\nname = "box"\ntimeout = "4s"\n',
    )

    # The first look: what would run?
    listed = box.pexen("list", "suite")
    assert listed.code == 0
    assert all(name in listed.out for name in ("link", "dhcp", "dns", "raid", "trim"))

    # The first run: a failure, a hang, and then somebody pulls the plug.
    with box.started("run", "suite") as running:
        gate.reached()
        box.sql_until("SELECT count(*) FROM tasks WHERE verdict IS NOT NULL", 3)
        kill(box, running)
    looked = box.pexen("status")
    assert looked.code == 0
    assert "3 of 5 tasks ended" in looked.out
    assert "interrupted" in box.pexen("runs").out

    # Go on: what has finished does not run again, what was cut off does.
    planned = box.pexen("resume", "--plan")
    assert planned.code == 0
    with box.started("resume") as running:
        gate.reached()
        gate.let_go()
        resumed = running.ended()
    assert resumed.code == 1
    assert "run 1 was cut off" in resumed.out
    assert "3 finished results kept" in resumed.out
    assert sorted(witness.read_text().split()) == ["dhcp", "dns", "link", "raid", "raid", "trim"]

    # What went wrong?
    why = box.pexen("why", "dhcp")
    assert (why.code, why.lines[0].partition(" ")[0]) == (0, "suite/net/dhcp")
    assert "exit 1" in why.out
    assert "no lease" in why.out
    assert "timed out" in box.pexen("why", "dns").out
    assert box.pexen("logs", "dhcp").out == "no lease\n"
    assert box.pexen("logs", "raid", "--all").code == 0
    assert "2 attempts" in box.pexen("show").out
    asked = box.pexen("sql", "SELECT task, verdict FROM tasks WHERE verdict NOT IN ('pass') ORDER BY task", "--csv")
    assert asked.lines == ["task,verdict", "suite/net/dhcp,fail", "suite/net/dns,timeout"]
    assert box.sql("SELECT how_ended FROM sessions ORDER BY id") == [("killed",), ("finished",)]

    # Mended, and only what failed is run again.
    box.script("suite/net/dhcp", "echo a lease at last")
    box.script("suite/net/dns", "true")
    again = box.pexen("rerun", "--failed")
    assert again.code == 0, again.out + again.err
    assert box.sql("SELECT task, verdict FROM tasks WHERE run = 2 ORDER BY task") == [
        ("suite/net/dhcp", "pass"),
        ("suite/net/dns", "pass"),
    ]
    assert box.sql("SELECT parent FROM runs WHERE id = 2") == [(1,)]
    assert box.pexen("diff", "1", "2").code == 0

    # Cleaning up.
    assert box.pexen("db", "prune", "--keep", "1").out.startswith("1 run deleted, with its output: 1.")
    assert box.pexen("db", "vacuum").code == 0
    assert box.pexen("db", "check").code == 0
    assert box.pexen("logs", "2", "dhcp").out == "a lease at last\n"
    assert box.pexen("rerun", "--failed").code == 5


def test_the_days_of_somebody_with_a_nightly_suite(box: Box):
    # The journal of an older pexen has been here all the time.
    box.journal.parent.mkdir()
    shutil.copy(OLD, box.journal)
    assert box.pexen("history", "setup/disk").code == 0
    upgraded = box.pexen("db", "upgrade")
    assert upgraded.lines[0].startswith(".pexen/journal.db: upgraded from schema 0001 to ")
    assert box.pexen("history", "setup/disk").code == 0

    # The first night: one test needs a second attempt, another one a reason.
    box.file("pexen.toml", '[run]\nname = "nights"\nretries = 1\njobs = 2\n')
    box.script("suite/steady", "sleep 0.1")
    box.script(
        "suite/wobbly", 'test -e "$PEXEN_DATA/seen" && exit 0; mkdir -p "$PEXEN_DATA"; touch "$PEXEN_DATA/seen"; exit 1'
    )
    box.script("suite/breaks", "true")
    first = box.pexen("run", "suite")
    assert first.code == 0, first.out + first.err
    first_night = box.sql("SELECT max(id) FROM runs")[0][0]

    # The second night: something broke, something is new.
    box.script("suite/breaks", "echo it broke; exit 1")
    box.script("suite/later", "true")
    second = box.pexen("run", "suite")
    assert second.code == 1

    # In the morning.
    compared = box.pexen("diff", "latest-1", "latest")
    assert compared.code == 1
    assert "breaks" in compared.out
    assert "later" in compared.out
    assert "steady" not in compared.out
    history = box.pexen("history", "breaks")
    assert "PF" in history.out.replace(".", "P")
    flaky = box.pexen("flaky", "--suite", "nights")
    assert "wobbly" in flaky.out
    assert "steady" not in flaky.out
    slowest = box.pexen("slowest")
    assert "steady" in slowest.lines[1]
    assert box.pexen("sql", "failed").out.count("breaks") == 1

    # A copy for somebody else, and one to be safe.
    assert box.pexen("db", "export", str(first_night), "latest", "nights.db").code == 0
    seen = box.json("--journal", "nights.db", "runs")
    assert [run["id"] for run in seen["runs"]] == [first_night + 1, first_night]
    assert box.pexen("db", "backup", "safe.db").code == 0
    assert box.pexen("--journal", "safe.db", "db", "check").code == 0

    # Old nights go by their age; the run that the old pexen left unfinished stays.
    assert box.pexen("db", "prune", "--keep", "1").out.startswith("2 runs deleted, with their output: 2 ")
    pruned = box.pexen("db", "prune", "--suite", "jobs")
    assert pruned.out == "no run was deleted; run 3 is unfinished and stays, unless --unfinished is said\n"
    assert [run["name"] for run in box.json("runs")["runs"]] == ["nights", "jobs", "nightly"]
    assert box.pexen("db", "check").code == 0


def test_a_day_of_somebody_with_a_long_list_of_jobs(box: Box):
    gate, other = box.gate("gate"), box.gate("other")
    done = box.directory / "done"
    jobs = "".join(f"job-{number}: echo {number} >> '{done}'\n" for number in range(50))
    listed = f"{jobs}wait: {gate.wait}\nunwanted: false\nagain: {other.wait}\nlast: true\n"

    # From a pipe; then the box is killed.
    with box.started("run", "-", "-j", "1", "--name", "jobs", stdin=listed.encode()) as running:
        gate.reached()
        box.sql_until("SELECT count(*) FROM tasks WHERE verdict = 'pass'", 50)
        kill(box, running)

    # The list is in the journal: nothing has to be piped again. Another terminal has its say meanwhile.
    with box.started("resume") as running:
        gate.reached()
        cancelled = box.pexen("cancel", "unwanted")
        paused = box.pexen("pause")
        gate.let_go()
        assert running.ended().code == 4
    assert cancelled.out == "unwanted of run 1 is cancelled: it never runs. The run goes on without it.\n"
    assert "run 1 starts nothing new" in paused.out
    assert "paused" in box.pexen("status").out
    assert box.pexen("resume", "--all").code == 5
    assert sorted(map(int, done.read_text().split())) == list(range(50))

    # A person goes on with it.
    with box.started("resume") as running:
        other.reached()
        other.let_go()
        ended = running.ended()
    assert ended.code == 1  # one job was cancelled
    assert box.sql("SELECT task, state, verdict FROM tasks WHERE number > 50 ORDER BY number") == [
        ("wait", "succeeded", "pass"),
        ("unwanted", "cancelled", "not_run"),
        ("again", "succeeded", "pass"),
        ("last", "succeeded", "pass"),
    ]
    assert box.sql("SELECT how_ended FROM sessions ORDER BY id") == [("killed",), ("paused",), ("finished",)]
    assert sorted(map(int, done.read_text().split())) == list(range(50))

    # Next time from a file, which is edited while it is cut off.
    box.file("more.jobs", f"one: echo one\nwait: {gate.wait}\ngone: false\n")
    with box.started("run", "more.jobs", "-j", "1") as running:
        gate.reached()
        box.sql_until("SELECT count(*) FROM tasks WHERE run = 2 AND verdict IS NOT NULL", 1)
        kill(box, running)
    box.file("more.jobs", "one: echo one\nwait: true\nnew: echo new\n")
    edited = box.pexen("resume")
    assert edited.code == 1, edited.out + edited.err
    assert box.sql("SELECT task, state, verdict FROM tasks WHERE run = 2 ORDER BY number") == [
        ("one", "succeeded", "pass"),
        ("wait", "succeeded", "pass"),
        ("gone", "skipped", "not_run"),
        ("new", "succeeded", "pass"),
    ]
    assert box.pexen("logs", "2", "new").out == "new\n"
    assert box.pexen("db", "check").code == 0


PROGRAM = """
import sys

from pexen_state.sched import Sched, func_meta
from pexen_state.sched.pool import ProcessWorkerPool


@func_meta(name="fetch", provides=["data"])
def fetch(shared):
    shared["rows"] = 41
    return {"rows": 41}


@func_meta(name="work", requires=["data"], provides=["sum"], claims=["table"])
def work(shared):
    with open("gate") as gate:
        gate.read()
    shared["sum"] = shared["rows"] + 1


@func_meta(name="tell", requires=["sum"])
def tell(shared):
    return shared["sum"]


sched = Sched([fetch, work, tell], journal="mine.db", name="sums")
for result in sched.run(ProcessWorkerPool(1)):
    print(result.key, result.ret, result.verdict, "replayed" if result.replayed else "", flush=True)
"""


def test_a_day_of_somebody_who_embeds_the_scheduler(box: Box):
    gate = box.gate()
    box.file("program.py", PROGRAM)
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = ("-c", "exec(open('program.py').read())")

    # The program dies in the middle; the command line sees what it wrote.
    journal = box.directory / "mine.db"
    with box.started(*command, env=environment, program=(sys.executable,)) as running:
        assert running.until("fetch") == "fetch {'rows': 41} pass \n"
        gate.reached()
        assert "running" in box.pexen("--journal", "mine.db", "runs").out
        locks = box.pexen("--journal", "mine.db", "locks")
        why = box.pexen("--journal", "mine.db", "why", "tell")
        kill(box, running, journal)
    assert "table" in locks.out
    assert "work" in locks.out
    assert "tell" in why.lines[0]
    refused = box.pexen("--journal", "mine.db", "resume")
    assert refused.code == 2  # its tasks are in the program alone

    # Started again, it goes on by itself, and gets the earlier results, too.
    with box.started(*command, env=environment, program=(sys.executable,)) as running:
        gate.reached()
        gate.let_go()
        ended = running.ended()
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines == ["fetch {'rows': 41} pass replayed", "work None pass ", "tell 42 pass "]

    shown = box.json("--journal", "mine.db", "show")
    assert [task["verdict"] for task in shown["tasks"]] == ["pass", "pass", "pass"]
    assert shown["run"]["state"] == "finished"
    assert box.pexen("--journal", "mine.db", "db", "check").code == 0
