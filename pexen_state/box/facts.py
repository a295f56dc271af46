"""Facts about the box, by name: what conditions ask for, and what a run keeps to be compared with another one.

Each is text, a number, a truth or a list of texts. What cannot be found out is not there. Nothing is started for it,
and whatever is read is read up to a limit. But for disks, users and the architecture all of it comes from files below
a root, so that the facts of any box can be told from a copy of its files. `pexen fact`, in a task, loads this very
file: it imports little of the standard library, and nothing else.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself takes as long as all the rest
    from collections.abc import Iterator, Mapping
    from typing import Any

Fact = str | int | bool | list[str]

#: Every fact that there may be, and what it says.
MEANING: Mapping[str, str] = {
    "os.id": "the distribution: debian, fedora, ...",
    "os.version": "of the distribution, such as 12 or 24.04",
    "os.name": "of the distribution, as it calls itself",
    "os.codename": "of this version, such as bookworm",
    "os.variant": "which edition of it: server, workstation, ...",
    "os.like": "distributions that it is like",
    "kernel": "release of the kernel, such as 6.1.0-18-amd64",
    "arch": "of the machine: x86_64, aarch64, ...",
    "host": "name of the box",
    "cpus": "that may be used",
    "cpu.model": "what the processor calls itself",
    "cpu.vendor": "who made it",
    "cpu.flags": "what it can do: vmx, avx2, ...",
    "memory": "bytes of it",
    "memory.available": "bytes of it that could be had now",
    "swap": "bytes of it",
    "virt": "what it runs in: none, kvm, qemu, vmware, ...",
    "container": "what container it is in: none, docker, podman, lxc, ...",
    "hardware.vendor": "who made the box",
    "hardware.product": "what they call it",
    "init": "what the first process is: systemd, ...",
    "boot": "how it was booted: efi or bios",
    "boot.secure": "whether only signed kernels boot",
    "cgroup": "version of control groups, 1 or 2",
    "root": "whether the run has the rights of root",
    "user": "whose rights it has",
    "disk.free": "bytes that are free where the run was started",
    "disk.size": "bytes of that disk",
    "disk.kind": "its file system: ext4, xfs, ...",
    "tmp.free": "bytes that are free in /tmp",
    "tmp.kind": "the file system of /tmp",
    "network": "whether an interface other than the loopback is up",
    "network.interfaces": "those that are up",
    "network.route": "whether there is a way to other networks",
    "python": "version of the interpreter",
    "selinux": "whether it is enforced",
    "security": "the kernel's security modules",
}

#: These change while nothing has changed.
PASSING = frozenset({"disk.free", "memory.available", "tmp.free"})

_TRUTHS = frozenset({"boot.secure", "network", "network.route", "root", "selinux"})
_LISTS = frozenset({"cpu.flags", "network.interfaces", "os.like", "security"})

_MOST_BYTES = 256 * 1024
_SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_DMI = "sys/class/dmi/id"

#: What the vendor, or the product, of a virtual machine is called.
_MACHINES = (
    ("kvm", "kvm"),
    ("qemu", "qemu"),
    ("vmware", "vmware"),
    ("virtualbox", "virtualbox"),
    ("innotek", "virtualbox"),
    ("xen", "xen"),
    ("bochs", "bochs"),
    ("parallels", "parallels"),
    ("bhyve", "bhyve"),
    ("amazon ec2", "amazon"),
    ("google compute", "google"),
    ("openstack", "openstack"),
    ("virtual machine", "hyperv"),
    ("firecracker", "firecracker"),
)

_CONTAINERS_BY_CGROUP = (("/docker", "docker"), ("/libpod", "podman"), ("/kubepods", "kubernetes"), ("/lxc", "lxc"))


def facts(root: str | os.PathLike[str] = "/", directory: str | None = None) -> dict[str, Fact]:
    """All that can be found out now. `root` is where the files of the box are, for tests; `directory` is on the disk
    whose room counts.
    """
    box = _Box(os.fspath(root))
    found: dict[str, Any] = {"arch": os.uname().machine, "python": sys.version.split()[0]}
    for group in (
        _system(box),
        _processors(box),
        _memory(box),
        _firmware(box),
        _rights(box),
        _disks(box, directory or "."),
        _network(box),
    ):
        found.update((name, value) for name, value in group if value is not None)
    found["virt"], found["container"] = _machine(box) or "none", _container(box) or "none"
    return {name: found[name] for name in MEANING if name in found}


def container(root: str | os.PathLike[str] = "/") -> str | None:
    """That fact alone; None if this is no container."""
    return _container(_Box(os.fspath(root)))


class _Box:
    """Its files. What cannot be read is None, or empty."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, name: str) -> str:
        return os.path.join(self.root, name)

    def raw(self, name: str) -> bytes | None:
        try:
            with open(self.path(name), "rb", buffering=0) as file:
                parts, left = [], _MOST_BYTES
                while left > 0 and (part := file.read(left)):
                    parts.append(part)
                    left -= len(part)
                return b"".join(parts)
        except OSError:
            return None

    def text(self, name: str) -> str | None:
        """Without what no text holds."""
        found = self.raw(name)
        return None if found is None else found.decode("utf-8", "replace").replace("\0", " ")

    def line(self, name: str) -> str | None:
        """Of a file that has nothing else; None if it says nothing."""
        return (self.text(name) or "").strip() or None

    def number(self, name: str) -> int | None:
        found = self.line(name)
        return int(found) if found is not None and found.isascii() and found.isdigit() and len(found) < 20 else None

    def fields(self, name: str, sign: str) -> dict[str, str]:
        """Of lines `field: value`; of fields that are there more than once, the first."""
        found: dict[str, str] = {}
        for line in (self.text(name) or "").split("\n"):
            field, there, value = line.partition(sign)
            if there:
                found.setdefault(field.strip(), value.strip())
        return found

    def names(self, name: str) -> list[str]:
        try:
            return sorted(one for one in os.listdir(self.path(name)) if one.isprintable())
        except OSError:
            return []

    def has(self, name: str) -> bool:
        return os.path.lexists(self.path(name))


