"""Makes `journal-0004.db` out of `journal-0003.db`: brought up to date, and a run added whose tasks report their parts.

    .venv/bin/python -m tests.journal.make_fixture

The parts have notes, metrics and files; one of them failed. Made by the code of today; once a version with this schema
was released, the file is never made again.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from pexen_state.core.inputs import Ending, Finished, PoolHasRoom, RunOpened, Started
from pexen_state.core.plan import Plan
from pexen_state.core.states import Cause, Verdict
from pexen_state.journal.care.check import check
from pexen_state.journal.lock import RunLock
from pexen_state.journal.records import AttemptEnd, HowEnded, NewTask, SubResult
from pexen_state.journal.uptodate import bring_up_to_date
from pexen_state.journal.writer import Journal
from pexen_state.sched.ending import end_session
from tests.stories import spec

HERE = Path(__file__).resolve().parent / "fixtures"

DISKS, SUMS = 1, 2
TASKS = (spec("disks", tags=("slow", "raid 5"), group="vm"), spec("sums", after=("disks",), group="vm"))
PARTS = {
    DISKS: (
        SubResult("sda", Verdict.PASS, metrics={"mb_s": 412.5}, files=("sda.log",)),
        SubResult("sdb", Verdict.WARN, "slow", {"mb_s": 12}),
    ),
    SUMS: (SubResult("adds up", Verdict.FAIL, "got: 3\nexpected: 4"), SubResult("divides", Verdict.SKIP)),
}
BEGAN_US = 1_790_400_000_000_000  # 2026-09-26
PID = 4711


def tell(path: Path) -> int:
    """Adds the run, and returns its number."""
    now_us = BEGAN_US

    def clock() -> int:
        nonlocal now_us
        now_us += 250_000
        return now_us

    with RunLock.acquire(path) as lock:
        journal = Journal.open(lock, clock=clock)
        run = journal.begin_run("parts", "parts", {}, [NewTask(task, b"0123456789abcdef") for task in TASKS])
        plan = Plan(TASKS)
        journal.begin_session(run)
        journal.append(plan.handle(RunOpened(), PoolHasRoom(1)).decisions, (), {})
        journal.append(plan.handle(PoolHasRoom(1)).decisions, (), {})  # in the group
        for number, cause, verdict in ((DISKS, Cause.RETURNED, Verdict.WARN), (SUMS, Cause.PART_FAILED, Verdict.FAIL)):
            journal.append(plan.handle(Started(number, 1)).decisions, (), {})
            left = AttemptEnd(0, PID + number, now_us, 0.25, results=PARTS[number])
            ended = Finished(number, 1, Ending(cause, verdict))
            journal.append(plan.handle(ended, PoolHasRoom(1)).decisions, (), {number: left})
        end_session(journal, plan, HowEnded.FINISHED)
        journal.close()
    return run


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.db"
        shutil.copy(HERE / "journal-0003.db", path)
        bring_up_to_date(path)
        run = tell(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            box = "host = 'box', kernel = '6.1.0', python_version = '3.11.2', start = 100, pid = 4000 + id"
            connection.execute(
                f"UPDATE session SET boot_id = 'boot ' || id, panics = '[]', {box} WHERE run = ?", (run,)
            )
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("VACUUM")
            connection.execute("PRAGMA journal_mode = WAL")
        assert check(path) == []
        shutil.copy(path, HERE / "journal-0004.db")


if __name__ == "__main__":
    main()
