"""What the doctor sees of a box that is made of files, some of which mean harm."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.box.mounts import Mount, kind_of, mount_of
from pexen_state.cli.doctor import reading
from pexen_state.cli.doctor.examination import findings
from pexen_state.cli.doctor.files import Files, said_by, within
from pexen_state.cli.doctor.seen import Cgroups, Kernel, Seen, Systemd, Unknown
from pexen_state.cli.doctor.units import said_in, words_of
from pexen_state.util import PexenError
from tests.cli.hostility import STRINGS


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
