"""`pexen run --detach`: the run is in the journal, and the service of the journal is told to run it."""

from __future__ import annotations

import pytest

from pexen_state.box.mounts import VOLATILE, kind_of
from pexen_state.cli.running.resume_all import and_those_that_come
from pexen_state.cli.suite import earlier
from tests.cli.box import Box
from tests.cli.killing import kill_in_the_middle
from tests.cli.units import Units, units

__all__ = ["units"]

RESUME = ("resume", "--all", "--unattended")


def test_a_run_is_recorded_and_the_service_that_is_made_for_it_runs_it(box: Box, units: Units):
    box.script("suite/a", "echo $MINE; test $0 != x")
    box.script("suite/b", "exit 1")

    done = units.pexen("run", "suite", "--name", "my nightly", "--detach", "-e", "MINE=yes")
    recorded = box.sql("SELECT state, sessions FROM runs")
    told = units.told()
    check = units.pexen("resume", "--all", "--check")
    service = units.pexen(*RESUME)

    assert done.code == 0, done.err
    unit = "pexen@my\\x20nightly.service"
    assert told == ["daemon-reload", f"enable -- {unit}", f"start -- {unit}"]
    assert f"run 1 is recorded, and {unit} runs it." in done.lines
    assert done.lines[-2:] == ["  pexen status 1 --watch", f"  journalctl -f -u '{unit}'"]
    assert recorded == [("unfinished", 0)]
    assert check.lines == ["run 1 was never begun. Suite my nightly."]
    assert service.code == 1
    assert "run 1 was never begun." in service.out
    assert box.sql("SELECT task, verdict FROM tasks ORDER BY task") == [("suite/a", "pass"), ("suite/b", "fail")]
    assert units.pexen("logs", "suite/a").out.endswith("yes\n")
    assert box.pexen("db", "check").code == 0


def test_a_second_run_goes_to_the_same_service_and_a_name_that_is_taken_to_another(box: Box, units: Units):
    box.script("suite/a")
    units.pexen("service", "install", "suite", "--journal", "other.db")
    first = units.pexen("run", "suite", "--name", "suite", "--detach")
    second = units.pexen("run", "suite", "--name", "third", "--detach")

    assert (first.code, second.code) == (0, 0), first.err
    assert "pexen@suite\\x2d2.service" in first.out
    assert "pexen@suite\\x2d2.service" in second.out
    assert box.sql("SELECT id, state FROM runs ORDER BY id") == [(1, "unfinished"), (2, "unfinished")]
    assert units.pexen(*RESUME).code == 0
    assert box.sql("SELECT state, sessions FROM runs") == [("finished", 1), ("finished", 1)]


def test_a_service_that_runs_already_takes_up_what_is_recorded_meanwhile(box: Box, units: Units):
    for name in ("first", "second"):
        box.file(f"{name}.jobs", "a: true\n")
    assert units.pexen("run", "first.jobs", "--detach").code == 0
    path = str(box.journal)

    coming = and_those_that_come(earlier.all_unfinished(path), path)
    first = next(coming)
    assert units.pexen("run", "second.jobs", "--detach").code == 0
    second = next(coming)

    assert (first.record.id, second.record.id) == (1, 2)
    assert list(coming) == []


def test_what_is_wrong_is_said_before_anything_is_written(box: Box, units: Units):
    box.file("bad.jobs", '{"name": "a", "cmd": "true", "requires": ["nobody"]}\n')
    box.file("none.jobs", "# nothing\n")

    bad = units.pexen("run", "bad.jobs", "--detach")
    none = units.pexen("run", "none.jobs", "--detach")
    dry = units.pexen("run", "-n", "none.jobs", "--detach")

    assert (bad.code, none.code, dry.code) == (2, 5, 5), bad.err
    assert "nobody" in bad.err
    assert units.files() == []
    assert not box.journal.exists()


def test_where_no_service_manager_runs_nothing_is_left_to_it(box: Box, units: Units):
    box.script("suite/a")
    units.is_there = False

    done = units.pexen("run", "suite", "--detach")

    assert done.code == 3
    assert "no system service manager of systemd runs here" in done.err
    assert not box.journal.exists()


def test_a_service_that_does_not_start_is_told_and_the_run_is_kept(box: Box, units: Units):
    box.script("suite/a")
    units.refuse.touch()

    done = units.pexen("run", "suite", "--detach")

    assert done.code == 3
    assert "Job failed." in done.err
    assert box.sql("SELECT state FROM runs") == [("unfinished",)]
    assert units.pexen("resume").code == 0


class TestIfUnfinished:
    """What becomes of a run that is there when a service is to begin another one."""

    @pytest.fixture(autouse=True)
    def _killed(self, box: Box) -> None:
        box.script("suite/1")
        box.script("suite/2", "test ! -e ../gate || cat ../gate")
        kill_in_the_middle(box, "run", "suite")

    def test_resume_goes_on_with_it(self, box: Box, units: Units):
        done = units.pexen("run", "suite", "--detach", "--if-unfinished", "resume")

        assert done.code == 0, done.err
        assert "run 1 is unfinished, and pexen@" in done.out
        assert units.told()[-1].startswith("start -- pexen@")
        assert box.sql("SELECT count(*) FROM runs") == [(1,)]

    def test_skip_begins_nothing(self, box: Box, units: Units):
        for more in (["--detach"], []):
            done = units.pexen("run", "suite", "--if-unfinished", "skip", *more)

            assert done.code == 0
            assert "run 1 was cut off at" in done.out
            assert "No other one is begun." in done.out
        assert units.told() == []
        assert box.sql("SELECT state FROM runs") == [("unfinished",)]

    def test_new_supersedes_it(self, box: Box, units: Units):
        assert units.pexen("run", "suite", "--detach", "--if-unfinished", "new").code == 0
        assert box.sql("SELECT state FROM runs ORDER BY id") == [("superseded",), ("unfinished",)]

    def test_what_a_person_paused_is_left_to_that_person(self, box: Box, units: Units):
        assert units.pexen("pause", "1").code == 0

        done = units.pexen("run", "suite", "--detach", "--if-unfinished", "resume")

        assert done.code == 4
        assert "run 1 is left alone: it is paused." in done.out
        assert units.told() == []

    def test_two_ways_to_say_it_are_one_too_many(self, units: Units):
        assert units.pexen("run", "suite", "--resume", "--if-unfinished", "new").code == 2


def test_a_service_of_the_journal_is_somebody_who_goes_on_after_a_reboot(box: Box, units: Units):
    if kind_of(str(box.directory)) in VOLATILE:
        pytest.skip("temporary files are on a file system that does not survive a reboot")
    box.script("suite/a")

    refused = units.pexen("run", "suite", "--allow-reboot")
    detached = units.pexen("run", "suite", "--name", "s", "--detach", "--allow-reboot")
    service = units.pexen(*RESUME, "--boot-grace", "none")
    now = units.pexen("run", "suite", "--allow-reboot")
    units.pexen("service", "remove", "s")
    removed = units.pexen("run", "suite", "--allow-reboot")

    assert (refused.code, detached.code, service.code, now.code, removed.code) == (2, 0, 0, 0, 2), service.err
    assert "a service does: `pexen run --detach`" in refused.err
