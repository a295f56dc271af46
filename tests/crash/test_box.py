"""The box crashes, or is rebooted, in the middle of a run: who did it is found out, and what asked for it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from tests.crash.aftermath import ask, wait_for_the_keeper
from tests.crash.box_suite import PARKED, new_boot
from tests.crash.sessions import Ended, Nursery
from tests.crash.witness import contradictions, records

MOST_SESSIONS = 12


def session(nursery: Nursery, directory: Path, *options: str) -> Ended:
    return nursery.start("tests.crash.box_suite:main", [str(directory), *options], directory).wait()


def run(nursery: Nursery, directory: Path, *options: str) -> list[Ended]:
    """Sessions until one comes to its own end; each of the others is the last one of its boot. Whoever is parked is
    resumed by a person.
    """
    sessions: list[Ended] = []
    while len(sessions) < MOST_SESSIONS:
        sessions.append(session(nursery, directory, *options))
        if sessions[-1].code == PARKED:
            continue
        if not sessions[-1].was_killed:
            return sessions
        wait_for_the_keeper(directory)
        new_boot(directory)
    raise AssertionError(f"the run does not come to its end: {ask(directory, 'SELECT * FROM sessions')}")


def how(directory: Path) -> dict[object, tuple[object, object]]:
    rows = ask(directory, "SELECT task, state, verdict FROM tasks")
    return {task: (state, verdict) for task, state, verdict in rows}


def causes(directory: Path, task: str) -> list[object]:
    query = f"SELECT cause FROM attempts WHERE task = '{task}' ORDER BY attempt"
    return [cause for (cause,) in ask(directory, query)]


def how_sessions_ended(directory: Path) -> list[object]:
    return [how_ended for (how_ended,) in ask(directory, "SELECT how_ended FROM sessions ORDER BY id")]


def sound(directory: Path) -> None:
    assert list(contradictions(records(directory))) == []
    assert list(check(directory / "journal.db")) == []


def test_who_crashes_the_box_every_time_is_found_and_the_innocent_passes(nursery: Nursery, tmp_path: Path) -> None:
    sessions = run(nursery, tmp_path, "--crashes", "99")

    assert len(sessions) == 4
    assert [row for (row,) in ask(tmp_path, "SELECT how_ended FROM sessions ORDER BY id")] == ["crashed"] * 3 + [
        "stopped"
    ]
    assert how(tmp_path)["culprit"] == ("failed", "crash")
    assert how(tmp_path)["innocent"] == ("succeeded", "pass")
    assert causes(tmp_path, "culprit") == ["box_died", "box_died_alone", "box_died_alone"]
    assert causes(tmp_path, "innocent") == ["box_died", "returned"]
    assert how(tmp_path)["asks"] == ("rebooting", None)  # that was not allowed
    sound(tmp_path)


def test_who_crashes_the_box_once_is_tried_again_alone_and_passes(nursery: Nursery, tmp_path: Path) -> None:
    sessions = run(nursery, tmp_path, "--crashes", "1", "--may-reboot")

    assert len(sessions) == 4  # one crash, two reboots
    assert set(how(tmp_path).values()) == {("succeeded", "pass")}
    assert causes(tmp_path, "culprit") == ["box_died", "returned"]
    began = [one.key for one in records(tmp_path) if one.what == "S"]
    assert "other" not in began[:4]  # the suspects came before all else, one after the other
    sound(tmp_path)


def test_a_task_that_asks_is_called_again_after_each_boot_with_count_and_mark(nursery: Nursery, tmp_path: Path) -> None:
    sessions = run(nursery, tmp_path, "--may-reboot")

    assert len(sessions) == 3
    assert [one.detail for one in records(tmp_path) if one.what == "R"] == ["0:", "1:phase-1", "2:phase-2"]
    assert how_sessions_ended(tmp_path) == ["rebooted", "rebooted", "finished"]
    assert ask(tmp_path, "SELECT attempt, cause, reboot_count FROM attempts WHERE task = 'asks' ORDER BY attempt") == [
        (1, "reboot_asked", 0),
        (2, "reboot_asked", 1),
        (3, "returned", 2),
    ]
    assert set(how(tmp_path).values()) == {("succeeded", "pass")}
    sound(tmp_path)


def test_without_permission_everything_else_runs_and_a_reboot_by_hand_is_enough(
    nursery: Nursery, tmp_path: Path
) -> None:
    for _ in range(2):
        ended = session(nursery, tmp_path)
        assert ended.code == 0, ended.err
        assert how(tmp_path)["asks"] == ("rebooting", None)
        assert how(tmp_path)["other"] == ("succeeded", "pass")
        new_boot(tmp_path)
    assert session(nursery, tmp_path).code == 0

    assert how(tmp_path)["asks"] == ("succeeded", "pass")
    sound(tmp_path)


def test_a_box_that_cannot_be_rebooted_fails_the_task_and_the_others_run(nursery: Nursery, tmp_path: Path) -> None:
    ended = session(nursery, tmp_path, "--may-reboot", "--stays-up")

    assert ended.code == 0, ended.err
    assert how(tmp_path)["asks"] == ("failed", "error")
    assert how(tmp_path)["other"] == ("succeeded", "pass")
    ((reason,),) = ask(tmp_path, "SELECT reason FROM tasks WHERE task = 'asks'")
    assert str(reason).startswith("the box could not be rebooted: sh -c ")
    sound(tmp_path)


def test_a_runner_that_is_killed_before_the_box_goes_down_reboots_it_when_it_is_resumed(
    nursery: Nursery, tmp_path: Path
) -> None:
    first = session(nursery, tmp_path, "--may-reboot")
    assert first.was_killed
    wait_for_the_keeper(tmp_path)

    assert session(nursery, tmp_path, "--may-reboot").was_killed  # the same boot: it is rebooted anew

    assert [one.detail for one in records(tmp_path) if one.what == "R"] == ["0:"]
    wait_for_the_keeper(tmp_path)
    new_boot(tmp_path)
    run(nursery, tmp_path, "--may-reboot")
    assert set(how(tmp_path).values()) == {("succeeded", "pass")}
    sound(tmp_path)


def test_who_goes_on_after_a_crash_and_is_killed_before_it_said_so_changes_nothing(
    nursery: Nursery, tmp_path: Path
) -> None:
    assert session(nursery, tmp_path, "--crashes", "99").was_killed
    wait_for_the_keeper(tmp_path)
    new_boot(tmp_path)
    assert session(nursery, tmp_path, "--crashes", "99", "--kill-before-commit", "2").was_killed  # its first turn
    wait_for_the_keeper(tmp_path)

    run(nursery, tmp_path, "--crashes", "99")  # in the same boot

    assert causes(tmp_path, "culprit") == ["box_died", "box_died_alone", "box_died_alone"]
    assert causes(tmp_path, "innocent") == ["box_died", "returned"]
    sound(tmp_path)


def test_nor_is_the_box_rebooted_once_more_for_that(nursery: Nursery, tmp_path: Path) -> None:
    assert session(nursery, tmp_path, "--may-reboot").was_killed
    wait_for_the_keeper(tmp_path)
    new_boot(tmp_path)
    assert session(nursery, tmp_path, "--may-reboot", "--kill-before-commit", "2").was_killed
    wait_for_the_keeper(tmp_path)

    run(nursery, tmp_path, "--may-reboot")

    assert set(how(tmp_path).values()) == {("succeeded", "pass")}
    assert how_sessions_ended(tmp_path) == ["rebooted", "killed", "rebooted", "finished"]
    sound(tmp_path)


def test_a_runner_that_its_keeper_saw_die_is_no_crash_of_the_box_that_is_rebooted_later(
    nursery: Nursery, tmp_path: Path
) -> None:
    assert session(nursery, tmp_path, "--crashes", "1").was_killed
    wait_for_the_keeper(tmp_path)
    new_boot(tmp_path, the_keeper_stayed=True)

    assert session(nursery, tmp_path).code == 0

    assert how_sessions_ended(tmp_path)[0] == "killed"
    assert causes(tmp_path, "culprit") == ["runner_died", "returned"]
    assert causes(tmp_path, "innocent") == ["runner_died", "returned"]
    assert ask(tmp_path, "SELECT count(*) FROM run_event WHERE kind = 6") == [(0,)]  # nobody was under suspicion
    sound(tmp_path)


def test_a_run_that_gets_nowhere_is_parked_and_the_next_resume_goes_on(nursery: Nursery, tmp_path: Path) -> None:
    for commit in (4, 2, 2):  # right after each session's first turn; the first one makes journal and run, too
        killed = session(nursery, tmp_path, "--kill-after-commit", str(commit))
        assert killed.was_killed
        wait_for_the_keeper(tmp_path)

    parked = session(nursery, tmp_path)

    assert parked.code == PARKED
    assert "run 1 is parked: 3 sessions in a row were killed, without one task coming to its end." in parked.err
    assert how_sessions_ended(tmp_path)[-1] == "parked"
    assert session(nursery, tmp_path).code == 0
    assert how(tmp_path)["other"] == ("succeeded", "pass")
    sound(tmp_path)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_commit_before_its_first_reboot_it_comes_to_the_same_end(
    when: str, nursery: Nursery, tmp_path: Path
) -> None:
    for commit in range(1, 10):
        directory = tmp_path / f"{when}-{commit}"
        directory.mkdir()
        assert session(nursery, directory, "--may-reboot", f"--kill-{when}-commit", str(commit)).was_killed
        wait_for_the_keeper(directory)  # and whoever goes on is in the same boot

        run(nursery, directory, "--may-reboot")

        assert set(how(directory).values()) == {("succeeded", "pass")}, commit
        told = {one.detail for one in records(directory) if one.what == "R"}
        assert told == {"0:", "1:phase-1", "2:phase-2"}, commit
        sound(directory)
