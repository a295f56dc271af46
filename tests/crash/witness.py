"""The witness: one log that tasks and the caller append to themselves, outside of the journal.

Every record is one O_APPEND write, so the order of lines is the order of what happened, over all processes
and all sessions:

    S key attempt     a task started
    E key attempt     it came to its end
    A key state       the caller was given its result
    K - -             a session began: it has the lock, so nothing of an earlier one is alive
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

NAME = "witness.log"


class Record(NamedTuple):
    what: str
    key: str
    detail: str


def opened(directory: str | Path) -> int:
    """The log, for who keeps it open: a fault that is meant for others must not silence a witness."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(Path(directory) / NAME, flags, 0o600)
    except OSError:  # such as one that happens once
        return os.open(Path(directory) / NAME, flags, 0o600)


def write(log: int, what: str, key: str, detail: object = "-") -> None:
    os.write(log, f"{what} {key} {detail}\n".encode())


def note(directory: str | Path, what: str, key: str, detail: object = "-") -> None:
    log = opened(directory)
    try:
        write(log, what, key, detail)
    finally:
        os.close(log)


def records(directory: str | Path) -> list[Record]:
    log = Path(directory) / NAME
    return [Record(*line.split()) for line in log.read_text().splitlines()] if log.exists() else []


def contradictions(
    log: Iterable[Record],
    *,
    requires: dict[str, set[str]] | None = None,
    exclusive: Iterable[set[str]] = (),
    cut_off: Collection[tuple[str, str]] = (),
) -> Iterator[str]:
    """What the log shows that must never be.

    The strong invariant: after a result was given, no start of that task may ever appear. Looking only at
    the end is too weak, because a result that was lost is quietly made again.

    `requires`: key -> keys that must have ended before it starts. `exclusive`: keys of which only one may run
    at a time. `cut_off`: (key, attempt) of which somebody else says that they died; nobody can tell from the log
    when one did that has no end, so such a one is not held against others.
    """
    log = list(log)
    unseen_deaths = set(cut_off) - {(key, detail) for what, key, detail in log if what == "E"}
    given: set[str] = set()
    ended: set[str] = set()
    running: Counter[str] = Counter()
    starts: set[tuple[str, str]] = set()
    dead: set[tuple[str, str]] = set()  # attempts of earlier sessions
    for what, key, detail in log:
        match what:
            case "S":
                if key in given:
                    yield f"{key} started again after its result was given"
                if detail != "-" and (key, detail) in starts:
                    yield f"attempt {detail} of {key} ran twice"
                starts.add((key, detail))
                dead.discard((key, detail))
                missing = (requires or {}).get(key, set()) - ended
                if missing:
                    yield f"{key} started before {', '.join(sorted(missing))} had ended"
                for group in exclusive:
                    others = {other for other in group - {key} if key in group and running[other]}
                    if others:
                        yield f"{key} started while {', '.join(sorted(others))} had the lock"
                running[key] += (key, detail) not in unseen_deaths
            case "E":
                if detail != "-" and (key, detail) in dead:
                    yield f"attempt {detail} of {key} went on beside another session"
                ended.add(key)
                running[key] = max(0, running[key] - 1)
            case "A":
                if key in given:
                    yield f"the result of {key} was given twice"
                given.add(key)
            case "K":
                running.clear()
                dead = set(starts)
