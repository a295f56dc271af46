"""`pexen service`: what it writes, what it tells systemd, and that nothing of it stays."""

from __future__ import annotations

import json
import stat
import sys

import pytest

from tests.cli.box import Box
from tests.cli.test_completion import offered
from tests.cli.units import Units, units

__all__ = ["units"]


def test_a_service_is_installed_once_and_the_second_time_nothing_is_written(box: Box, units: Units):
    first = units.pexen("service", "install", "my nightly", "--journal", "j.db")
    told = units.told()
    unit = units.system / "pexen@my\\x20nightly.service"
    before = unit.stat()
    second = units.pexen("service", "install", "my nightly")

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.lines[0] == "wrote /etc/systemd/system/pexen@my\\x20nightly.service"
    assert first.lines[-1] == f"it goes on with what is unfinished in the journal {box.directory}/j.db"
    assert told == ["daemon-reload", "enable -- pexen@my\\x20nightly.service"]
    assert units.told() == []
    assert second.lines[0].endswith("is as it should be: nothing was written")
    assert unit.stat() == before
    assert stat.S_IMODE(before.st_mode) == 0o644
    assert units.files() == ["multi-user.target.wants/pexen@my\\x20nightly.service", unit.name]
    text = unit.read_text()
    command = f"{sys.executable} -P -m pexen_state --journal {box.directory}/j.db"
    assert f"ExecCondition=:{command} resume --all --check\n" in text
    assert f"ExecStart=:{command} resume --all --unattended\n" in text


def test_what_is_printed_is_what_is_written_and_prints_nothing_else(box: Box, units: Units):
    box.script("suite/a")
    words = ("n", "suite", "--on-calendar", "Mon..Fri 02:00", "--if-unfinished", "skip", "--on-finish", "echo $X")

    printed = units.pexen("service", "print", *words, "--after", "network-online.target")
    none = units.files()
    units.pexen("service", "install", *words, "--after", "network-online.target")

    assert none == []
    assert printed.code == 0
    wanted = [
        f"# /etc/systemd/system/{name}\n{(units.system / name).read_text()}"
        for name in ("pexen@n.service", "pexen-start@n.service", "pexen-start@n.timer")
    ]
    assert printed.out == "\n".join(wanted)
    assert units.told() == [
        "daemon-reload",
        "enable -- pexen@n.service pexen-start@n.timer",
        "restart -- pexen-start@n.timer",
    ]


def test_a_timer_that_is_not_asked_for_again_is_taken_away(box: Box, units: Units):
    box.script("suite/a")
    units.pexen("service", "install", "n", "suite", "--on-calendar", "daily")
    units.told()

    done = units.pexen("service", "install", "n")

    assert done.code == 0
    assert units.files() == ["multi-user.target.wants/pexen@n.service", "pexen@n.service"]
    assert units.told()[0] == "disable --now -- pexen-start@n.timer"
    assert f"--journal {box.directory}/.pexen/journal.db" in (units.system / "pexen@n.service").read_text()


@pytest.mark.parametrize("mine", ["--user", "--system"])
def test_remove_leaves_nothing_but_the_journal(box: Box, units: Units, mine: str):
    box.script("suite/a")
    units.pexen("run", "suite")
    units.pexen("service", "install", "n", "suite", "--on-calendar", "daily", mine)
    made = units.files()
    units.told()

    done = units.pexen("service", "remove", "n")

    assert done.code == 0, done.err
    assert len(made) == 5
    assert units.files() == []
    all_three = "pexen@n.service pexen-start@n.service pexen-start@n.timer"
    user = "--user " if mine == "--user" else ""
    assert units.told() == [
        f"{user}disable --now -- {all_three}",
        f"{user}daemon-reload",
        f"{user}reset-failed -- {all_three}",
    ]
    assert box.journal.exists()
    again = units.pexen("service", "remove", "n")
    assert again.code == 2
    assert "there is no service 'n'." in again.err


