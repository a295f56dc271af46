"""What the kernel said last before the box went down, for the tasks that were running then.

Attempts are marked in the kernel's log when they begin and when they end. In the log of a boot that is over, whoever
began last and never ended is the one to look at.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from pexen_state.box.kernel_log import is_trouble, plain
from pexen_state.box.last_words import Words, without_its_beginning
from pexen_state.core.states import Verdict
from pexen_state.journal.records import SubResult
from pexen_state.sched.pool.output import Private, make_directory

FILE = "kernel.log"

_LONGEST_KEY = 150
_LONGEST_LINE = 300


def mark_of(run: str, key: str, nth: int) -> str:
    """How an attempt is called in the kernel's log, which is ASCII."""
    return plain(f"pexen: run {run}: {key[-_LONGEST_KEY:]}#{nth}")


def began_last(words: Iterable[Words], marks: Iterable[str]) -> dict[str, int]:
    """Those of the marks that began and did not end, each with a number that is higher the later it began."""
    places: dict[str, int] = {}
    wanted = list(marks)
    for place, line in enumerate((line for one in words for line in one.text.splitlines()), 1):
        if "pexen: run " not in line:
            continue
        for mark in wanted:
            if line.rstrip().endswith(f"{mark} begins"):
                places[mark] = place
            elif f"{mark} ends" in line:
                places.pop(mark, None)
    return places


def attach(words: Sequence[Words], directory: str) -> SubResult | None:
    """Put them beside what the attempt printed. None if there are none, or if they could not be written."""
    if not words:
        return None
    path = os.path.join(directory, FILE)
    try:
        with Private():
            make_directory(directory)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(f"== {one.source}\n{one.text}\n" for one in words)
    except OSError:
        return None
    said = _first_trouble(words)
    note = f"the box crashed; {f'its kernel said: {said}' if said else 'its kernel told of no trouble'} (see {path})"
    return SubResult("kernel", Verdict.INFO, note)


def _first_trouble(words: Iterable[Words]) -> str | None:
    lines = (without_its_beginning(line) for one in words for line in one.text.splitlines())
    return next((line.strip()[:_LONGEST_LINE] for line in lines if is_trouble(line)), None)
