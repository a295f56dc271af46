"""All that an attempt has reported about its parts, once it is over, however it ended."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from pexen_state.core.states import Verdict
from pexen_state.journal.records import SubResult
from pexen_state.subresults import beakerlib, lines, tap
from pexen_state.subresults.attachments import NotTaken, taken

#: The file of PEXEN_RESULTS, in the directory of an attempt.
FILE = "results.jsonl"
ARTIFACTS = "artifacts"

#: How a task's metadata says in which words its results are.
KINDS = ("tap", "beakerlib", "none")

MOST_RESULTS = 200_000
_MOST_BYTES = 200 * 1024 * 1024
_LONGEST_LINE = 1024 * 1024
_CHUNK = 256 * 1024


def collected(
    directory: str | None,
    *,
    output: str | None = None,
    data: str | None = None,
    cwd: str | None = None,
    kind: str | None = None,
) -> list[SubResult]:
    """`directory` is the attempt's own, `output` the file that it printed into, `data` its task's, `cwd` where it ran.
    `kind` is one of KINDS, or None: TAP is what begins as TAP does.

    Never raises: what cannot be read is told as a result.
    """
    found: list[SubResult] = []
    if directory is not None:
        found += _reported(directory, cwd)
    if kind == "beakerlib":
        found.append(beakerlib.result(_text_of(os.path.join(data, beakerlib.FILE)) if data is not None else None))
    elif output is not None and kind != "none":
        found += _printed(output, is_sure=kind == "tap")
    if len(found) > MOST_RESULTS:
        more = len(found) - MOST_RESULTS
        found = [
            *found[:MOST_RESULTS],
            SubResult("results", Verdict.WARN, f"{more} more were reported, and are not kept"),
        ]
    return found


def _reported(directory: str, cwd: str | None) -> list[SubResult]:
    path = os.path.join(directory, FILE)
    if not os.path.lexists(path):  # who has used up all descriptors can still tell that
        return []
    read: list[lines.Line] = []
    wrong: dict[int, tuple[str, str]] = {}
    count = 0
    try:
        for number, line in enumerate(_lines_of(path), 1):
            if not line.strip():
                continue
            try:
                read.append(lines.parsed(line))
            except ValueError as error:
                count += 1
                if len(wrong) < 10:
                    wrong[number] = line, str(error)
            if len(read) > MOST_RESULTS:
                break
    except OSError as error:
        return [SubResult("PEXEN_RESULTS", Verdict.WARN, f"it cannot be read: {error.strerror}")]
    found = [_with_files(one, directory, cwd) if one.files else one for one in lines.standing(read)]
    return [*found, lines.unread(wrong, count)] if count else found


def _with_files(result: SubResult, directory: str, cwd: str | None) -> SubResult:
    names, missing = [], []
    artifacts = os.path.join(directory, ARTIFACTS)
    for name in result.files:
        try:
            names.append(taken(name, artifacts, cwd))
        except NotTaken as error:
            missing.append(str(error))
    note = result.note
    if missing:
        sentence = f"not attached: {'; '.join(missing)}"
        note = lines.cut(f"{note}\n{sentence}" if note else sentence, lines.LONGEST_NOTE)
    return result._replace(files=tuple(names), note=note)


def _printed(output: str, is_sure: bool) -> list[SubResult]:
    try:
        found = _lines_of(output)
        first = next(found, None)
    except OSError:
        return []
    if first is None or not (is_sure or tap.is_begun_by(first.encode("utf-8", "replace"))):
        return list(tap.results([])) if is_sure else []

    def everything() -> Iterator[str]:
        yield first
        yield from found

    try:
        return list(tap.results(everything()))
    except OSError as error:
        return [SubResult("output", Verdict.WARN, f"it cannot be read: {error.strerror}")]


def _lines_of(path: str) -> Iterator[str]:
    """Lines of a regular file, as text; of one that is too long, its beginning. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return
        rest, size = b"", 0
        while size < _MOST_BYTES and (data := os.read(file, _CHUNK)):
            size += len(data)
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield _text(line)
            rest = rest[:_LONGEST_LINE]
        if rest:
            yield _text(rest)
    finally:
        os.close(file)


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "backslashreplace")


def _text_of(path: str) -> str | None:
    try:
        return "\n".join(_lines_of(path))
    except OSError:
        return None