def test_a_journal_has_one_service_whose_name_stands_for_it(box: Box, units: Units):
    box.script("suite/a", "exit 1")
    units.pexen("run", "suite")
    units.pexen("service", "install", "nightly")

    other = units.pexen("service", "install", "other")
    by_name = units.pexen("--journal", "@nightly", "runs", cwd="/")
    unknown = units.pexen("--journal", "@nigthly", "runs")
    nowhere = units.pexen("runs", cwd="/", env={"HOME": "/"})

    assert other.code == 2
    assert "has a service already: nightly (system)" in other.err
    assert by_name.code == 0
    assert "failed" in by_name.out or "fail" in by_name.out
    assert unknown.code == 2
    assert "Did you mean 'nightly'?" in unknown.err
    assert nowhere.code == 3
    assert f"Services of this box have: @nightly ({box.journal})." in nowhere.err


def test_how_services_stand_is_asked_of_systemd_and_shown_without_harm(box: Box, units: Units):
    empty = units.pexen("service", "list")
    units.pexen("service", "install", "nightly", "--journal", "j.db")
    listed = units.pexen("service", "list")
    about = json.loads(units.pexen("service", "status", "nightly", "--json").out)["service"]
    shown = units.pexen("service", "status", "--journal", "j.db")
    box.file("j.db", "")
    here = units.pexen("service", "status", "--journal", "j.db")

    assert (empty.code, empty.out) == (0, "")
    assert listed.lines[1].split() == ["nightly", "system", "active", "yes", f"{box.directory}/j.db"]
    assert (about["state"], about["enabled"], about["journal"]) == ("active", True, f"{box.directory}/j.db")
    assert shown.code == 3  # there is no such journal yet
    assert here.lines[:2] == ["pexen@nightly.service (system): active, enabled", "  run 1, \\x1b[31msuite x"]


def test_without_a_journal_here_the_service_has_one_of_its_own(box: Box, units: Units):
    done = units.pexen("service", "install", "a b/c", "--user")

    directory = box.directory / ".local/state/pexen/a_b_c"
    assert offered(box, "service", "remove", "") == []  # a shell would split it
    assert done.code == 0, done.err
    assert f"made {directory}" in done.lines
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    printed = units.pexen("service", "print", "a b/c", "--system").out
    assert "--journal /var/lib/pexen/a_b_c/journal.db" in printed
    assert "\nStateDirectory=pexen/a_b_c\n" in printed
    assert units.pexen("service", "remove", "a b/c").code == 0
    assert not directory.parent.exists()


def test_names_of_services_are_offered_after_the_tab_key(box: Box, units: Units):
    units.pexen("service", "install", "nightly", "--user")
    units.pexen("service", "install", "other", "--user", "--journal", "o.db")

    assert offered(box, "service", "remove", "n") == ["nightly"]
    assert offered(box, "service", "status", "") == ["nightly", "other"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["install", "n", "suite"], "when is suite to be run?"),
        (["install", "n", "--on-calendar", "daily"], "say what is to be run then"),
        (["install", "n", "--if-unfinished", "skip"], "--if-unfinished is about new runs"),
        (["install", "n", "suite", "--on-calendar", "Sonntag"], "is no time of systemd.time(7)"),
        (["install", "n", "-", "--on-calendar", "daily"], "standard input cannot be read again"),
        (["install", "n", "--boot-grace", "soon"], "--boot-grace: 'soon' is not a duration"),
        (["install", "n", "--harden", "--allow-reboot"], "no right to reboot"),
        (["install", "n\x1b[31m"], "cannot stand in a unit of systemd"),
        (["install", "n", "--after", "a b"], "is no name of a unit"),
        (["status", "n"], "there is no service 'n'."),
    ],
)
def test_what_makes_no_service_is_a_mistake_and_writes_nothing(box: Box, units: Units, words: list[str], why: str):
    box.script("suite/a")

    done = units.pexen("service", *words)

    assert done.code == 2, done
    assert why in done.err
    assert units.files() == []
    assert units.told() == []


def test_what_systemd_refuses_is_told_and_is_exit_code_3(box: Box, units: Units):
    box.script("bin/systemctl", "echo 'Access denied' >&2; exit 4")

    done = units.pexen("service", "install", "n")

    assert done.code == 3
    assert "systemctl daemon-reload: Access denied" in done.err


def test_a_journal_in_an_unsafe_place_gets_no_service(box: Box, units: Units):
    (box.directory / "link.db").symlink_to("elsewhere.db")

    done = units.pexen("service", "install", "n", "--journal", "link.db")

    assert done.code == 3
    assert "is a symbolic link" in done.err
    assert units.files() == []
