"""A box whose first process is systemd, in namespaces, without a virtual machine and without a network.

    systemd:main DIRECTORY BOOT_ID [units]

Its root is made anew for each boot: this machine's /usr, python and this project, read-only; a few files in /etc; and
DIRECTORY, which is the disk. One service runs pexen: it begins the run, or goes on with all that is unfinished.

With `units`, /etc/systemd/system is DIRECTORY/units, in which services stay installed, and there is little else: the
targets of systemd's own that those need, and a service that runs DIRECTORY/driver, which is all that happens by itself.
What a unit `pexen@NAME.service` prints is appended to the witness's log.

It can do nothing to this machine: /proc/sys and /sys are read-only, /proc/sysrq-trigger and /dev/kmsg are /dev/null,
it has no device, no network, may not set the clock nor load modules, and has a control group of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from tests.boots.machine import MS_BIND, MS_REC, mount, unshare
from tests.crash.sessions import ROOT
from tests.crash.witness import NAME

SYSTEMD = Path("/lib/systemd/systemd")

#: Exit codes: how the box went down.
REBOOTED, POWERED_OFF, DIED = 80, 81, 82

#: The exit code where namespaces, mounts or the control group could not be had: standard error says why.
NO_BOX = 99

#: What the kernel kills the first process of a box with, for what that asked of it.
_HOW = {signal.SIGHUP: REBOOTED, signal.SIGINT: POWERED_OFF}

#: A guard: a boot that lasts longer is ended.
_LONGEST = 90.0

_NAMESPACES = 0x02000000 | 0x04000000 | 0x08000000 | 0x40000000  # of control groups, names, messages, networks
_MS_RDONLY, _MS_REMOUNT = 1, 32
_PR_CAPBSET_DROP = 24
_CAP_SYS_MODULE, _CAP_SYS_TIME = 16, 25
_libc = ctypes.CDLL(None, use_errno=True)

_SERVICE = """\
[Unit]
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target
SuccessAction=poweroff
FailureAction=poweroff
[Service]
ExecStart=/bin/sh {directory}/boot
KillMode=mixed
WorkingDirectory={directory}
StandardOutput=append:{directory}/{log}
StandardError=append:{directory}/errors
Environment=PYTHONPATH={project} PATH={directory}/bin:/usr/bin:/usr/sbin
"""

_DRIVER = """\
[Unit]
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target
[Service]
ExecStart=/bin/sh {directory}/driver
WorkingDirectory={directory}
StandardOutput=append:{directory}/driver.out
StandardError=append:{directory}/driver.out
Environment=PATH={directory}/venv/bin:/usr/bin:/usr/sbin HOME={directory}
"""

_AGAIN = """\
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/sh {directory}/again
WorkingDirectory={directory}
"""

_WITH_UNITS = """\
[Unit]
DefaultDependencies=no
Requires=multi-user.target driver.service
"""

#: For units that are installed: what they print, and a watchdog that is soon out of patience.
_DROP_IN = """\
[Service]
StandardOutput=append:{directory}/{log}
StandardError=append:{directory}/errors
WatchdogSec=5s
"""

_DROP_IN_OF_STARTS = """\
[Service]
StandardOutput=append:{directory}/errors
StandardError=append:{directory}/errors
"""

#: Of systemd's own units, those without which nothing is started in order, and nothing goes down.
_KEPT = (
    *("basic", "sysinit", "multi-user", "shutdown", "umount", "final", "reboot", "poweroff", "timers", "local-fs"),
    *("remote-fs", "slices", "sockets", "paths"),
)
_KEPT_SERVICES = ("systemd-reboot", "systemd-poweroff")
_ITS_UNITS = "usr/lib/systemd/system"

_TARGET = """\
[Unit]
DefaultDependencies=no
Requires=pexen.service
After=pexen.service
"""


def control_groups() -> Path | None:
    """Where control groups of version 2 are mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(point)
    return None


def why_not() -> str | None:
    """Why systemd cannot be the first process of such a box here; None if it can."""
    if not SYSTEMD.exists():
        return f"there is no {SYSTEMD}"
    groups = control_groups()
    if groups is None:
        return "no control groups of version 2 are mounted"
    return None if os.access(groups, os.W_OK) else f"{groups} cannot be written to"


def main() -> NoReturn:
    directory, boot_id = Path(sys.argv[1]), sys.argv[2]
    has_units = sys.argv[3:] == ["units"]
    groups = control_groups()
    assert groups is not None
    group = groups / f"pexen-boots-{os.getpid()}"
    group.mkdir()
    box = os.fork()
    if box == 0:
        try:
            (group / "cgroup.procs").write_text(str(os.getpid()))
            unshare(_NAMESPACES)
            first = os.fork()
            if first == 0:
                _be_first(directory, boot_id, has_units)
            code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
            os._exit(code if code == NO_BOX else _HOW.get(-code, DIED))
        except BaseException as error:  # noqa: BLE001 - it ends here, whatever it is
            print(error, file=sys.stderr, flush=True)
            os._exit(NO_BOX)
    signal.setitimer(signal.ITIMER_REAL, _LONGEST)
    signal.signal(signal.SIGALRM, lambda *_: (group / "cgroup.kill").write_text("1"))
    code = os.waitstatus_to_exitcode(os.waitpid(box, 0)[1])
    signal.setitimer(signal.ITIMER_REAL, 0)
    _remove(group)
    os._exit(abs(code))


