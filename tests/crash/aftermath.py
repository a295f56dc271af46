"""What must hold after the suite was killed and resumed, whenever that was."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pexen_state.journal.care.check import check
from tests.crash import suite
from tests.crash.sessions import Ended, Nursery
from tests.crash.witness import contradictions, records

MOST_SESSIONS = 5

CUT_OFF = "SELECT task, attempt FROM attempts WHERE state = 'lost'"


def resume(nursery: Nursery, directory: Path, pool: str, *options: str) -> list[Ended]:
    """Go on until the run is over; returns how each session ended."""
    sessions = []
    for _ in range(MOST_SESSIONS):
        sessions.append(suite.start(nursery, directory, pool, *options).wait())
        if sessions[-1].code == 0:
            return sessions
    raise AssertionError(f"the run does not come to its end: {sessions[-1].err[-2000:]}")


def violations(directory: Path, sessions: Iterable[Ended]) -> Iterator[str]:
    """Everything that is not as in an uninterrupted run, after these sessions."""
    log = records(directory)
    cut_off = [(str(key), str(attempt)) for key, attempt in ask(directory, CUT_OFF)]
    yield from contradictions(log, requires=suite.REQUIRES, exclusive=suite.EXCLUSIVE, cut_off=cut_off)
    end = set(ask(directory, "SELECT task, state, verdict FROM tasks"))
    for key, *rest in sorted(end - suite.END):
        yield f"{key} ended as {' '.join(map(str, rest))}"
    for key, *_ in sorted(suite.END - end):
        yield f"{key} is missing, or ended otherwise"
    if ask(directory, "SELECT count(*) FROM runs WHERE state = 'finished'") != [(1,)]:
        yield "there is not one run, finished"
    if ask(directory, "SELECT count(*) FROM runs") != [(1,)]:
        yield "there is more than one run"
    told = set()
    for key, _, _, shared, _ in (json.loads(line) for session in sessions for line in session.out.splitlines()):
        told.add(key)
        if shared != suite.SHARED.get(key, shared):
            yield f"{key} left {shared} in shared, not {suite.SHARED[key]}"
    for key, _, verdict in sorted(suite.END):
        if key not in told and verdict != "not_run" and key != "after-elsewhere":
            yield f"nobody was ever given the result of {key}"
    for (key,) in ask(directory, "SELECT task FROM attempts GROUP BY task, attempt HAVING count(*) > 1"):
        yield f"{key} has two attempts of one number"
    known = {(str(key), str(attempt)) for key, attempt in ask(directory, "SELECT task, attempt FROM attempts")}
    for what, key, attempt in log:
        if what == "S" and attempt != "-" and (key, attempt) not in known:
            yield f"attempt {attempt} of {key} ran, and the journal has no word of it"
    for finding in check(directory / "journal.db"):
        yield f"the journal contradicts itself: {finding.task or 'the file'}: {finding.what}"


def wait_for_the_keeper(directory: Path) -> None:
    """Until nobody has the run lock: a keeper has it until all that it was in charge of is dead."""
    with open(directory / "journal.db.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def ask(directory: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"file:{directory}/journal.db?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def leftovers(directory: Path, beside: int | None = None) -> list[str]:
    """Living processes of the runs in this directory: keepers, workers, and whatever tasks have started.

    They are known by the cookie in their environment, and by the slot file that they have mapped; `beside` is a
    runner whose own keeper and workers do not count. Looked up here by other code than that under test.
    """
    cookies = [f"PEXEN_ATTEMPT_ID={uuid}".encode() for (uuid,) in ask(directory, "SELECT uuid FROM runs")]
    slots = f"{directory}/journal.db.slots".encode()
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            process = Path("/proc", entry)
            state, parent = process.joinpath("stat").read_text().rpartition(")")[2].split()[:2]
            if state in "ZX" or int(entry) == os.getpid() or beside in (int(entry), *_ancestors(int(parent))):
                continue
            environment = process.joinpath("environ").read_bytes()
            if any(cookie in environment for cookie in cookies) or slots in process.joinpath("maps").read_bytes():
                words = process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(f"{entry}: {words}")
    return found


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
