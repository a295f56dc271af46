"""The command that reboots the box is one of the box's, or one that was given; EFI boots what it has booted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pexen_state.box import rebooting
from pexen_state.box.rebooting import CannotReboot, keep_boot_entry, reboot, reboot_command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a command, which writes down how it was called."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def make(name: str, body: str = "") -> Path:
        (tmp_path / name).write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/called\n{body}\n')
        (tmp_path / name).chmod(0o755)
        return tmp_path / "called"

    return make


def test_what_was_given_is_words_for_no_shell():
    assert reboot_command("/sbin/my-reboot --now 'a b'") == ["/sbin/my-reboot", "--now", "a b"]


@pytest.mark.parametrize(("systemd", "expected"), [(True, ["systemctl", "reboot"]), (False, ["reboot"])])
def test_by_default_the_box_does_it_in_its_way(systemd, expected, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rebooting, "has_systemd", lambda: systemd)

    assert reboot_command() == expected


def test_the_next_boot_is_of_the_entry_of_this_one(command):
    called = command("efibootmgr", "echo 'BootCurrent: 000A'; echo 'BootOrder: 0001,000A'")

    assert keep_boot_entry() == "000A"
    assert called.read_text() == "\n-q -n 000A\n"


def test_without_efi_there_is_no_entry_to_keep(command):
    command("efibootmgr", "echo 'EFI variables are not supported on this system.' >&2; exit 2")

    assert keep_boot_entry() is None


def test_a_command_that_fails_says_why(command):
    command("my-reboot", "echo 'Access denied' >&2; exit 1")

    with pytest.raises(CannotReboot, match=r"^my-reboot --now: exit 1: Access denied$"):
        reboot(["my-reboot", "--now"])


def test_a_command_that_is_not_there_says_so():
    with pytest.raises(CannotReboot, match=r"^no-such-command cannot be run: No such file or directory$"):
        reboot(["no-such-command"])