def _system(box: _Box) -> Iterator[tuple[str, Any]]:
    said = box.fields("etc/os-release", "=") or box.fields("usr/lib/os-release", "=")
    for name, field in (
        ("os.id", "ID"),
        ("os.version", "VERSION_ID"),
        ("os.name", "PRETTY_NAME"),
        ("os.codename", "VERSION_CODENAME"),
        ("os.variant", "VARIANT_ID"),
    ):
        yield name, _unquoted(said.get(field, "")) or None
    yield "os.like", _unquoted(said.get("ID_LIKE", "")).split() or None
    yield "kernel", box.line("proc/sys/kernel/osrelease")
    yield "host", box.line("proc/sys/kernel/hostname")
    yield "init", "systemd" if os.path.isdir(box.path("run/systemd/system")) else box.line("proc/1/comm")


def _unquoted(value: str) -> str:
    """As a shell would read it, as far as such files go."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    for letter in '\\"$`':
        value = value.replace(f"\\{letter}", letter)
    return value


def _processors(box: _Box) -> Iterator[tuple[str, Any]]:
    yield "cpus", _count_of(box.fields("proc/self/status", ":").get("Cpus_allowed_list", ""))
    said = box.fields("proc/cpuinfo", ":")
    yield "cpu.model", said.get("model name") or said.get("cpu") or said.get("Model")
    yield "cpu.vendor", said.get("vendor_id") or said.get("CPU implementer")
    yield "cpu.flags", sorted({*(said.get("flags") or said.get("Features") or "").split()}) or None


def _count_of(ranges: str) -> int | None:
    """How many numbers are in `0-3,7`."""
    count = 0
    for one in ranges.split(","):
        first, _, last = one.partition("-")
        if not (first.isascii() and first.isdigit() and (last or "0").isascii() and (last or "0").isdigit()):
            return None
        count += int((last or first)[:9]) - int(first[:9]) + 1
    return count if count > 0 else None


def _memory(box: _Box) -> Iterator[tuple[str, Any]]:
    said = box.fields("proc/meminfo", ":")
    for name, field in (("memory", "MemTotal"), ("memory.available", "MemAvailable"), ("swap", "SwapTotal")):
        number = said.get(field, "").removesuffix("kB").strip()
        yield name, int(number) * 1024 if number.isascii() and number.isdigit() and len(number) < 16 else None


def _firmware(box: _Box) -> Iterator[tuple[str, Any]]:
    if os.path.isdir(box.path("sys/firmware/efi")):
        yield "boot", "efi"
        secure = box.raw(_SECURE_BOOT)  # four bytes of attributes, and one that says it
        yield "boot.secure", secure[4] == 1 if secure is not None and len(secure) == 5 else None
    elif os.uname().machine in ("x86_64", "i386", "i486", "i586", "i686") and box.names("sys/firmware"):
        yield "boot", "bios"  # what is hidden from a container says nothing
    yield "hardware.vendor", box.line(f"{_DMI}/sys_vendor")
    yield "hardware.product", box.line(f"{_DMI}/product_name") or box.line("proc/device-tree/model")


def _container(box: _Box) -> str | None:
    """The kind of container that this is; None if it is none."""
    if (said := box.line("run/systemd/container")) is not None:
        return said
    if box.has("run/.containerenv"):
        return "podman"
    if box.has(".dockerenv"):
        return "docker"
    for variable in (box.raw("proc/1/environ") or b"").split(b"\0"):
        if variable.startswith(b"container=") and len(variable) > len(b"container="):
            return variable.removeprefix(b"container=").decode("utf-8", "replace")
    groups = box.text("proc/1/cgroup") or ""
    kind = next((kind for word, kind in _CONTAINERS_BY_CGROUP if word in groups), None)
    if kind is None and "microsoft" in (box.line("proc/sys/kernel/osrelease") or "").lower():
        return "wsl"
    return kind


def _machine(box: _Box) -> str | None:
    """The kind of virtual machine that this is; None if it is none."""
    if box.line("sys/hypervisor/type") == "xen":
        return None if "control_d" in (box.text("proc/xen/capabilities") or "") else "xen"
    clocks = box.text("sys/devices/system/clocksource/clocksource0/available_clocksource") or ""
    if "kvm-clock" in clocks:
        return "kvm"
    if "hyperv" in clocks:
        return "hyperv"
    told = (box.line(f"{_DMI}/{name}") or "" for name in ("sys_vendor", "product_name", "board_vendor", "bios_vendor"))
    names = " ".join(told).lower()
    for word, kind in _MACHINES:
        if word in names:
            return kind
    flags = box.fields("proc/cpuinfo", ":").get("flags", "").split()
    return "unknown" if "hypervisor" in flags else None


def _rights(box: _Box) -> Iterator[tuple[str, Any]]:
    user = os.geteuid()
    yield "root", user == 0
    try:
        import pwd

        yield "user", pwd.getpwuid(user).pw_name
    except (ImportError, KeyError):
        pass  # it has no name
    if box.has("sys/fs/cgroup/cgroup.controllers"):
        yield "cgroup", 2
    elif box.names("sys/fs/cgroup"):
        yield "cgroup", 1
    yield "selinux", box.line("sys/fs/selinux/enforce") == "1"
    modules = box.line("sys/kernel/security/lsm")
    yield "security", modules.split(",") if modules is not None else None


def _disks(box: _Box, here: str) -> Iterator[tuple[str, Any]]:
    mounts = _mounts(box)
    for name, path in (("disk", here), ("tmp", box.path("tmp"))):
        try:
            disk = os.statvfs(path)
            device = os.stat(path).st_dev
        except OSError:
            continue
        yield f"{name}.free", disk.f_bavail * disk.f_frsize
        if name == "disk":
            yield f"{name}.size", disk.f_blocks * disk.f_frsize
        yield f"{name}.kind", _kind_of(os.path.realpath(path), device, mounts)


def _mounts(box: _Box) -> list[tuple[str, str, str]]:
    """(device, point, kind) of each, the latest last."""
    found = []
    for line in (box.text("proc/self/mountinfo") or "").split("\n"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) > 4 and kind:
            point = fields[4]
            for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
                point = point.replace(code, letter)
            found.append((fields[2], point, kind[0]))
    return found


def _kind_of(path: str, device: int, mounts: list[tuple[str, str, str]]) -> str | None:
    number = f"{os.major(device)}:{os.minor(device)}"
    best, kind = (False, -1), None
    for mounted, point, what in mounts:
        if path == point or path.startswith(point.rstrip("/") + "/"):
            # A subvolume has a number of its own, which is in no mount: the longest path decides then.
            rank = (mounted == number, len(point))
            if rank >= best:
                best, kind = rank, what
    return kind


def _network(box: _Box) -> Iterator[tuple[str, Any]]:
    there = box.names("sys/class/net")
    if there:
        states = ("up", "unknown")  # drivers without a notion of it, such as those of tunnels
        up = [name for name in there if name != "lo" and box.line(f"sys/class/net/{name}/operstate") in states]
        yield "network", bool(up)
        yield "network.interfaces", up
    routes = [line.split() for line in (box.text("proc/net/route") or "").split("\n")[1:]]
    more = [line.split() for line in (box.text("proc/net/ipv6_route") or "").split("\n")]
    if routes or more != [[]]:
        by_four = any(fields[1:2] == ["00000000"] and fields[7:8] == ["00000000"] for fields in routes)
        by_six = any(len(one) == 10 and set(one[0] + one[1]) == {"0"} and one[9] != "lo" for one in more)
        yield "network.route", by_four or by_six


# -- compared with those of another time


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(name, what it was, what it is) of those that are not what they were; None where one was not there."""
    names = [name for name in MEANING if name not in PASSING]
    return [(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


def restored(stored: Mapping[str, Any]) -> dict[str, Any]:
    """As they were, from what a database keeps of them: numbers and texts. What makes no sense is as it is stored."""
    import json
    from contextlib import suppress

    found = dict(stored)
    for name in _TRUTHS & found.keys():
        found[name] = bool(found[name])
    for name in _LISTS & found.keys():
        with suppress(TypeError, ValueError):
            found[name] = json.loads(found[name])
    return found
