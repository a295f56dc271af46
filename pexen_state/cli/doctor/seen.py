"""What the doctor saw: plain values. None is what could not be found out, or is not there; which of it says each."""

from __future__ import annotations

from dataclasses import dataclass, field

from pexen_state.box.mounts import Mount


@dataclass(frozen=True, slots=True)
class Unknown:
    """In the place of values that could not be read."""

    why: str


@dataclass(frozen=True, slots=True)
class Content:
    """Of a journal, as far as it could be read."""

    revision: str
    faults: tuple[str, ...] | None = ()  #: what SQLite finds wrong; None: it did not come to an end in time
    newest_us: int | None = None  #: the latest time in it, microseconds since 1970
    may_reboot: bool = False  #: one of its latest runs was given permission to reboot the box
    uuids: tuple[str, ...] = ()  #: of its latest runs


@dataclass(frozen=True, slots=True)
class Journal:
    path: str
    is_there: bool = True
    is_named: bool = False  #: somebody said that this is the one
    size_bytes: int = 0
    place_fault: str | None = None  #: why nobody should write there
    place_warning: str | None = None
    trouble: str | None = None  #: why it cannot be read at all, a sentence with a way out
    content: Content | None = None
    is_held: bool = False  #: somebody runs it
    mount: Mount | None = None
    free_bytes: int | None = None
    free_files: int | None = None  #: None also where the file system has no limit of them


@dataclass(frozen=True, slots=True)
class Left:
    """What dead runs have left. Paths are absolute."""

    processes: tuple[str, ...] = ()  #: in words
    pids: tuple[int, ...] = ()  #: the same
    files: tuple[str, ...] = ()  #: of a runner that was killed; the next one takes them away
    copies: tuple[str, ...] = ()  #: half made, which nobody takes away
    directories: tuple[str, ...] = ()  #: of sockets that nobody serves any more


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of systemd that runs pexen."""

    name: str
    path: str
    is_user: bool = False
    programs: tuple[str, ...] = ()  #: what it starts
    missing: tuple[str, ...] = ()  #: those of them that are not there, or cannot be run
    journals: tuple[str, ...] = ()  #: as its commands name them
    is_enabled: bool = False
    is_read: bool = True


@dataclass(frozen=True, slots=True)
class Services:
    units: tuple[Unit, ...] = ()
    user: str | None = None  #: who has services of its own; None: root, or somebody without a name
    lingers: bool = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """Settings by their numbers; None: this kernel has none, or hides it."""

    panic: int | None = None  #: seconds until it boots after a panic; 0: never, negative: at once
    panic_on_oops: int | None = None
    hung_task_panic: int | None = None
    hung_task_timeout: int | None = None
    kdump_is_loaded: bool | None = None
    pstore: str | None = None  #: what keeps last words
    has_pstore: bool = False  #: the kernel could keep them
    container: str | None = None  #: what this box is, if it is none of its own; such a box has no say in its kernel


@dataclass(frozen=True, slots=True)
class Systemd:
    is_there: bool = False
    watchdog: str | None = None  #: RuntimeWatchdogSec as systemd writes it; "0": off
    has_device: bool = False  #: a watchdog of the hardware, or one that is made by software
    log_storage: str = "auto"  #: `Storage=` of journald
    has_log_directory: bool = False  #: one that survives a boot


@dataclass(frozen=True, slots=True)
class Cgroups:
    version: int | None = None
    controllers: frozenset[str] = frozenset()  #: that a service of whoever asks could hand to its tasks
    is_where: str = ""
    can_kill: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    now_us: int
    is_synchronised: bool | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    sqlite: tuple[int, int, int]
    journal: Journal | Unknown | None = None  #: None: there is none here
    left: Left | Unknown = field(default_factory=Left)
    services: Services | Unknown = field(default_factory=Services)
    kernel: Kernel | Unknown = field(default_factory=Kernel)
    systemd: Systemd | Unknown = field(default_factory=Systemd)
    cgroups: Cgroups | Unknown = field(default_factory=Cgroups)
    clock: Clock | Unknown = field(default_factory=lambda: Unknown("nobody looked"))
    is_root: bool = False
