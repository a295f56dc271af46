"""What the doctor makes of what was seen: each line, by values alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.box.mounts import Mount
from pexen_state.cli.doctor import of_box, of_journal, of_service
from pexen_state.cli.doctor.examination import findings, goes_on_after_a_boot, of_reboots
from pexen_state.cli.doctor.finding import Finding, Level
from pexen_state.cli.doctor.seen import (
    Cgroups,
    Clock,
    Content,
    Journal,
    Kernel,
    Left,
    Seen,
    Services,
    Systemd,
    Unit,
    Unknown,
)
from pexen_state.cli.running.reboot_risks import sentence
from pexen_state.journal.versions import REVISION
from tests.cli.hostility import is_harmless

OK, NOTE, WARN, BAD = Level

GOOD = Journal(
    "/srv/journal.db",
    content=Content(REVISION, newest_us=1_000),
    mount=Mount("ext4", frozenset({"rw"})),
    free_bytes=1 << 40,
    free_files=1 << 20,
)
KERNEL = Kernel(10, 1, 1, 120, True, "efi_pstore", True)
SYSTEMD = Systemd(True, "1min", True, "auto", True)
UNIT = Unit(
    "pexen@nightly.service",
    "/etc/systemd/system/pexen@nightly.service",
    programs=("/usr/bin/python3",),
    journals=("/srv/journal.db",),
    is_enabled=True,
)
CGROUPS = Cgroups(2, frozenset({"cpu", "memory"}), "", True)
HEALTHY = Seen(
    (3, 51, 3),
    GOOD,
    Left(),
    Services((UNIT,)),
    KERNEL,
    SYSTEMD,
    CGROUPS,
    Clock(2_000, True),
    True,
)


def test_of_a_healthy_box_nothing_is_said_but_ok():
    found = findings(HEALTHY)

    assert [one for one in found if one.level is not OK] == []
    assert all(one.mend is None and one.matters is None for one in found)


def test_whatever_could_not_be_read_is_a_line_that_says_so():
    why = Unknown("no answer within 5 seconds")
    found = findings(Seen((3, 51, 3), why, why, why, why, why, why, why))

    assert [one.what for one in found if "no answer within 5 seconds" in one.says] == [
        *("journal", "leftovers", "service", "cgroups", "log of the box", "kernel", "RuntimeWatchdogSec", "clock")
    ]
    assert [one.what for one in found if one.is_trouble] == ["journal"]


def level(found: Finding, says: str = "") -> Level:
    assert says in found.says
    return found.level


# -- the journal


def test_what_a_journal_is():
    assert level(of_journal.journal(None), "there is none here") is NOTE
    assert level(of_journal.journal(replace(GOOD, is_there=False)), "is not there") is NOTE
    assert level(of_journal.journal(replace(GOOD, is_there=False, is_named=True)), "is not there") is WARN
    assert level(of_journal.journal(replace(GOOD, content=None)), "is empty") is OK
    assert level(of_journal.journal(replace(GOOD, trouble="it was cut off")), "it was cut off") is BAD
    assert level(of_journal.journal(replace(GOOD, size_bytes=90112)), "(88.0 KiB) is whole") is OK


def test_a_damaged_journal_is_bad_and_one_that_is_too_large_to_look_at_is_a_note():
    many = tuple(f"fault {number}" for number in range(9))
    damaged = of_journal.journal(replace(GOOD, content=Content(REVISION, many)))
    large = of_journal.journal(replace(GOOD, path="/a b/j.db", content=Content(REVISION, None)))

    assert level(damaged, "fault 0; fault 1; fault 2 and 6 more") is BAD
    assert damaged.mend is not None
    assert "pexen db backup" in damaged.mend
    assert level(large, "too large") is NOTE
    assert large.mend == "pexen --journal '/a b/j.db' db check"


@pytest.mark.parametrize(
    ("revision", "expected", "mend"),
    [("0004", OK, None), ("0003", NOTE, "db upgrade"), ("0005", BAD, "upgrade pexen-state")],
)
def test_its_schema(revision: str, expected: Level, mend: str | None):
    (found,) = of_journal.schema(replace(GOOD, content=Content(revision)), newest="0004")

    assert found.level is expected
    assert (mend or "") in (found.mend or "")


def test_of_a_journal_that_cannot_be_read_nothing_is_said_of_its_schema():
    assert list(of_journal.schema(replace(GOOD, content=None, trouble="no"))) == []


def test_its_place():
    assert level(of_journal.place(GOOD)) is OK
    assert level(of_journal.place(replace(GOOD, place_warning="everybody may add files")), "everybody") is WARN
    assert level(of_journal.place(replace(GOOD, place_fault="is a symbolic link")), "is a symbolic link") is BAD


@pytest.mark.parametrize(
    ("mount", "expected", "says", "matters"),
    [
        (Mount("ext4", frozenset({"rw", "relatime"})), OK, "ext4", ""),
        (Mount("xfs", frozenset({"ro"})), BAD, "read-only", "no run can be recorded"),
        (Mount("tmpfs"), WARN, "in memory", "a power loss takes the whole journal"),
        (Mount("overlay"), WARN, "overlay", "container"),
        (Mount("nfs4"), WARN, "shared with others", "locks"),
        (Mount("9p"), WARN, "shared with others", "locks"),
        (Mount("fuse.sshfs"), WARN, "fuse.sshfs", "locks"),
        (Mount("ext4", frozenset({"rw", "barrier=0"})), WARN, "barrier=0", "flushes"),
        (Mount("xfs", frozenset({"nobarrier"})), WARN, "nobarrier", "flushes"),
        (None, NOTE, "cannot be found out", ""),
    ],
)
def test_its_file_system_and_what_that_means(mount: Mount | None, expected: Level, says: str, matters: str):
    found = of_journal.file_system(replace(GOOD, mount=mount))

    assert level(found, says) is expected
    assert matters in (found.matters or "")


@pytest.mark.parametrize(
    ("free", "files", "expected"),
    [
        (1 << 40, 1 << 20, OK),
        (1 << 40, None, OK),
        ((1 << 30) - 1, 1 << 20, WARN),
        (1 << 40, 9_999, WARN),
        ((64 << 20) - 1, 1 << 20, BAD),
        (1 << 40, 99, BAD),
        (0, 0, BAD),
        (None, None, NOTE),
    ],
)
def test_the_room_beside_it(free: int | None, files: int | None, expected: Level):
    assert of_journal.free_space(replace(GOOD, free_bytes=free, free_files=files)).level is expected


@pytest.mark.parametrize(
    ("version", "has"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
    ],
)
def test_which_sqlite_may_damage_a_file_that_two_write_to(version: tuple[int, int, int], has: bool):
    assert of_journal.has_reset_bug(version) is has
    assert of_journal.sqlite(version).level is (NOTE if has else OK)


def test_what_dead_runs_have_left():
    left = Left(("sleep (pid 7)",), (7,), ("/j.db.reserve",), ("/j.db.partial",), ("/tmp/pexen-a b",))

    processes, files, copies, sockets = of_journal.leftovers(left)

    assert (level(processes, "sleep (pid 7)"), processes.mend) == (WARN, "kill 7")
    assert (level(files, "/j.db.reserve"), files.mend) == (NOTE, "pexen resume")
    assert (level(copies, "/j.db.partial"), copies.mend) == (NOTE, "rm -r -- /j.db.partial")
    assert (level(sockets), sockets.mend) == (NOTE, "rm -r -- '/tmp/pexen-a b'")
    assert [one.level for one in of_journal.leftovers(Left())] == [OK]


def test_a_thousand_of_them_are_no_endless_line():
    (found,) = of_journal.leftovers(Left(directories=tuple(f"/tmp/pexen-{number:08}" for number in range(1000))))

    assert "and 997 more" in found.says
    assert found.mend is not None
    assert len(found.mend) < 600


# -- the box


@pytest.mark.parametrize(
    ("what", "kernel", "matters"),
    [
        ("kernel.panic", replace(KERNEL, panic=0), "stays dead"),
        ("panic_on_oops", replace(KERNEL, panic_on_oops=0), "broken"),
        ("hung_task_panic", replace(KERNEL, hung_task_panic=0), "locks stay held"),
        ("hung_task_panic", replace(KERNEL, hung_task_timeout=0), "locks stay held"),
        ("kdump", replace(KERNEL, kdump_is_loaded=False, pstore=None), "no word at all"),
        ("pstore", replace(KERNEL, kdump_is_loaded=False, pstore=None), "suspects"),
    ],
)
def test_a_kernel_that_would_not_bring_the_box_back(what: str, kernel: Kernel, matters: str):
    """It matters where somebody waits for the box to come back, and nowhere in a container."""
    for returns, container, expected in ((True, None, WARN), (False, None, NOTE), (True, "docker", NOTE)):
        found = {one.what: one for one in of_box.kernel(replace(kernel, container=container), returns)}

        assert found[what].level is expected
        assert matters in (found[what].matters or "")
        assert found[what].mend is not None
        assert ("kernel" in found) is (container is not None)


def test_one_of_kdump_and_pstore_is_enough():
    for kernel in (replace(KERNEL, kdump_is_loaded=False), replace(KERNEL, pstore=None)):
        assert not any(one.is_trouble for one in of_box.kernel(kernel, True))


@pytest.mark.parametrize(("seconds", "says"), [(10, "in 10 s"), (-1, "at once"), (None, "does not say")])
def test_how_long_after_a_panic_the_box_boots(seconds: int | None, says: str):
    found = next(iter(of_box.kernel(replace(KERNEL, panic=seconds), True)))

    assert level(found, says) is (OK if seconds is not None else NOTE)


def test_a_kernel_that_has_nothing_of_it_is_no_trouble_but_for_its_last_words():
    found = list(of_box.kernel(Kernel(), True))

    assert [one.what for one in found if one.is_trouble] == ["kdump", "pstore"]


@pytest.mark.parametrize(
    ("systemd", "expected", "mend"),
    [
        (SYSTEMD, OK, ""),
        (replace(SYSTEMD, watchdog="0"), WARN, "RuntimeWatchdogSec=60"),
        (replace(SYSTEMD, watchdog="infinity"), WARN, "RuntimeWatchdogSec=60"),
        (replace(SYSTEMD, has_device=False), WARN, "modprobe softdog"),
        (replace(SYSTEMD, watchdog="0", has_device=False), WARN, "softdog"),
        (replace(SYSTEMD, watchdog=None), NOTE, ""),
        (Systemd(), WARN, ""),
    ],
)
def test_a_hung_box_needs_a_watchdog(systemd: Systemd, expected: Level, mend: str):
    found = of_box.watchdog(systemd, True)

    assert found.level is expected
    assert mend in (found.mend or "")
    assert not of_box.watchdog(systemd, False).is_trouble


@pytest.mark.parametrize(
    ("systemd", "expected", "mend"),
    [
        (SYSTEMD, OK, ""),
        (replace(SYSTEMD, has_log_directory=False), WARN, "mkdir -p /var/log/journal"),
        (replace(SYSTEMD, log_storage="volatile"), WARN, "Storage=persistent"),
        (replace(SYSTEMD, log_storage="none"), WARN, "Storage=persistent"),
        (Systemd(), NOTE, ""),
    ],
)
def test_the_log_of_the_last_boot(systemd: Systemd, expected: Level, mend: str):
    found = of_box.logs(systemd, True)

    assert found.level is expected
    assert mend in (found.mend or "")
    assert not of_box.logs(systemd, False).is_trouble


@pytest.mark.parametrize(
    ("clock", "newest", "expected"),
    [
        (Clock(10_000_000, True), 9_000_000, OK),
        (Clock(10_000_000, True), None, OK),
        (Clock(10_000_000, True), 10_500_000, OK),  # of a run that goes on
        (Clock(10_000_000, True), 12_000_000, WARN),
        (Clock(10_000_000, False), 12_000_000, WARN),
        (Clock(10_000_000, False), 9_000_000, NOTE),
        (Clock(10_000_000, None), 9_000_000, NOTE),
        (Clock(10_000_000, True), 2**63 - 1, WARN),
    ],
)
def test_the_clock(clock: Clock, newest: int | None, expected: Level):
    assert of_box.clock(clock, newest).level is expected


# -- what goes on after a boot


@pytest.mark.parametrize(
    ("unit", "expected", "says"),
    [
        (UNIT, OK, "is enabled"),
        (replace(UNIT, is_enabled=False), NOTE, "is not enabled"),
        (replace(UNIT, missing=("/venv/bin/python",)), BAD, "/venv/bin/python"),
        (replace(UNIT, programs=()), WARN, "starts nothing"),
        (replace(UNIT, is_read=False), WARN, "cannot be read"),
    ],
)
def test_a_unit(unit: Unit, expected: Level, says: str):
    found = next(iter(of_service.services(Services((unit,)), None)))

    assert level(found, says) is expected


@pytest.mark.parametrize(
    ("unit", "goes_on"),
    [
        (UNIT, True),
        (replace(UNIT, is_enabled=False), False),
        (replace(UNIT, journals=("/other.db",)), False),
        (replace(UNIT, missing=UNIT.programs), False),
    ],
)
def test_whether_one_goes_on_with_the_journal(unit: Unit, goes_on: bool):
    found = list(of_service.services(Services((unit,)), "/srv/journal.db"))

    assert any("none goes on with /srv/journal.db" in one.says for one in found) is not goes_on


def test_a_users_services_need_lingering():
    own = replace(UNIT, is_user=True)

    assert [one.level for one in of_service.services(Services((own,), "ann", True), None)] == [OK, OK]
    _, found = of_service.services(Services((own,), "ann", False), None)
    assert (level(found, "while ann is logged in"), found.mend) == (WARN, "loginctl enable-linger ann")
    assert len(list(of_service.services(Services((UNIT,), "ann", False), None))) == 1  # one of the box needs none


@pytest.mark.parametrize(
    ("cgroups", "is_root", "expected", "says"),
    [
        (CGROUPS, True, OK, "version 2"),
        (replace(CGROUPS, is_where="user.slice"), False, OK, "version 2"),
        (CGROUPS, False, NOTE, "none is handed to this user"),
        (Cgroups(), True, NOTE, "none are mounted"),
        (Cgroups(1), True, NOTE, "version 1"),
        (replace(CGROUPS, controllers=frozenset({"cpu"})), True, NOTE, "without memory"),
        (replace(CGROUPS, can_kill=False), True, NOTE, "without cgroup.kill"),
    ],
)
def test_cgroups(cgroups: Cgroups, is_root: bool, expected: Level, says: str):
    assert level(of_service.cgroups(cgroups, is_root), says) is expected


# -- together


def test_who_waits_for_the_box_to_come_back():
    none = replace(HEALTHY, services=Services())
    allowed = replace(none, journal=replace(GOOD, content=Content(REVISION, may_reboot=True)))

    assert not goes_on_after_a_boot(none)
    assert not goes_on_after_a_boot(replace(none, services=Services((replace(UNIT, is_enabled=False),))))
    assert not goes_on_after_a_boot(Seen((3, 51, 3)))
    assert goes_on_after_a_boot(HEALTHY)
    assert goes_on_after_a_boot(allowed)


def test_what_would_hurt_a_run_that_may_reboot():
    assert of_reboots(KERNEL, SYSTEMD) == []
    hurt = of_reboots(replace(KERNEL, panic=0), replace(SYSTEMD, watchdog="0"))
    assert [one.what for one in hurt] == ["kernel.panic", "RuntimeWatchdogSec"]
    assert of_reboots(Kernel(container="docker"), replace(SYSTEMD, watchdog="0")) == []


def test_it_is_one_harmless_sentence_and_none_where_nothing_would():
    hurt = of_reboots(replace(KERNEL, panic=0), replace(SYSTEMD, log_storage="none", watchdog="0"))

    assert sentence(hurt) == (
        "pexen: warning: --allow-reboot: this box may not come back by itself, or not know why it went down "
        "(kernel.panic: 0; RuntimeWatchdogSec: 0; log of the box: journald has Storage=none). "
        "`pexen doctor` says what mends it."
    )
    assert sentence([]) is None
    hostile = sentence([Finding("x", Level.WARN, "\x1b[31m\n::error::x")])
    assert hostile is not None
    assert is_harmless(hostile)


numbers = st.none() | st.integers(-(2**63), 2**63)
texts = st.text(max_size=20)
kernels = st.builds(
    Kernel, numbers, numbers, numbers, numbers, st.none() | st.booleans(), st.none() | texts, st.booleans()
)
systemds = st.builds(Systemd, st.booleans(), st.none() | texts, st.booleans(), texts, st.booleans())
journals = st.builds(
    Journal,
    texts,
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**63),
    trouble=st.none() | st.text(min_size=1, max_size=20),
    content=st.none() | st.builds(Content, texts, st.none() | st.lists(texts).map(tuple), numbers),
    mount=st.none() | st.builds(Mount, texts, st.frozensets(texts)),
    free_bytes=st.none() | st.integers(0, 2**63),
    free_files=st.none() | st.integers(0, 2**63),
)


@given(journals, kernels, systemds, st.booleans())
def test_whatever_was_seen_each_trouble_says_what_it_matters(
    journal: Journal, kernel: Kernel, systemd: Systemd, is_root: bool
):
    seen = replace(HEALTHY, journal=journal, kernel=kernel, systemd=systemd, is_root=is_root)

    for one in findings(seen):
        assert one.says
        assert one.matters or not one.is_trouble
        assert one.mend is None or one.level is not OK


def test_the_page_has_a_row_for_each_line():
    page = (Path(__file__).parents[2] / "docs/doctor.md").read_text()
    rows = "".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    lingers = replace(HEALTHY, services=Services((replace(UNIT, is_user=True),), "ann"))

    for one in findings(lingers):
        assert f"`{one.what}`" in rows
