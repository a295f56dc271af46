"""Facts about the box, by name: what conditions ask for, and what a run keeps to be compared with another one.

Each is text, a number, a truth or a list of texts. What cannot be found out is not there. Nothing is started for it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

Fact = str | int | bool | list[str]

#: Every fact that there may be, and what it says.
MEANING: Mapping[str, str] = {
    "os.id": "the distribution: debian, fedora, ...",
    "os.version": "of the distribution, such as 12 or 24.04",
    "os.name": "of the distribution, as it calls itself",
    "os.codename": "of this version, such as bookworm",
    "os.like": "distributions that it is like",
    "kernel": "release of the kernel, such as 6.1.0-18-amd64",
    "arch": "of the machine: x86_64, aarch64, ...",
    "host": "name of the box",
    "cpus": "that may be used",
    "memory": "bytes of it",
    "virt": "what it runs in: none, kvm, qemu, vmware, ...",
    "container": "what container it is in: none, docker, podman, lxc, ...",
    "init": "what the first process is: systemd, ...",
    "boot": "how it was booted: efi or bios",
    "root": "whether the run has the rights of root",
    "user": "whose rights it has",
    "disk.free": "bytes that are free where the run was started",
    "network": "whether an interface other than the loopback is up",
    "python": "version of the interpreter",
    "selinux": "whether it is enforced",
}

#: These change while nothing has changed.
PASSING = frozenset({"disk.free"})

_OS_RELEASE = {
    "ID": "os.id",
    "VERSION_ID": "os.version",
    "PRETTY_NAME": "os.name",
    "VERSION_CODENAME": "os.codename",
}
_VENDORS = (
    ("qemu", "qemu"),
    ("kvm", "kvm"),
    ("vmware", "vmware"),
    ("virtualbox", "virtualbox"),
    ("innotek", "virtualbox"),
    ("xen", "xen"),
    ("microsoft", "hyperv"),
    ("amazon ec2", "amazon"),
    ("google", "google"),
    ("firecracker", "firecracker"),
)


def facts(root: Path = Path("/"), directory: str | None = None) -> dict[str, Fact]:
    """All that can be found out now. `root` is where the files of the box are, for tests; `directory` is on the disk
    whose room counts.
    """
    found: dict[str, Fact] = {}
    for look in (_os, _machine, _where_it_runs, _rights):
        found.update(_those_there(look, root))
    with suppress(OSError):
        found["disk.free"] = shutil.disk_usage(directory or os.getcwd()).free
    return {name: found[name] for name in MEANING if name in found}


def _those_there(look: Callable[[Path], Iterator[tuple[str, Fact]]], root: Path) -> dict[str, Fact]:
    found: dict[str, Fact] = {}
    with suppress(OSError, ValueError, KeyError):  # what came before that is kept
        found.update(look(root))  # one by one
    return found


def _os(root: Path) -> Iterator[tuple[str, Fact]]:
    text = _read(root / "etc/os-release") or _read(root / "usr/lib/os-release") or ""
    said = {name: value.strip("\"'") for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)}
    for name, fact in _OS_RELEASE.items():
        if said.get(name):
            yield fact, said[name]
    if said.get("ID_LIKE"):
        yield "os.like", said["ID_LIKE"].split()


def _machine(root: Path) -> Iterator[tuple[str, Fact]]:
    box = os.uname()
    yield "kernel", box.release
    yield "arch", box.machine
    yield "host", box.nodename
    yield "python", platform.python_version()
    yield "cpus", len(os.sched_getaffinity(0))
    memory = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo") or "", re.MULTILINE)
    if memory is not None:
        yield "memory", int(memory[1]) * 1024
    yield "network", any(_is_up(root / "sys/class/net" / name) for _, name in socket.if_nameindex() if name != "lo")


def _where_it_runs(root: Path) -> Iterator[tuple[str, Fact]]:
    yield "boot", "efi" if (root / "sys/firmware/efi").is_dir() else "bios"
    container = _container(root)
    yield "container", container
    yield "virt", _virt(root)
    init = (_read(root / "proc/1/comm") or "").strip()
    if init:
        yield "init", init
    enforce = _read(root / "sys/fs/selinux/enforce")
    yield "selinux", (enforce or "").strip() == "1"


def _container(root: Path) -> str:
    said = (_read(root / "run/systemd/container") or "").strip()
    if said:
        return said
    if (root / ".dockerenv").exists():
        return "docker"
    return "podman" if (root / "run/.containerenv").exists() else "none"


def _virt(root: Path) -> str:
    dmi = root / "sys/class/dmi/id"
    said = " ".join((_read(dmi / name) or "").lower() for name in ("product_name", "sys_vendor", "bios_vendor"))
    for word, name in _VENDORS:
        if word in said:
            return name
    kind = (_read(root / "sys/hypervisor/type") or "").strip()
    if kind:
        return kind
    return (
        "unknown"
        if re.search(r"^flags\s.*\bhypervisor\b", _read(root / "proc/cpuinfo") or "", re.MULTILINE)
        else "none"
    )


def _rights(_: Path) -> Iterator[tuple[str, Fact]]:
    import pwd

    yield "root", os.geteuid() == 0
    yield "user", pwd.getpwuid(os.geteuid()).pw_name


def _is_up(interface: Path) -> bool:
    return (_read(interface / "operstate") or "").strip() in ("up", "unknown")


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return None


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(name, what it was, what it is) of those that are not what they were; None where one was not there."""
    names = [name for name in MEANING if name not in PASSING]
    return [(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


_TRUTHS = frozenset({"root", "network", "selinux"})
_LISTS = frozenset({"os.like"})


def restored(stored: Mapping[str, Any]) -> dict[str, Any]:
    """As they were, from what a database keeps of them: numbers and texts."""
    found = dict(stored)
    for name in _TRUTHS & found.keys():
        found[name] = bool(found[name])
    for name in _LISTS & found.keys():
        found[name] = json.loads(found[name])
    return found
