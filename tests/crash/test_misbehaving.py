"""Executables that misbehave, from end to end: whatever they do and whoever is killed, nothing of them is left."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from pexen_state.journal.care.check import check
from tests.crash.aftermath import ask, leftovers, wait_for_the_keeper
from tests.crash.misbehaving import ENDING, LASTING, NEIGHBOURS, start, wait_for_all
from tests.crash.sessions import Nursery
from tests.crash.witness import Record, records

MOST_GROWN_KIB = 50 * 1024


def keeper_of(directory: Path) -> int:
    ((keeper, _),) = json.loads((directory / "journal.db.lock").read_text())["keepers"]
    return int(keeper)


def the_end_is_as_if_nothing_had_happened(directory: Path, attempts: int) -> None:
    ran = records(directory)
    assert sorted(key for what, key, _ in ran if what == "S" and key in NEIGHBOURS) == NEIGHBOURS
    for key in LASTING:
        assert [record for record in ran if record[:2] == ("S", key)] == [
            Record("S", key, str(nth)) for nth in range(1, attempts + 1)
        ]
    assert set(ask(directory, "SELECT state, verdict FROM tasks")) == {("succeeded", "pass")}
    assert check(directory / "journal.db") == []
    assert leftovers(directory) == []


def test_those_that_end_by_themselves_leave_nothing_and_their_neighbours_do_not_notice(
    nursery: Nursery, tmp_path: Path
) -> None:
    session = start(nursery, tmp_path, "ending").wait()

    assert session.code == 0, session.err
    *ended, (_, grown, _) = map(json.loads, session.out.splitlines())
    expected = {key: [key, state, verdict] for key, (_, state, verdict) in ENDING.items()}
    expected |= {key: [key, "succeeded", "pass"] for key in NEIGHBOURS}
    assert {key: [key, *rest] for key, *rest in ended} == expected
    assert grown < MOST_GROWN_KIB
    assert leftovers(tmp_path) == []
    (flood,) = (tmp_path / "journal.d").glob("run-*/floods-*/1/output.log")
    assert flood.stat().st_size == 1 << 30
    flood.unlink()  # a gigabyte


def test_nothing_outlives_a_killed_runner(nursery: Nursery, tmp_path: Path, begun: int) -> None:
    session = start(nursery, tmp_path, "lasting")
    wait_for_all(begun)
    assert leftovers(tmp_path) != []

    session.kill()
    assert session.wait().was_killed
    wait_for_the_keeper(tmp_path)

    assert leftovers(tmp_path) == []
    (tmp_path / "again").touch()
    resumed = start(nursery, tmp_path, "lasting").wait()
    assert resumed.code == 0, resumed.err
    the_end_is_as_if_nothing_had_happened(tmp_path, attempts=2)


def test_what_outlives_runner_and_keeper_is_dead_before_a_resumer_begins_anything(
    nursery: Nursery, tmp_path: Path, begun: int
) -> None:
    session = start(nursery, tmp_path, "lasting")
    wait_for_all(begun)
    keeper = keeper_of(tmp_path)
    os.kill(keeper, signal.SIGSTOP)  # it does not see the runner's death
    session.kill()
    session.wait()
    os.kill(keeper, signal.SIGKILL)
    assert leftovers(tmp_path) != []
    (tmp_path / "again").touch()

    resumer = start(nursery, tmp_path, "lasting", "--hold", "opened")
    assert resumer.held(), resumer.wait().err

    assert leftovers(tmp_path, beside=resumer.pid) == []
    resumer.go_on()
    assert resumer.wait().code == 0, resumer.wait().err
    the_end_is_as_if_nothing_had_happened(tmp_path, attempts=2)


def test_what_a_killed_keeper_was_in_charge_of_is_ended_and_run_again(
    nursery: Nursery, tmp_path: Path, begun: int
) -> None:
    session = start(nursery, tmp_path, "lasting")
    wait_for_all(begun)
    (tmp_path / "again").touch()

    os.kill(keeper_of(tmp_path), signal.SIGKILL)

    assert session.wait().code == 0, session.wait().err
    the_end_is_as_if_nothing_had_happened(tmp_path, attempts=2)
