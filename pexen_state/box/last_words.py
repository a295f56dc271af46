"""What a kernel said before it went down, as far as anything has kept it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pexen_state.box.kernel_log import is_trouble

#: Where panics are kept: by the firmware or in memory, and by systemd, which empties the first.
PSTORES = (Path("/sys/fs/pstore"), Path("/var/lib/systemd/pstore"))

_MOST_BYTES = 256 * 1024  # of a file, from its end
_MOST_FILES = 50
_LINES = 200
_PATIENCE = 20.0

_COMM = re.compile(r"\bPID: (\d+) (?:UID: \d+ )?Comm: (\S+)")


class Words(NamedTuple):
    """A text, and where it is from."""

    source: str
    text: str


class Named(NamedTuple):
    """A process that the kernel was busy with when it was in trouble."""

    pid: int
    name: str  #: as the kernel has it: 15 bytes at most


def last_words(known: Collection[str] | None, stores: Sequence[Path] = PSTORES) -> list[Words]:
    """The last boot's kernel log, and the panics that were kept since somebody noted those that there were: `known`.

    None: nobody did, and so nobody can say of which crash a panic is. The time of a file is no help, because the clock
    may have been set between two boots.
    """
    return [*_journal_of_last_boot(), *([] if known is None else _panics(known, stores))]


def kept_panics(stores: Sequence[Path] = PSTORES) -> list[str]:
    """What `last_words` takes for known: a word for each file, which is another one if the file is written anew."""
    return [_known_as(path) for store in stores for path in _files(store)]


def _panics(known: Collection[str], stores: Sequence[Path]) -> Iterator[Words]:
    files = [path for store in stores for path in _files(store) if _known_as(path) not in known]
    for path in sorted(files)[:_MOST_FILES]:
        try:
            with path.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _MOST_BYTES))
                text = file.read(_MOST_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        yield Words(str(path), text)


def _files(store: Path) -> list[Path]:
    try:
        return [path for path in store.rglob("*") if path.is_file() and not path.is_symlink()]
    except OSError:
        return []


def _known_as(path: Path) -> str:
    try:
        at = path.lstat()
    except OSError:
        return str(path)
    return f"{path} {at.st_mtime_ns} {at.st_size}"


def _journal_of_last_boot() -> Iterator[Words]:
    words = ["journalctl", "-q", "-k", "-b", "-1", "-n", str(_LINES), "--no-pager", "-o", "short-monotonic"]
    try:
        said = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return
    if said.returncode == 0 and said.stdout.strip():
        yield Words("the kernel's log of the last boot", said.stdout.decode("utf-8", "replace")[-_MOST_BYTES:])


def named_in_trouble(texts: Sequence[Words]) -> list[Named]:
    """Who the kernel named in or after a line of trouble."""
    found: dict[Named, None] = {}
    for words in texts:
        is_in_trouble = False
        for line in words.text.splitlines():
            is_in_trouble = is_in_trouble or is_trouble(without_its_beginning(line))
            if is_in_trouble and (match := _COMM.search(line)) is not None:
                found[Named(int(match[1]), match[2])] = None
    return list(found)


def without_its_beginning(line: str) -> str:
    """The message. A line of a panic begins with `<4>[  12.3]`, one of the journal with `[  12.3] host kernel: `."""
    line = re.sub(r"^<\d+>", "", line)
    return re.sub(r"^\[[^\]]*\]\s+\S+\s+kernel: ", "", line)
