"""What of the box would hurt a run that crashes, hangs or reboots it. Pure: values in, findings out.

`returns`: runs of this box are to go on by themselves after it went down. What keeps a box from coming back hurts such
runs; for others it is good to know.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pexen_state.cli.doctor.finding import Finding, Level, ok, unknown
from pexen_state.cli.doctor.seen import Clock, Kernel, Systemd, Unknown

_WRONG_BY_US = 1_000_000
_OFF = ("", "0", "0s", "off", "infinity")
_YES = "a hung or dead box comes back by itself"


def kernel(found: Kernel | Unknown, returns: bool) -> Iterator[Finding]:
    if isinstance(found, Unknown):
        yield unknown("kernel", found.why)
        return
    if found.container is not None:
        yield Finding(
            "kernel",
            Level.NOTE,
            f"it is that of the host: this is a container ({found.container})",
            "what follows of it is to be mended there",
        )
    level = Level.WARN if returns and found.container is None else Level.NOTE
    yield _panic(found.panic, level)
    yield _oops(found.panic_on_oops, level)
    yield _hung(found, level)
    yield _kdump(found, level)
    yield _pstore(found, level)


def _panic(seconds: int | None, level: Level) -> Finding:
    what = "kernel.panic"
    if seconds is None:
        return unknown(what, "this kernel does not say")
    if seconds == 0:
        return Finding(what, level, "0", "after a panic the box stays dead until somebody comes", _sysctl(what, 10))
    return ok(what, f"{seconds}: after a panic the box boots {'at once' if seconds < 0 else f'in {seconds} s'}")


def _oops(value: int | None, level: Level) -> Finding:
    what = "panic_on_oops"
    if value is None:
        return unknown(what, "this kernel does not say")
    if value == 0:
        matters = (
            "after a fault the kernel goes on, broken: later tasks fail, or hang, for what an earlier one has done"
        )
        return Finding(what, level, "0", matters, _sysctl(f"kernel.{what}", 1))
    return ok(what, f"{value}: a fault of the kernel ends in a panic")


def _hung(found: Kernel, level: Level) -> Finding:
    what = "hung_task_panic"
    if found.hung_task_panic is None:
        return Finding(what, Level.NOTE, "this kernel has none", "a process that hangs in it hangs until a boot")
    matters = "a task that hangs in the kernel cannot be killed: it is given up, its locks stay held until a boot"
    if found.hung_task_panic == 0:
        return Finding(what, level, "0", matters, _sysctl(f"kernel.{what}", 1))
    if found.hung_task_timeout == 0:
        says = f"{found.hung_task_panic}, but kernel.hung_task_timeout_secs is 0, which turns it off"
        return Finding(what, level, says, matters, _sysctl("kernel.hung_task_timeout_secs", 120))
    return ok(what, f"{found.hung_task_panic}: what hangs in the kernel ends in a panic")


def _kdump(found: Kernel, level: Level) -> Finding:
    what = "kdump"
    if found.kdump_is_loaded:
        return ok(what, "loaded: a panic leaves a dump of the memory")
    has_words = found.pstore is not None
    says = "this kernel has none" if found.kdump_is_loaded is None else "not loaded"
    matters = "a panic leaves no dump" + ("" if has_words else ", and with no pstore either, no word at all")
    mend = "apt install kdump-tools, or: dnf install kexec-tools && systemctl enable --now kdump; then boot"
    return Finding(what, Level.NOTE if has_words else level, says, matters, mend)


def _pstore(found: Kernel, level: Level) -> Finding:
    what = "pstore"
    if found.pstore is not None:
        return ok(what, f"{found.pstore} keeps the last words of a kernel")
    says = "nothing keeps the last words of a kernel" if found.has_pstore else "this kernel has none"
    matters = "who crashed the box has to be found by trying the suspects, one crash for each"
    mend = "modprobe efi_pstore, or: modprobe ramoops with the memory that it may use"
    return Finding(what, Level.NOTE if found.kdump_is_loaded else level, says, matters, mend)


def watchdog(found: Systemd | Unknown, returns: bool) -> Finding:
    what = "RuntimeWatchdogSec"
    if isinstance(found, Unknown):
        return unknown(what, found.why)
    level = Level.WARN if returns else Level.NOTE
    matters = "a hung box never comes back by itself"
    if not found.is_there:
        return Finding(what, level, "there is no systemd to feed a watchdog", matters)
    if found.watchdog is None:
        return unknown(what, "systemd does not say")
    is_off = found.watchdog in _OFF
    mend = (
        "mkdir -p /etc/systemd/system.conf.d && printf '[Manager]\\nRuntimeWatchdogSec=60\\n' "
        ">/etc/systemd/system.conf.d/90-watchdog.conf && systemctl daemon-reexec"
    )
    if not found.has_device:
        softdog = "modprobe softdog && echo softdog >/etc/modules-load.d/softdog.conf"
        says = f"{'0' if is_off else found.watchdog}, and the box has no watchdog (/dev/watchdog0)"
        return Finding(what, level, says, matters, f"{softdog} && {mend}" if is_off else softdog)
    if is_off:
        return Finding(what, level, "0", matters, mend)
    return ok(what, f"{found.watchdog}: {_YES}")


def logs(found: Systemd | Unknown, returns: bool) -> Finding:
    """Whether the log of an earlier boot can be read."""
    what = "log of the box"
    if isinstance(found, Unknown):
        return unknown(what, found.why)
    if not found.is_there:
        return Finding(what, Level.NOTE, "there is no journald", "what the kernel said before a crash is not asked for")
    level = Level.WARN if returns else Level.NOTE
    matters = "what the kernel and pexen said before a crash is lost with the boot"
    if found.log_storage in ("volatile", "none"):
        mend = (
            "mkdir -p /etc/systemd/journald.conf.d && printf '[Journal]\\nStorage=persistent\\n' "
            ">/etc/systemd/journald.conf.d/99-persistent.conf && systemctl restart systemd-journald"
        )
        return Finding(what, level, f"journald has Storage={found.log_storage}", matters, mend)
    if not found.has_log_directory:
        mend = "mkdir -p /var/log/journal && systemd-tmpfiles --create --prefix /var/log/journal && journalctl --flush"
        return Finding(what, level, "journald keeps it in memory: /var/log/journal is not on a disk", matters, mend)
    return ok(what, "journald keeps it over boots")


def clock(found: Clock | Unknown, newest_us: int | None) -> Finding:
    what = "clock"
    if isinstance(found, Unknown):
        return unknown(what, found.why)
    mend = "timedatectl set-ntp true"
    if newest_us is not None and newest_us > found.now_us + _WRONG_BY_US:
        says = f"it is before the newest entry of the journal, {_time(newest_us)}"
        matters = "order and results do not depend on it; times that are shown, and `prune --older-than`, do"
        return Finding(what, Level.WARN, says, matters, mend)
    if found.is_synchronised is None:
        return unknown(what, "this kernel does not say whether somebody keeps it right")
    if not found.is_synchronised:
        matters = "times that are shown may be wrong, and jump; order and results do not depend on it"
        return Finding(what, Level.NOTE, "nobody keeps it right", matters, mend)
    return ok(what, "kept right, and not before the journal's newest entry")


def _sysctl(name: str, value: int) -> str:
    """Now, and at each boot."""
    file = f"/etc/sysctl.d/90-{name.replace('.', '-')}.conf"
    return f"echo '{name} = {value}' >{file} && sysctl -p {file}"


def _time(us: int) -> str:
    try:
        return datetime.fromtimestamp(us / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{us} microseconds since 1970"
