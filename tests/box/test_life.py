"""Which life of the box it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pexen_state.box import life


def test_a_container_that_begins_anew_is_another_life_of_the_same_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stat = tmp_path / "stat"
    monkeypatch.setattr(life, "_FIRST_PROCESS", stat)
    lives = []
    for start in (100, 100, 222):
        stat.write_text(f"1 (a ) b) S {' '.join(['0'] * 18)} {start} 0")
        lives.append(life.box_life())

    assert lives[0] == lives[1] != lives[2]
    assert all(one.startswith(f"{life.boot_id()}/") for one in lives)


def test_where_the_first_process_is_hidden_the_boot_is_all_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(life, "_FIRST_PROCESS", tmp_path / "none")

    assert life.box_life() == f"{life.boot_id()}/0"


@pytest.mark.parametrize(("said", "expected"), [("stopping", True), ("running", False), ("degraded", False)])
def test_systemd_says_whether_the_box_goes_down(said, expected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    command = tmp_path / "systemctl"
    command.write_text(f"#!/bin/sh\necho {said}\nexit 1\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(life, "_SYSTEMD", tmp_path)

    assert life.is_going_down() is expected
    monkeypatch.setattr(life, "_SYSTEMD", tmp_path / "none")
    assert not life.is_going_down()
