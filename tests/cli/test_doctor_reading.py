"""What the doctor sees of a box that is made of files, some of which mean harm, and of journals that are not whole."""

from __future__ import annotations

import os
import random
import shutil
import socket
import sqlite3
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.box.mounts import Mount, kind_of, mount_of
from pexen_state.cli.doctor import reading, reading_journal
from pexen_state.cli.doctor.examination import findings
from pexen_state.cli.doctor.files import Files, said_by, within
from pexen_state.cli.doctor.finding import Level
from pexen_state.cli.doctor.seen import Cgroups, Kernel, Seen, Systemd, Unknown
from pexen_state.cli.doctor.units import said_in, words_of
from pexen_state.journal.paths import JournalPaths
from pexen_state.util import PexenError
from tests.cli.box import Box
from tests.cli.hostility import STRINGS

FIXTURES = Path(__file__).parents[1] / "journal" / "fixtures"


def root(tmp_path: Path, **files: str | bytes) -> Files:
    """`**{"proc/sys/kernel/panic": "10"}`"""
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Files(str(tmp_path))


# -- limits of time


def test_who_does_not_answer_is_left_and_who_fails_says_why():
    never = threading.Event()

    def fails() -> None:
        raise PermissionError(13, "Permission denied", "/x")

    def refuses() -> None:
        raise PexenError("it is not there")

    late = within(0.01, never.wait)
    assert late == Unknown("no answer within 0.01 seconds")
    assert within(10, fails) == Unknown("[Errno 13] Permission denied: '/x'")
    assert within(10, refuses) == Unknown("it is not there")
    assert within(10, lambda: 7) == 7
    never.set()


