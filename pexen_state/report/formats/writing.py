"""How a report gets into its file: whole, or not at all.

A new file is written beside the old one and takes its place, so that whoever reads at any instant, or after a crash,
finds a complete one. What is no file, such as a pipe or a device, is written to as it is.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterable, Mapping

from pexen_state.journal.paths import JournalPaths
from pexen_state.report.formats import kinds
from pexen_state.report.formats.whole import whole
from pexen_state.report.text import safe

#: Names of the formats.
FORMATS = tuple(kinds.KINDS)

#: More of it GitHub does not show.
_SUMMARY_BYTES = 1 << 20

_CUT = "\n\nThe rest does not fit into the summary of a step.\n"


def lines_of(
    connection: sqlite3.Connection, run: int, path: str, files: Mapping[str, str], alone: bool = False
) -> dict[str, Iterable[str]]:
    """A run in each of these formats, each with the file that it is for. `path` is that of the journal.

    Raises NotFound.
    """
    found = whole(connection, run, path, alone)
    return {name: kinds.lines(name, found, file) for name, file in files.items()}


def clash(files: Mapping[str, str], journal: str) -> str | None:
    """A sentence if one of these reports would take the place of the journal, or of another report; else None."""
    paths = JournalPaths.of(os.path.realpath(journal))
    named: dict[str, str] = {}
    for kind, file in files.items():
        if file == "-" or _is_special(file):
            continue
        path = os.path.realpath(file)
        if path in paths.own or _is_same(path, paths.db):
            return f"--{kind}: {safe(file)} belongs to the journal {safe(journal)}. Name another file."
        if (other := named.setdefault(path, kind)) != kind:
            return f"--{other} and --{kind} are to be the same file, {safe(file)}. Name one for each."
    return None


def write_file(file: str, lines: Iterable[str], durable: bool = False) -> None:
    """Raises OSError; then what was there is as it was. `durable`: it is on the disk when this returns."""
    if _is_special(file):
        with open(file, "w", encoding="utf-8", errors="backslashreplace", newline="") as there:
            there.writelines(lines)
        return
    file = os.path.realpath(file)  # a link stays one
    with tempfile.NamedTemporaryFile(
        "w",
        dir=os.path.dirname(file),
        prefix=".report-",
        encoding="utf-8",
        errors="backslashreplace",
        newline="",
        delete=False,
    ) as new:
        try:
            new.writelines(lines)
            new.flush()
            os.fchmod(new.fileno(), _mode(file))
            if durable:
                os.fsync(new.fileno())
            os.replace(new.name, file)
        except BaseException:
            os.unlink(new.name)
            raise


def append_summary(file: str, lines: Iterable[str]) -> None:
    """Add to the summary of a step, to which others have written, too. Raises OSError."""
    text = "".join(lines).encode("utf-8", "backslashreplace")
    with open(file, "ab") as there:
        room = _SUMMARY_BYTES - there.tell()
        if len(text) > room:
            text = text[: max(room - len(_CUT), 0)].rpartition(b"\n")[0] + _CUT.encode()
        there.write(text)


def is_step_summary(file: str, environ: Mapping[str, str]) -> bool:
    """Whether it is the file that GitHub's CI shows beside the step: it is added to, and not replaced."""
    summary = environ.get("GITHUB_STEP_SUMMARY")
    return bool(summary) and os.path.realpath(str(summary)) == os.path.realpath(file)


def _is_special(file: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(file).st_mode)
    except FileNotFoundError:
        return False


def _is_same(file: str, other: str) -> bool:
    """Whether it is the same file by another name."""
    try:
        return os.path.samefile(file, other)
    except OSError:
        return False


def _mode(file: str) -> int:
    """That of the file which is replaced, else what a new file gets."""
    try:
        return stat.S_IMODE(os.stat(file).st_mode)
    except FileNotFoundError:
        return 0o666 & ~_umask()


def _umask() -> int:
    """Read, and not set for a moment: another thread may make a file meanwhile."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            (said,) = (line for line in status if line.startswith("Umask:"))
        return int(said.partition(":")[2], 8)
    except (OSError, ValueError):
        return 0o077  # where nobody says, for the owner alone
