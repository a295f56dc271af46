"""What is wrong with a journal, its place, its disk, and what dead runs have left. Pure: values in, findings out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from pexen_state.box.mounts import VOLATILE
from pexen_state.cli.doctor.finding import Finding, Level, ok, unknown
from pexen_state.cli.doctor.seen import Content, Journal, Left, Unknown
from pexen_state.journal.versions import REVISION

_SHARED = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "virtiofs",
        "afs",
        "ceph",
        "lustre",
        "gfs",
        "gfs2",
        "ocfs2",
        "beegfs",
        "gpfs",
        "vboxsf",
        "vmhgfs",
    }
)
_NO_FLUSHES = frozenset({"nobarrier", "barrier=0", "barrier=none", "eatmydata"})

_LOW_BYTES, _LEAST_BYTES = 1 << 30, 64 << 20
_LOW_FILES, _LEAST_FILES = 10_000, 100
_SHOWN = 20

_RESTORE = "restore a copy made by `pexen db backup`, or name another file with --journal"


def journal(found: Journal | Unknown | None) -> Finding:
    """Whether it can be read, and is whole."""
    what = "journal"
    if found is None:
        return Finding(what, Level.NOTE, "there is none here", "`pexen run` makes one; --journal names another one")
    if isinstance(found, Unknown):
        return Finding(
            what, Level.BAD, f"it cannot be looked at: {found.why}", "runs wait for ever", "look at the disk"
        )
    if not found.is_there:
        level = Level.WARN if found.is_named else Level.NOTE
        return Finding(what, level, f"{found.path} is not there", "nothing can be resumed; `pexen run` makes it")
    if found.trouble is not None:
        return Finding(what, Level.BAD, found.trouble, "no run goes on with it", _RESTORE)
    if found.content is None:
        return ok(what, f"{found.path} is empty: the next run makes it")
    return _integrity(found, found.content)


def _integrity(found: Journal, content: Content) -> Finding:
    what = "journal"
    if content.faults is None:
        says = f"{found.path} ({_size(found.size_bytes)}) is too large to be proved whole here"
        return Finding(what, Level.NOTE, says, "a damaged page is not noticed", _db(found, "check"))
    if content.faults:
        more = f" and {len(content.faults) - 3} more" if len(content.faults) > 3 else ""
        says = f"{found.path} is damaged: {'; '.join(content.faults[:3])}{more}"
        return Finding(what, Level.BAD, says, "what is in it cannot be trusted", _RESTORE)
    return ok(what, f"{found.path} ({_size(found.size_bytes)}) is whole; `pexen db check` proves more")


def schema(found: Journal, newest: str = REVISION) -> Iterator[Finding]:
    if found.content is None:
        return
    revision = found.content.revision
    if revision > newest:
        says = f"{revision}, and this pexen knows {newest}"
        yield Finding(
            "schema", Level.BAD, says, "a newer pexen wrote it; no run goes on with it", "upgrade pexen-state"
        )
    elif revision < newest:
        says = f"{revision}, and this pexen writes {newest}"
        yield Finding("schema", Level.NOTE, says, "the next run upgrades it, after a copy", _db(found, "upgrade"))
    else:
        yield ok("schema", f"{revision}, as this pexen writes it")


def place(found: Journal) -> Finding:
    """Who could put something in its place."""
    if found.place_fault is not None:
        return Finding("place", Level.BAD, f"the journal {found.place_fault}", "nothing is run with it")
    if found.place_warning is not None:
        return Finding("place", Level.WARN, found.place_warning, "others may get in the way of it")
    return ok("place", "nobody else can put something there")


def file_system(found: Journal) -> Finding:
    what = "file system"
    if found.mount is None:
        return unknown(what, "it is in no table of mounts")
    kind, options = found.mount
    elsewhere = "name a file on a local disk with --journal"
    if "ro" in options:
        return Finding(what, Level.BAD, f"{kind}, read-only", "no run can be recorded", elsewhere)
    if kind in ("tmpfs", "ramfs", "devtmpfs"):
        says = "a kill of the runner loses nothing; a reboot, a crash or a power loss takes the whole journal"
        return Finding(what, Level.WARN, f"{kind}, in memory", says, elsewhere)
    if kind in VOLATILE:
        says = "it is that of a container or a live system as a rule, and goes with it; reboots are refused with it"
        return Finding(what, Level.WARN, kind, says, elsewhere)
    if kind in _SHARED or kind.startswith("fuse.") or kind == "fuse":
        says = (
            "locks and shared memory need not work over it: two runners are perhaps not kept apart, and SQLite says "
            "that a write-ahead log is not for it"
        )
        return Finding(what, Level.WARN, f"{kind}, shared with others", says, elsewhere)
    if off := sorted(options & _NO_FLUSHES):
        says = "flushes are not waited for, so a power loss takes results that were shown"
        return Finding(what, Level.WARN, f"{kind} with {', '.join(off)}", says, "mount it with barriers")
    return ok(what, f"{kind}: what is flushed survives a reboot and a power loss")


def free_space(found: Journal) -> Finding:
    what = "free space"
    if found.free_bytes is None:
        return unknown(what, "the disk does not say")
    says = f"{_size(found.free_bytes)} beside the journal"
    files = found.free_files
    if files is not None and files < _LOW_FILES:
        says += f", and room for {files} more files"
    mend = f"free some; {_db(found, 'prune')} deletes old runs with their output"
    if found.free_bytes < _LEAST_BYTES or (files is not None and files < _LEAST_FILES):
        return Finding(what, Level.BAD, says, "a run ends with exit code 3 when the disk is full", mend)
    if found.free_bytes < _LOW_BYTES or (files is not None and files < _LOW_FILES):
        return Finding(what, Level.WARN, says, "output of tasks may fill it, and the run ends then", mend)
    return ok(what, says)


def sqlite(version: tuple[int, int, int]) -> Finding:
    """Of the library that this interpreter has."""
    said = ".".join(map(str, version))
    if not has_reset_bug(version):
        return ok("SQLite", said)
    return Finding(
        "SQLite",
        Level.NOTE,
        f"{said}, which may damage a file in WAL mode when two connections write or checkpoint at once",
        "pexen has one connection that writes, and is safe; let no other program write to a journal",
        "a python with SQLite 3.51.3, 3.50.7 or 3.44.6 (or newer of each)",
    )


def has_reset_bug(version: tuple[int, int, int]) -> bool:
    """The WAL-reset bug, of 3.7.0 to 3.51.2; mended in two older lines, too."""
    if version[:2] == (3, 44):
        return version < (3, 44, 6)
    if version[:2] == (3, 50):
        return version < (3, 50, 7)
    return (3, 7, 0) <= version < (3, 51, 3)


def leftovers(found: Left | Unknown) -> Iterator[Finding]:
    what = "leftovers"
    if isinstance(found, Unknown):
        yield unknown(what, found.why)
        return
    if found.processes:
        yield Finding(
            what,
            Level.WARN,
            f"of a dead run there still run {_listed(found.processes)}",
            "they may use what tasks have locked; the next run or resume ends them",
            f"kill {' '.join(map(str, found.pids))}",
        )
    if found.files:
        yield Finding(
            what,
            Level.NOTE,
            f"of a runner that was killed: {_listed(found.files)}",
            "its run is unfinished",
            "pexen resume",
        )
    for paths, says in (
        (found.copies, "copies of the journal that were not finished"),
        (found.directories, "sockets of dead runs"),
    ):
        if paths:
            mend = f"rm -r -- {shlex.join(paths[:_SHOWN])}"
            if len(paths) > _SHOWN:
                mend += "  # and again"
            yield Finding(what, Level.NOTE, f"{says}: {_listed(paths)}", "they only take space", mend)
    if found == Left():
        yield ok(what, "none")


def _db(found: Journal, verb: str) -> str:
    return f"pexen --journal {shlex.quote(found.path)} db {verb}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _size(number: int) -> str:
    size = float(number)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