def test_a_fault_of_our_own_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        within(10, lambda: 1 // 0)


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    files = Files(str(tmp_path))

    assert [files.text(name) for name in ("pipe", "directory", "missing", "a\0b")] == [None] * 4


def test_a_command_that_is_not_there_fails_or_takes_too_long_says_nothing():
    assert said_by(["/nonexistent"]) is None
    assert said_by(["sh", "-c", "echo no; exit 1"]) is None
    assert said_by(["sleep", "1000"], 0.01) is None
    assert said_by(["echo", "yes"]) == "yes"


# -- the box


def test_a_box_of_which_there_is_nothing(tmp_path: Path):
    files = root(tmp_path)

    assert reading.kernel(files) == Kernel()
    assert reading.systemd(files) == Systemd()
    assert reading.cgroups(files, 1000) == Cgroups()
    assert reading.services(files, {"HOME": "/home/ann"}).units == ()


def test_the_kernels_settings(tmp_path: Path):
    files = root(
        tmp_path,
        **{
            "proc/sys/kernel/panic": "-1\n",
            "proc/sys/kernel/panic_on_oops": "1\n",
            "proc/sys/kernel/hung_task_panic": "0\n",
            "proc/sys/kernel/hung_task_timeout_secs": "120\n",
            "sys/kernel/kexec_crash_loaded": "1\n",
            "sys/module/pstore/parameters/backend": "efi_pstore\n",
            "sys/fs/pstore/dmesg": "x",
            "run/systemd/container": "podman",
        },
    )

    assert reading.kernel(files) == Kernel(-1, 1, 0, 120, True, "efi_pstore", True, "podman")


@pytest.mark.parametrize("nothing", ["", "(null)\n", "N\n"])
def test_a_pstore_without_a_place_keeps_nothing(tmp_path: Path, nothing: str):
    found = reading.kernel(root(tmp_path, **{"sys/module/pstore/parameters/backend": nothing, "sys/fs/pstore/x": ""}))

    assert (found.pstore, found.has_pstore) == (None, True)


def test_what_systemd_was_told_the_last_one_counts_and_of_one_name_the_first(tmp_path: Path):
    files = root(
        tmp_path,
        **{
            "run/systemd/system/x": "",
            "dev/watchdog0": "",
            "etc/systemd/system.conf": "[Manager]\n#RuntimeWatchdogSec=1\nRuntimeWatchdogSec=2\n[Other]\n"
            "RuntimeWatchdogSec=9\n",
            "usr/lib/systemd/system.conf": "[Manager]\nRuntimeWatchdogSec=8\n",
            "usr/lib/systemd/system.conf.d/50-a.conf": "[Manager]\nRuntimeWatchdogSec=30\n",
            "etc/systemd/system.conf.d/50-a.conf": "[Manager]\nRuntimeWatchdogSec = 60\n",
            "usr/lib/systemd/journald.conf.d/10-x.conf": "[Journal]\nStorage=volatile\n",
            "etc/systemd/journald.conf.d/20-x.conf": "[Journal]\nStorage=persistent\n",
            "etc/systemd/journald.conf.d/30-x.off": "[Journal]\nStorage=none\n",
        },
    )

    assert reading.systemd(files) == Systemd(True, "60", True, "persistent", False)


def test_cgroups_of_root_and_of_a_user(tmp_path: Path):
    own = "sys/fs/cgroup/user.slice/user-7.slice/user@7.service/cgroup.controllers"
    files = root(
        tmp_path,
        **{
            "sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
            "sys/fs/cgroup/user.slice/cgroup.kill": "",
            own: "memory pids\n",
        },
    )

    assert reading.cgroups(files, 0) == Cgroups(2, frozenset({"cpu", "memory", "pids"}), "", True)
    assert reading.cgroups(files, 7) == Cgroups(
        2, frozenset({"memory", "pids"}), "user.slice/user-7.slice/user@7.service", True
    )
    assert reading.cgroups(files, 8).is_where == ""


def test_the_old_kind_of_cgroups(tmp_path: Path):
    assert reading.cgroups(root(tmp_path, **{"sys/fs/cgroup/memory/tasks": ""}), 0) == Cgroups(1)


def test_this_box_has_a_clock():
    assert reading.clock().is_synchronised in (True, False, None)
    assert reading.clock().now_us > 1_700_000_000_000_000


# -- units

UNIT = """# Written by a program
[Unit]
Description=pexen
ExecStart=/not/this

[Service]
ExecCondition=:/venv/bin/python -m pexen_state --journal "/srv/my suite/journal.db" resume --all --check
ExecStart=:/venv/bin/python -m pexen_state --journal "/srv/my suite/journal.db" \\
    resume --all --unattended
"""


def test_what_a_unit_starts(tmp_path: Path):
    files = root(
        tmp_path,
        **{
            "etc/systemd/system/pexen@nightly.service": UNIT,
            "etc/systemd/system/pexen-start@nightly.service": UNIT,
            "etc/systemd/system/ssh.service": UNIT,
            "etc/systemd/system/pexen.service": UNIT,
            "usr/lib/systemd/system/pexen@nightly.service": "[Service]\nExecStart=/hidden\n",
            "home/ann/.config/systemd/user/pexen@mine.service": UNIT,
            "venv/bin/python": "#!/bin/sh\n",
        },
    )
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir()
    (wants / "pexen@nightly.service").symlink_to("../pexen@nightly.service")

    before = {unit.name: unit for unit in reading.services(files, {"HOME": "/home/ann"}).units}
    (tmp_path / "venv/bin/python").chmod(0o755)
    after = {unit.name: unit for unit in reading.services(files, {"HOME": "/home/ann"}).units}

    assert sorted(after) == ["pexen-start@nightly.service", "pexen@mine.service", "pexen@nightly.service"]
    nightly = after["pexen@nightly.service"]
    assert nightly.programs == ("/venv/bin/python",)
    assert nightly.journals == ("/srv/my suite/journal.db",)
    assert (nightly.missing, before["pexen@nightly.service"].missing) == ((), ("/venv/bin/python",))
    assert [(name, after[name].is_enabled, after[name].is_user) for name in sorted(after)] == [
        ("pexen-start@nightly.service", False, False),
        ("pexen@mine.service", False, True),
        ("pexen@nightly.service", True, False),
    ]


def test_a_template_is_enabled_by_any_instance(tmp_path: Path):
    files = root(
        tmp_path,
        **{
            "etc/systemd/system/pexen@.service": "[Service]\nExecStart=sh -c true\n",
            "etc/systemd/system/multi-user.target.wants/pexen@a.service": "",
        },
    )

    (unit,) = reading.services(files, {"HOME": "/"}).units

    assert (unit.is_enabled, unit.programs, unit.missing) == (True, ("sh",), ())


def test_a_unit_that_is_no_file(tmp_path: Path):
    files = root(tmp_path, **{"etc/systemd/system/pexen@a.service/x": ""})
    os.mkfifo(tmp_path / "etc/systemd/system/pexen@b.service")
    (tmp_path / "etc/systemd/system/pexen@c.service").symlink_to("/dev/null")

    assert [unit.is_read for unit in reading.services(files, {"HOME": "/"}).units] == [False] * 3


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/bin/a b  c", ["/bin/a", "b", "c"]),
        ('"/a b" \'c "d\' e"f"', ["/a b", 'c "d', "ef"]),
        (r"/a\x20b \"x\" c\\d \s", ["/a b", '"x"', "c\\d", " "]),
        ('a "" b', ["a", "", "b"]),
        ('"open', ["open"]),
        ("trailing\\", ["trailing\\"]),
        ("", []),
    ],
)
def test_a_command_is_split_as_systemd_does_it(command: str, words: list[str]):
    assert words_of(command) == words


