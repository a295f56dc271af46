"""Facts about the box, found in a box of files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

    assert not {"os.id", "memory", "init", "disk.free", "boot", "network", "kernel", "cpus"} & set(found)
    assert (found["virt"], found["container"]) == ("none", "none")


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
    assert {"disk.free", "memory.available", "tmp.free"} == PASSING


def test_processors_and_memory_are_counted(tmp_path: Path):
    found = facts(
        box(
            tmp_path,
            **{
                "proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-3,8,10-11\n",
                "proc/meminfo": "MemTotal:  2048 kB\nMemAvailable:  1024 kB\nSwapTotal: 0 kB\n",
                "proc/cpuinfo": "vendor_id: Q\nmodel name\t: Quick 3000\nflags\t: sse vmx\n\nflags: no\n",
                "proc/sys/kernel/osrelease": "6.1.0\n",
            },
        )
    )

    assert (found["cpus"], found["memory"], found["memory.available"], found["swap"]) == (7, 2 << 20, 1 << 20, 0)
    assert (found["cpu.model"], found["cpu.vendor"], found["cpu.flags"]) == ("Quick 3000", "Q", ["sse", "vmx"])
    assert found["kernel"] == "6.1.0"


@pytest.mark.parametrize(
    ("files", "virt", "container"),
    [
        ({"proc/cpuinfo": "flags: sse"}, "none", "none"),
        ({"proc/cpuinfo": "flags: hypervisor"}, "unknown", "none"),
        ({"sys/class/dmi/id/product_name": "VMware Virtual Platform"}, "vmware", "none"),
        ({"sys/class/dmi/id/product_name": "Virtual Machine"}, "hyperv", "none"),
        ({"sys/class/dmi/id/sys_vendor": "innotek GmbH"}, "virtualbox", "none"),
        ({"sys/hypervisor/type": "xen"}, "xen", "none"),
        ({"sys/hypervisor/type": "xen", "proc/xen/capabilities": "control_d"}, "none", "none"),
        ({"sys/devices/system/clocksource/clocksource0/available_clocksource": "kvm-clock tsc"}, "kvm", "none"),
        ({"run/systemd/container": "systemd-nspawn\n"}, "none", "systemd-nspawn"),
        ({".dockerenv": ""}, "none", "docker"),
        ({"run/.containerenv": "", "sys/class/dmi/id/sys_vendor": "QEMU"}, "qemu", "podman"),
        ({"proc/1/environ": "A=b\0container=lxc\0"}, "none", "lxc"),
        ({"proc/1/cgroup": "0::/kubepods/x"}, "none", "kubernetes"),
        ({"proc/sys/kernel/osrelease": "5.15-microsoft-standard"}, "none", "wsl"),
    ],
)
def test_machines_and_containers_are_told_by_what_they_leave_to_be_seen(tmp_path: Path, files, virt, container):
    found = facts(box(tmp_path, **files))

    assert (found["virt"], found["container"]) == (virt, container)


def test_the_firmware_is_not_guessed(tmp_path: Path):
    (tmp_path / "sys/firmware").mkdir(parents=True)
    assert "boot" not in facts(tmp_path), "it is hidden from containers"

    if os.uname().machine == "x86_64":
        assert facts(box(tmp_path, **{"sys/firmware/acpi/x": ""}))["boot"] == "bios"
    secure = tmp_path / "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    secure.parent.mkdir(parents=True)
    secure.write_bytes(b"\6\0\0\0\1")
    assert (facts(tmp_path)["boot"], facts(tmp_path)["boot.secure"]) == ("efi", True)


def test_the_network_is_what_is_up_and_whether_there_is_a_way_out(tmp_path: Path):
    nothing = "0" * 32
    files = {
        f"sys/class/net/{name}/operstate": state for name, state in (("lo", "unknown"), ("a", "up"), ("b", "down"))
    }
    files["proc/net/route"] = "Iface Destination\neth0 000AA8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n"
    files["proc/net/ipv6_route"] = f"{nothing} 00 {nothing} 00 {nothing} ffffffff 1 0 200200 lo\n"
    found = facts(box(tmp_path, **files))
    assert (found["network"], found["network.interfaces"], found["network.route"]) == (True, ["a"], False)

    more = {"proc/net/ipv6_route": f"{nothing} 00 {nothing} 00 fe80{nothing[4:]} 400 1 0 3 eth0\n"}
    assert facts(box(tmp_path, **more))["network.route"] is True


def test_the_disk_is_told_by_its_longest_mount(tmp_path: Path):
    text = (
        f"1 0 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / {tmp_path} rw shared:1 - btrfs /dev/b rw\n"
        f"3 1 0:3 / {tmp_path}-other rw - xfs /dev/c rw\nnonsense\n"
    )

    found = facts(box(tmp_path, **{"proc/self/mountinfo": text}), directory=str(tmp_path))

    assert found["disk.kind"] == "btrfs"
    assert 0 <= found["disk.free"] <= found["disk.size"]


FILES = (
    "etc/os-release",
    "proc/self/status",
    "proc/cpuinfo",
    "proc/meminfo",
    "proc/self/mountinfo",
    "proc/net/route",
    "proc/net/ipv6_route",
    "proc/1/environ",
    "proc/1/cgroup",
    "sys/kernel/security/lsm",
    "sys/class/net/eth0/operstate",
)
LINES = (
    "ID=",
    "Uid:",
    "Cpus_allowed_list:",
    "MemTotal:",
    "1 0 0:1 / / - ",
    "flags:",
    "\0",
    '"',
    "-1-,",
    "9" * 30,
    "kB",
)


@given(st.dictionaries(st.sampled_from(FILES), st.one_of(st.text(), st.lists(st.sampled_from(LINES)).map(" ".join))))
def test_whatever_is_in_the_files_nothing_fails(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]):
    root = tmp_path_factory.mktemp("box")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))

    found = facts(root)

    assert json.loads(json.dumps(found)) == found
    assert found.keys() <= MEANING.keys()


def test_a_directory_in_the_place_of_a_file_is_not_read(tmp_path: Path):
    (tmp_path / "proc/meminfo").mkdir(parents=True)

    assert "memory" not in facts(tmp_path)
