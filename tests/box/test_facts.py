"""Facts about the box, found in a box of files."""

from __future__ import annotations

import json
from pathlib import Path

from pexen_state.box.facts import MEANING, PASSING, differences, facts, restored

OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
ID=debian
VERSION_ID="12"
VERSION_CODENAME=bookworm
ID_LIKE="unix other"
"""


def box(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_this_box_has_facts_that_mean_something():
    found = facts()

    assert set(found) <= set(MEANING)
    assert {"kernel", "arch", "cpus", "memory", "root", "python", "disk.free"} <= set(found)
    assert json.loads(json.dumps(found)) == found


def test_the_distribution_is_read_from_its_own_file(tmp_path: Path):
    found = facts(box(tmp_path, **{"etc/os-release": OS_RELEASE}))

    assert {name: value for name, value in found.items() if name.startswith("os.")} == {
        "os.id": "debian",
        "os.version": "12",
        "os.name": "Debian GNU/Linux 12 (bookworm)",
        "os.codename": "bookworm",
        "os.like": ["unix", "other"],
    }


def test_where_it_runs_is_read_from_what_the_kernel_says(tmp_path: Path):
    root = box(
        tmp_path,
        **{
            "sys/firmware/efi/x": "",
            "sys/class/dmi/id/product_name": "Standard PC (Q35)\n",
            "sys/class/dmi/id/sys_vendor": "QEMU\n",
            "proc/1/comm": "systemd\n",
            "run/systemd/container": "lxc\n",
            "sys/fs/selinux/enforce": "1",
            "proc/meminfo": "MemFree: 1 kB\nMemTotal:       2048 kB\n",
        },
    )

    found = facts(root)

    assert {name: found[name] for name in ("boot", "virt", "init", "container", "selinux", "memory")} == {
        "boot": "efi",
        "virt": "qemu",
        "init": "systemd",
        "container": "lxc",
        "selinux": True,
        "memory": 2048 * 1024,
    }


def test_what_cannot_be_found_out_is_not_there(tmp_path: Path):
    found = facts(tmp_path, directory="/nowhere")

    assert not {"os.id", "memory", "init", "disk.free"} & set(found)
    assert (found["boot"], found["virt"], found["container"]) == ("bios", "none", "none")


def test_what_a_database_keeps_of_them_is_made_what_it_was():
    found = facts()
    stored = {
        name: int(value) if isinstance(value, bool) else json.dumps(value) if isinstance(value, list) else value
        for name, value in found.items()
    }

    assert restored(stored) == found
    assert [type(value) for value in restored(stored).values()] == [type(value) for value in found.values()]


def test_what_changes_all_the_time_is_no_difference():
    before = {"kernel": "6.1", "disk.free": 1, "os.id": "debian"}

    assert differences(before, {"kernel": "6.2", "disk.free": 2}) == [
        ("os.id", "debian", None),
        ("kernel", "6.1", "6.2"),
    ]
    assert {"disk.free"} == PASSING