def test_what_only_systemd_can_complete_is_not_judged():
    said = said_in("[Service]\nExecStart=-@%h/bin/python -m x --journal %S/j.db\nExecStart=/a%%b --journal /c%%d\n")

    assert said == (("/a%b",), ("/c%d",))


@given(st.text(alphabet="[Service]\nExecStart=:-'\"\\x %/a\t;#", max_size=80))
def test_no_unit_is_too_strange(text: str):
    said_in(text)
    said_in(f"[Service]\nExecStart={text}\n")


# -- whatever is in the files


@given(st.sampled_from([*STRINGS, b"\xff" * 1000, b"9" * 4000, b"\0" * 10, b"=\n=\n[Manager]\n=="]))
def test_hostile_files_are_read_and_told(content: bytes):
    with tempfile.TemporaryDirectory() as directory:
        names = (
            *("proc/sys/kernel/panic", "proc/sys/kernel/panic_on_oops", "proc/sys/kernel/hung_task_panic"),
            *("proc/sys/kernel/hung_task_timeout_secs", "sys/kernel/kexec_crash_loaded", "proc/1/cgroup"),
            *("sys/module/pstore/parameters/backend", "run/systemd/container", "run/systemd/system/x"),
            *("etc/systemd/system.conf", "etc/systemd/journald.conf", "sys/fs/cgroup/cgroup.controllers"),
        )
        settings = {
            "etc/systemd/system/pexen@a.service": b"[Service]\nExecStart=" + content,
            "usr/lib/systemd/system.conf.d/a.conf": b"[Manager]\nRuntimeWatchdogSec=" + content,
            "usr/lib/systemd/journald.conf.d/a.conf": b"[Journal]\nStorage=" + content,
        }
        files = root(Path(directory), **dict.fromkeys(names, content), **settings)
        seen = Seen(
            (3, 51, 3),
            services=reading.services(files, {"HOME": "/"}),
            kernel=reading.kernel(files),
            systemd=reading.systemd(files),
            cgroups=reading.cgroups(files, 0),
        )

        assert len(findings(seen)) > 10


# -- mounts


def test_the_table_of_mounts_may_hold_any_name(tmp_path: Path):
    here = os.path.realpath(tmp_path)
    table = tmp_path / "mountinfo"
    odd = [b"26 1 0:5 / /mnt/caf\xe9 rw - ext4 /dev/a rw", b"27 1 0:5 / /mnt/\\134040\xe2\x80\xa8x rw - ext4 /dev/a rw"]
    mine = f"28 1 0:6 / {here} ro,relatime shared:1 - xfs /dev/b rw,nobarrier".encode()
    table.write_bytes(b"\n".join([*odd, b"", b"short - x", b"1 2 3 4 5 6 -", mine, b""]))

    found = mount_of(str(tmp_path), str(table))

    assert found == Mount("xfs", frozenset({"ro", "rw", "relatime", "nobarrier"}))
    assert kind_of(str(tmp_path), str(table)) == "xfs"
    assert mount_of(str(tmp_path), str(tmp_path / "missing")) is None


# -- journals


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    box = Box(tmp_path_factory.mktemp("whole"))
    box.file("s.jobs", "".join(f"task-{number}: true\n" for number in range(40)))
    assert box.pexen("run", "s.jobs", "-j2").code == 0
    return box.journal


def test_a_whole_journal(whole: Path):
    found = reading_journal.journal(str(whole), True)

    assert found.trouble is None
    assert found.content is not None
    assert found.content.faults == ()
    assert not found.content.may_reboot
    assert len(found.content.uuids) == 1
    with closing(sqlite3.connect(f"file:{whole}?mode=ro", uri=True)) as connection:
        ((ended,),) = connection.execute("SELECT max(ended_us) FROM session").fetchall()
    assert found.content.newest_us == ended


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ('{"options": {"allow_reboot": true}}', True),
        ('{"options": {"allow_reboot": false}}', False),
        ('{"options": {}}', False),
        ('{"options": [1]}', False),
        ('["options"]', False),
        ("null", False),
        ("[" * 100_000, False),
        ("", False),
    ],
)
def test_whether_a_run_may_reboot_the_box(whole: Path, tmp_path: Path, recorded: str, expected: bool):
    copy = shutil.copyfile(whole, tmp_path / "journal.db")
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE run SET recorded = ?", (recorded,))

    found = reading_journal.journal(str(copy), True)

    assert found.content is not None
    assert found.content.may_reboot is expected


