"""The units as text: what systemd itself says of them."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.service import names, units
from pexen_state.service.errors import UnitError
from pexen_state.service.values import Service, Starts

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed here")

PYTHON = ("/usr/bin/python3", "-P", "-m", "pexen_state")
NASTY = 'a-b/c %i "x" ü'


def service(**said: object) -> Service:
    return Service(**{"name": "nightly", "journal": "/srv/night/.pexen/journal.db", "python": PYTHON, **said})


STARTS = Starts(
    "Mon..Fri 02:00",
    ("my 'suite'", "--odd.jobs"),
    "/srv/a b%",
    {"PATH": "/bin:/usr/bin", "LANG": 'a"b\\'},
    "new",
    'mail -s "$PEXEN_EXIT_CODE;" %u',
)


def variants() -> list[Service]:
    found = []
    for is_user, harden, has_state, reboots, starts in itertools.product((False, True), repeat=5):
        if (is_user and has_state) or (harden and reboots):
            continue
        found.append(
            service(
                name=NASTY,
                journal="/srv/a b/%h/$HOME/j.db",
                is_user=is_user,
                harden=harden,
                has_state_directory=has_state,
                allow_reboot=reboots,
                boot_grace="1m" if reboots else None,
                failures_fail_unit=has_state,
                after=("network-online.target",) if starts else (),
                starts=STARTS if starts else None,
            )
        )
    return found


def written(one: Service, directory: Path) -> list[Path]:
    paths = []
    for name, text in units.texts(one).items():
        paths.append(directory / name)
        paths[-1].write_text(text)
    return paths


@needs_systemd
def test_systemd_has_nothing_to_say_about_any_variant(tmp_path: Path):
    for number, one in enumerate(variants()):
        directory = tmp_path / str(number)
        directory.mkdir()
        words = ["systemd-analyze", "--user" if one.is_user else "--system", "verify"]
        done = subprocess.run(
            [*words, *map(str, written(one, directory))],
            capture_output=True,
            text=True,
            env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), one


@needs_systemd
def test_what_is_hardened_is_exposed_little(tmp_path: Path):
    for one in variants():
        if one.harden:
            for path in written(one, tmp_path):
                if path.suffix != ".service":
                    continue
                done = subprocess.run(
                    ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)],
                    capture_output=True,
                    text=True,
                )
                found = re.search(r"exposure level for .*: ([\d.]+)", done.stdout)
                assert found, done
                assert float(found[1]) <= 2.0, done.stdout


@needs_systemd
@pytest.mark.parametrize("name", ["nightly", "a-b/c", ".x", "a..b", "ü%", "-x", "a b@c:d_e", NASTY, "\\x2d"])
def test_units_are_called_as_systemd_would_call_them(name: str):
    done = subprocess.run(["systemd-escape", "--", name], capture_output=True, text=True, check=True)

    assert names.escaped(name) == done.stdout.rstrip("\n")


def test_a_service_restricts_nothing_that_its_tasks_would_inherit_unless_it_is_hardened():
    plain, hardened = (units.texts(service(harden=harden))["pexen@nightly.service"] for harden in (False, True))

    for word in ("Protect", "Private", "Restrict", "NoNewPrivileges", "Capability", "SystemCall", "UMask", "ReadOnly"):
        assert word not in plain.replace("RestartPrevent", "")
        assert word in hardened or word == "ReadOnly"
    assert "TasksMax=infinity" in plain
    assert "Delegate=yes" in plain


def test_permission_to_reboot_is_in_the_unit_only_if_it_was_asked_for():
    assert "--allow-reboot" not in units.texts(service())["pexen@nightly.service"]
    text = units.texts(service(allow_reboot=True, starts=STARTS))
    assert " resume --all --unattended --allow-reboot\n" in text["pexen@nightly.service"]
    assert "run --detach --if-unfinished new --allow-reboot" in text["pexen-start@nightly.service"]


def test_results_are_no_failures_of_the_unit_unless_that_is_asked_for():
    plain, strict = (units.texts(service(failures_fail_unit=one))["pexen@nightly.service"] for one in (False, True))

    assert "\nSuccessExitStatus=1 4\n" in plain
    assert "\nSuccessExitStatus=4\n" in strict
    assert "\nRestartPreventExitStatus=1 2 3 4 5 6\n" in strict


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"name": ""}, "a service needs a name"),
        ({"name": "a\nb"}, "cannot stand in a unit"),
        ({"name": "\udcff"}, "cannot stand in a unit"),
        ({"name": "x" * 250}, "too long"),
        ({"journal": "/srv/\x1b/j.db"}, "the path of the journal"),
        ({"after": ("a b",)}, "--after"),
        ({"harden": True, "allow_reboot": True}, "no right to reboot"),
        ({"harden": True, "journal": "/var/tmp/j.db"}, "of its own"),
        ({"starts": Starts("daily", ("x",), "/srv", on_finish="a\n[Service]")}, "--on-finish"),
        ({"starts": Starts("daily\nUser=x", ("x",), "/srv")}, "--on-calendar"),
    ],
)
def test_what_cannot_be_said_in_a_unit_is_refused(said: dict[str, object], why: str):
    with pytest.raises(UnitError, match=re.escape(why)):
        units.texts(service(**said))


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=12)


@given(name=_TEXT.filter(str.strip), target=_TEXT, command=_TEXT)
def test_no_text_gets_out_of_its_line_and_what_a_unit_was_made_of_is_read_back(name: str, target: str, command: str):
    one = service(
        name=name, journal=f"/srv/{name}/j.db", starts=Starts("daily", (target,), "/srv", {}, "skip", command)
    )

    texts = units.texts(one)

    plain = units.texts(service(name="x", starts=Starts("daily", ("x",), "/srv", {}, "skip", "x")))
    for text, model in zip(texts.values(), plain.values(), strict=True):
        assert [line.partition("=")[0] for line in text.split("\n")] == [
            line.partition("=")[0] for line in model.split("\n")
        ]
    said = next(line for line in texts[names.resumes(name)].split("\n") if line.startswith(units.MADE_OF))
    assert Service.from_json(said.removeprefix(units.MADE_OF)) == one


@given(_TEXT)
def test_quoting_is_undone_by_the_rules_of_systemd(word: str):
    text = units.quoted(word).replace("%%", "%")
    if text.startswith('"'):
        text = re.sub(r"\\(.)", r"\1", text[1:-1])

    assert text == word


def test_the_longest_name_that_a_file_may_have_is_kept_to():
    name = names.shortened("ü" * 300)

    assert len(names.start_timer(name)) <= 255
    assert names.checked_name(name)