def _remove(group: Path) -> None:
    """With all that is below it; a group is busy until what was in it is gone for good."""
    until = time.monotonic() + 10
    for path in [Path(root) for root, _, _ in os.walk(group, topdown=False)]:
        while path.exists() and time.monotonic() < until:
            with contextlib.suppress(OSError):
                path.rmdir()


def _be_first(directory: Path, boot_id: str, has_units: bool) -> NoReturn:
    root = directory / "root"
    root.mkdir(exist_ok=True)
    mount("tmpfs", str(root), "tmpfs")
    for name in ("proc", "sys", "dev", "run", "tmp", "etc/systemd/system", "old"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    bound: list[Path] = []
    for path in sorted(Path(one).resolve() for one in ("/usr", sys.base_prefix, sys.prefix, ROOT)):
        if not any(path.is_relative_to(other) for other in bound):
            _bind(root, str(path), read_only=True)
            bound.append(path)
    _bind(root, str(directory))
    _furnish(root, directory, boot_id)
    if has_units:
        _put_units(root, directory)
    else:
        units = root / "etc/systemd/system"
        units.joinpath("default.target").write_text(_TARGET)
        units.joinpath("pexen.service").write_text(_SERVICE.format(directory=directory, log=NAME, project=ROOT))
    for capability in (_CAP_SYS_MODULE, _CAP_SYS_TIME):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.chdir(root)
    if _libc.pivot_root(b".", b"old"):
        raise OSError(ctypes.get_errno(), "pivot_root")
    os.chdir("/")
    if _libc.umount2(b"/old", 2):  # MNT_DETACH
        raise OSError(ctypes.get_errno(), "umount")
    words = ["systemd", "systemd.log_target=console", "systemd.log_level=warning", "systemd.show_status=0"]
    os.execve(SYSTEMD, words, {"container": "pexen", "PATH": "/usr/bin:/usr/sbin"})


def _bind(root: Path, path: str, *, read_only: bool = False) -> None:
    target = root / path.lstrip("/")
    target.mkdir(parents=True, exist_ok=True)
    mount(path, str(target), flags=MS_BIND | MS_REC)
    if read_only:
        mount("none", str(target), flags=MS_BIND | _MS_REMOUNT | _MS_RDONLY)


def _furnish(root: Path, directory: Path, boot_id: str) -> None:
    mount("proc", str(root / "proc"), "proc")
    settings = str(root / "proc/sys")
    mount(settings, settings, flags=MS_BIND)
    (directory / "boot_id").write_text(f"{boot_id}\n")
    mount(str(directory / "boot_id"), f"{settings}/kernel/random/boot_id", flags=MS_BIND)
    mount("none", settings, flags=MS_BIND | _MS_REMOUNT | _MS_RDONLY)
    if (root / "proc/sysrq-trigger").exists():
        mount("/dev/null", str(root / "proc/sysrq-trigger"), flags=MS_BIND)
    mount("sysfs", str(root / "sys"), "sysfs", _MS_RDONLY)
    mount("cgroup2", str(root / "sys/fs/cgroup"), "cgroup2")
    mount("tmpfs", str(root / "run"), "tmpfs")
    # If it were no mount, systemd would mount all devices of this machine there.
    mount("tmpfs", str(root / "dev"), "tmpfs")
    for name, source in {name: name for name in ("null", "zero", "full", "random", "urandom", "tty")}.items():
        (root / "dev" / name).touch()
        mount(f"/dev/{source}", str(root / "dev" / name), flags=MS_BIND)
    for name in ("kmsg", "console"):
        (root / "dev" / name).touch()
        mount("/dev/null", str(root / "dev" / name), flags=MS_BIND)
    (root / "dev/shm").mkdir()
    (root / "dev/pts").mkdir()
    (root / "dev/ptmx").symlink_to("pts/ptmx")
    for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache"):
        with contextlib.suppress(FileNotFoundError):
            (root / "etc" / name).write_bytes(Path("/etc", name).read_bytes())
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")


def _put_units(root: Path, directory: Path) -> None:
    names = [*(f"{name}.target" for name in _KEPT), *(f"{name}.service" for name in _KEPT_SERVICES)]
    kept = {name: (root / _ITS_UNITS / name).read_text() for name in names if (root / _ITS_UNITS / name).exists()}
    mount("tmpfs", str(root / _ITS_UNITS), "tmpfs")
    said = {"directory": directory, "log": NAME}
    made = {
        "default.target": _WITH_UNITS,
        "driver.service": _DRIVER.format(**said),
        "again.service": _AGAIN.format(**said),
    }
    for name, text in {**kept, **made}.items():
        (root / _ITS_UNITS / name).write_text(text)
    for template, text in (("pexen@", _DROP_IN), ("pexen-start@", _DROP_IN_OF_STARTS)):
        drop_ins = root / _ITS_UNITS / f"{template}.service.d"
        drop_ins.mkdir()
        (drop_ins / "test.conf").write_text(text.format(**said))
    (directory / "units").mkdir(exist_ok=True)
    mount(str(directory / "units"), str(root / "etc/systemd/system"), flags=MS_BIND)
    (root / "srv").mkdir()  # the same, for who does not see what is below /tmp
    mount(str(directory), str(root / "srv"), flags=MS_BIND)