@pytest.mark.parametrize("fixture", sorted(FIXTURES.glob("journal-*.db")), ids=lambda path: path.stem)
def test_a_journal_of_each_schema_is_examined_before_it_is_upgraded(tmp_path: Path, fixture: Path):
    copy = tmp_path / "journal.db"
    shutil.copyfile(fixture, copy)

    found = reading_journal.journal(str(copy), True)

    assert found.content is not None
    assert found.content.revision == fixture.stem.removeprefix("journal-")
    assert found.content.faults == ()
    assert found.content.newest_us is not None
    assert found.content.uuids


def test_what_is_no_journal(tmp_path: Path):
    (tmp_path / "text").write_text("hello, " * 1000)
    (tmp_path / "empty").write_text("")
    (tmp_path / "lost").write_text("")
    (tmp_path / "lost-wal").write_text("what was in it")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    with closing(sqlite3.connect(tmp_path / "other")) as connection:
        connection.execute("CREATE TABLE a (b)")

    found = {
        one: reading_journal.journal(str(tmp_path / one), True) for one in ("text", "other", "pipe", "link", "lost")
    }

    assert all(one.trouble for one in found.values())
    assert "no SQLite database" in (found["text"].trouble or "")
    assert "no journal of pexen" in (found["other"].trouble or "")
    assert "is no file" in (found["pipe"].trouble or "")
    assert "is damaged (it is empty" in (found["lost"].trouble or "")
    assert (tmp_path / "lost-wal").read_text() == "what was in it"
    empty = reading_journal.journal(str(tmp_path / "empty"), True)
    assert (empty.trouble, empty.content) == (None, None)
    missing = reading_journal.journal(str(tmp_path / "a/b/c.db"), True)
    assert (missing.is_there, missing.trouble) == (False, None)
    assert missing.mount is not None


@pytest.mark.parametrize("seed", range(150))
def test_a_damaged_journal_is_told_or_usable_and_never_a_traceback(whole: Path, tmp_path: Path, seed: int):
    chance = random.Random(seed)
    data = bytearray(whole.read_bytes())
    match seed % 3:
        case 0:
            for _ in range(chance.randint(1, 20)):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 1:
            del data[chance.randrange(len(data)) :]
        case _:
            pages = len(data) // 4096
            one, two = (4096 * chance.randrange(pages) for _ in range(2))
            data[one : one + 4096], data[two : two + 4096] = data[two : two + 4096], data[one : one + 4096]
    damaged = tmp_path / "journal.db"
    damaged.write_bytes(data)

    found = reading_journal.journal(str(damaged), True)
    uuids = found.content.uuids if found.content is not None else ()
    said = findings(Seen((3, 51, 3), found, reading_journal.left(str(damaged), uuids)))

    assert damaged.read_bytes() == bytes(data)
    if seed % 3 == 1 and 0 < len(data) < whole.stat().st_size - 4096:
        assert said[0].level is Level.BAD, said[0]


# -- what dead runs have left


def test_sockets_that_nobody_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    served = []
    for name in ("pexen-deserted", "pexen-serving_", "pexen-new_one_", "pexen-holds_it"):
        (tmp_path / name).mkdir()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / name / "socket"))
        if name == "pexen-serving_":
            listener.listen(1)
            served.append(listener)
        else:
            listener.close()
        os.utime(tmp_path / name, (0, 0))
    os.utime(tmp_path / "pexen-new_one_")
    (tmp_path / "pexen-holds_it/else").touch()
    (tmp_path / "pexen-short").mkdir()
    (tmp_path / "pexen-linked__").symlink_to("pexen-deserted")

    found = reading_journal.left(str(tmp_path / "journal.db"), ()).directories

    assert [path for path in found if path.startswith(str(tmp_path))] == [str(tmp_path / "pexen-deserted")]
    for listener in served:
        listener.close()


def test_half_copies_and_the_files_of_a_killed_runner(tmp_path: Path):
    paths = JournalPaths.of(tmp_path / "journal.db")
    for path in (paths.reserve, f"{paths.backup('0003')}.partial", str(tmp_path / "other.partial")):
        Path(path).touch()

    found = reading_journal.left(paths.db, ())

    assert found.files == (paths.reserve,)
    assert found.copies == (f"{paths.backup('0003')}.partial",)
    assert found.processes == ()
