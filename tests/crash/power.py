"""Power losses, modelled: from every write and flush of a run to what a disk may hold at any instant of it.

A run is traced once. What it had flushed at an instant is there after a loss of power then; of what it had written
since, nothing, the beginning, or any 512 bytes may be. A name that was made is there once its file or its directory was
flushed, and before that perhaps; so it is with names that were moved or removed, until anything is flushed after that.
So one run gives as many losses as one has patience for.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
_CALLS = "pwrite64,write,fdatasync,fsync,ftruncate,rename,unlink,openat"

_LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (\d+)")
_FD = re.compile(r"^\d+<(.*?)>")
_DATA = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class Op(NamedTuple):
    """What the traced run did to a file. `data` is what was written, or the new name."""

    what: str  # write truncate flush make rename remove
    path: str
    at: int = 0
    data: bytes = b""


def trace(program: str, *words: str, log: Path) -> None:
    """Run a module, and write down all that it does to files. Raises CalledProcessError."""
    look = ["-f", "-y", "-xx", "-s", "2000000", "-e", f"trace={_CALLS}", "-e", "signal=none", "-o", str(log)]
    subprocess.run(["strace", *look, sys.executable, "-m", program, *words], check=True, timeout=300)


def operations(log: Path, directory: Path) -> Iterator[Op]:
    """What the run did below `directory`, in order."""
    inside = f"{directory}/"
    with log.open(encoding="ascii", errors="replace") as file:
        for line in _whole(file):
            match = _LINE.match(line)
            if match is None:
                continue
            for op in _operations(match[1], match[2], int(match[3])):
                if op.path.startswith(inside) or op.path == str(directory):
                    yield op


def _whole(lines: Iterator[str]) -> Iterator[str]:
    """Calls that another thread interrupted are put together again."""
    begun: dict[str, str] = {}
    for line in lines:
        pid = line.split(" ", 1)[0]
        if line.rstrip().endswith("<unfinished ...>"):
            begun[pid] = line.rstrip().removesuffix("<unfinished ...>").rstrip()
        elif " resumed>" in line:
            yield begun.pop(pid, "") + line.split(" resumed>", 1)[1].lstrip()
        else:
            yield line


def _operations(call: str, words: str, result: int) -> Iterator[Op]:
    fd = _FD.match(words)
    path = _text(fd[1]) if fd is not None else ""
    data = [bytes.fromhex(one.replace("\\x", "")) for one in _DATA.findall(words)]
    match call:
        case "pwrite64":
            yield Op("write", path, int(words.rsplit(",", 1)[1]), data[0][:result])
        case "write":
            yield Op("write", path, -1, data[0][:result] if data else b"")
        case "fdatasync" | "fsync":
            yield Op("flush", path)
        case "ftruncate":
            yield Op("truncate", path, int(words.rsplit(",", 1)[1]))
        case "openat" if "O_CREAT" in words:
            yield Op("make", data[0].decode(), data=b"new" if "O_TRUNC" in words else b"")
        case "rename":
            yield Op("rename", data[0].decode(), data=data[1])
        case "unlink":
            yield Op("remove", data[0].decode())


def _text(shown: str) -> str:
    return bytes.fromhex(shown.replace("\\x", "")).decode() if shown.startswith("\\x") else shown


@dataclass
class _File:
    flushed: bytes = b""
    since: list[Op] = field(default_factory=list)
    is_named: bool = False  # its name is on the disk


class Disk:
    """What is surely there, and what perhaps."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._before: dict[str, _File] | None = None  # names were moved or removed, and nothing was flushed since

    def do(self, op: Op) -> None:
        match op.what:
            case "make":
                self._files.setdefault(op.path, _File())
            case "write" | "truncate":
                self._files.setdefault(op.path, _File()).since.append(op)
            case "flush":
                self._before = None
                for path, file in self._files.items():
                    if path == op.path:
                        file.flushed, file.since = _after(file.flushed, file.since), []
                    file.is_named = file.is_named or op.path in (path, path.rpartition("/")[0])
            case "rename" | "remove":
                self._before = self._before if self._before is not None else dict(self._files)
                file_of = self._files.pop(op.path, None)
                if op.what == "rename" and file_of is not None:
                    self._files[op.data.decode()] = file_of

    def loss(self, chance: random.Random) -> dict[str, bytes]:
        """The files after a loss of power now."""
        files = self._before if self._before is not None and chance.random() < 0.5 else self._files
        left: dict[str, bytes] = {}
        for path, file in files.items():
            if not file.is_named and chance.random() < 0.5:
                continue
            match chance.randrange(3):
                case 0:
                    kept: list[Op] = []
                case 1:
                    kept = file.since[: chance.randint(0, len(file.since))]
                case _:
                    kept = [part for op in file.since for part in _sectors(op) if chance.random() < 0.5]
            left[path] = _after(file.flushed, kept)
        return left


def _after(content: bytes, ops: list[Op]) -> bytes:
    now = bytearray(content)
    for op in ops:
        if op.what == "truncate":
            del now[op.at :]
            now.extend(bytes(op.at - len(now)))
            continue
        at = len(now) if op.at < 0 else op.at
        now.extend(bytes(max(0, at - len(now))))
        now[at : at + len(op.data)] = op.data
    return bytes(now)


def _sectors(op: Op) -> Iterator[Op]:
    if op.what == "truncate" or op.at < 0:
        yield op
        return
    for start in range(0, len(op.data), SECTOR):
        yield op._replace(at=op.at + start, data=op.data[start : start + SECTOR])


def lay_out(files: dict[str, bytes], old: Path, new: Path) -> None:
    """The files of a loss, as if they were those of another directory."""
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for path, content in files.items():
        place = new / Path(path).relative_to(old)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
