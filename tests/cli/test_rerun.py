"""`pexen rerun`: a new run of an earlier run's tasks, as that one was started, and linked to it."""

from __future__ import annotations

import signal

from tests.cli.box import Box

LINKS = "SELECT id, name, parent, tasks FROM runs ORDER BY id"


def tasks(box: Box, run: int) -> list[tuple[str, str]]:
    return box.sql(f"SELECT task, verdict FROM tasks WHERE run = {run} ORDER BY number")  # type: ignore[return-value]


def test_what_failed_runs_again_in_a_run_that_is_linked_to_the_first(box: Box):
    box.file(
        "night.jobs",
        '{"name": "setup", "cmd": "true", "provides": ["db"]}\n'
        '{"name": "login", "cmd": "test -e fixed", "requires": ["db"], "provides": ["session"]}\n'
        '{"name": "order", "cmd": "true", "requires": ["session"]}\n'
        '{"name": "other", "cmd": "true"}\n',
    )
    assert box.pexen("run", "night.jobs", "-j1", "--name", "nightly").code == 1

    nothing = box.pexen("rerun", "--failed", "1")  # it is still broken
    box.file("fixed", "")
    failed = box.pexen("rerun", "1", "--failed", cwd="/", env={"PEXEN_JOURNAL": str(box.journal)})
    not_run = box.pexen("rerun", "nightly", "--not-run")
    undone = box.pexen("rerun", "1", "--not-run", "-j2")
    everything = box.pexen("rerun", "1")

    assert (nothing.code, failed.code, undone.code, everything.code) == (1, 0, 0, 0)
    assert "1 of 4 tasks: failed in run 1, and 1 more that they require." in failed.lines
    assert tasks(box, 3) == [("setup", "pass"), ("login", "pass")]
    assert (not_run.code, not_run.err) == (5, "pexen: nothing was left undone in run 3.\n")
    assert tasks(box, 4) == [("setup", "pass"), ("login", "pass"), ("order", "pass")]
    assert "1 worker" in everything.lines[0]
    assert "2 workers" in undone.lines[0]
    assert box.sql(LINKS) == [
        (1, "nightly", None, 4),
        (2, "nightly", 1, 2),
        (3, "nightly", 1, 2),
        (4, "nightly", 1, 3),
        (5, "nightly", 1, 4),
    ]


def test_a_rerun_of_an_unfinished_run_supersedes_it_and_has_its_surroundings(box: Box):
    gate = box.gate()
    look = 'echo "$TZ $COLOUR" > seen'
    box.file("s.jobs", f"one: {look}\ntwo: test ! -e gate || cat gate\nthree: true\n")
    with box.started("run", "s.jobs", "-j1", "-e", "COLOUR=red", env={"TZ": "Asia/Tokyo"}) as run:
        gate.reached()
        run.until("PASS")
        run.signal(signal.SIGKILL)
        run.process.wait()
    gate.path.unlink()
    (box.directory / "seen").unlink()

    again = box.pexen("rerun", "--journal", str(box.journal), cwd="/", env={"TZ": "UTC"})

    assert again.code == 0, again.err
    assert "run 1 of this suite was unfinished; it is superseded, and will not be resumed." in again.lines
    assert "3 of 3 tasks: those of run 1." in again.lines
    assert (box.directory / "seen").read_text() == "Asia/Tokyo red\n"
    assert box.sql("SELECT id, state FROM runs ORDER BY id") == [(1, "superseded"), (2, "finished")]


def test_a_rerun_that_is_cut_off_is_resumed_with_its_own_tasks_alone(box: Box):
    box.file("s.jobs", "one: test ! -e gate || cat gate; false\ntwo: true\n")
    assert box.pexen("run", "s.jobs", "-j1").code == 1
    gate = box.gate()
    with box.started("rerun", "--failed") as run:
        gate.reached()
        run.signal(signal.SIGKILL)
        run.process.wait()
    gate.path.unlink()
    box.file("s.jobs", "one: test ! -e gate || cat gate; false\ntwo: true\nthree: true\n")

    assert box.pexen("resume").code == 1
    assert tasks(box, 2) == [("one", "fail")]


def test_nothing_to_run_again_is_told(box: Box):
    nowhere = box.pexen("rerun")
    box.script("suite/one")
    box.pexen("run", "suite")
    nothing = box.pexen("rerun", "--failed")
    unknown = box.pexen("rerun", "7")

    assert (nowhere.code, nothing.code, unknown.code) == (5, 5, 2)
    assert (
        nowhere.err == "pexen: nothing to run again: there is no journal here. Another one is named with --journal.\n"
    )
    assert nothing.err == "pexen: nothing failed in run 1.\n"
    assert "the journal has no run 7" in unknown.err


def test_a_rerun_of_a_part_or_of_an_older_run_leaves_an_unfinished_one_as_it_is(box: Box):
    box.file("s.jobs", "one: false\ntwo: test ! -e gate || cat gate\n")
    assert box.pexen("run", "s.jobs").code == 1
    gate = box.gate()
    with box.started("run", "s.jobs", "-j1") as run:
        gate.reached()
        run.until("FAIL")
        run.signal(signal.SIGKILL)
        run.process.wait()
    gate.path.unlink()

    failed = box.pexen("rerun", "2", "--failed")
    not_run = box.pexen("rerun", "2", "--not-run", "--journal", str(box.journal), cwd="/")
    older = box.pexen("rerun", "1")

    said = "run 2 of this suite is unfinished, and stays so: `pexen{} resume 2` goes on with it."
    assert said.format("") in failed.lines
    assert said.format(f" --journal {box.journal}") in not_run.lines
    assert said.format("") in older.lines
    assert box.pexen("resume").code == 1
    assert box.sql("SELECT id, state, sessions FROM runs ORDER BY id") == [
        (1, "finished", 1),
        (2, "finished", 2),
        (3, "finished", 1),
        (4, "finished", 1),
        (5, "finished", 1),
    ]
