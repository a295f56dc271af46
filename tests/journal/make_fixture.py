"""Makes `journal-0003.db` out of `journal-0002.db`: brought up to date, and a run added whose box went down.

    .venv/bin/python -m tests.journal.make_fixture

Tasks of that run asked for a reboot, with a mark, kept a value, and crashed the box: once beside another one, and twice
alone. Made by the code of today; once a version with this schema was released, the file is never made again.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from pexen_state.core.inputs import BoxDied, Ending, Finished, Input, NewBoot, PoolHasRoom, RunOpened, Started
from pexen_state.core.plan import Plan
from pexen_state.core.states import Cause, Verdict
from pexen_state.journal.care.check import check
from pexen_state.journal.lock import RunLock
from pexen_state.journal.records import AttemptEnd, Checkpoint, HowEnded, NewTask
from pexen_state.journal.standing import restored
from pexen_state.journal.uptodate import bring_up_to_date
from pexen_state.journal.writer import Journal
from pexen_state.sched.ending import end_session
from tests.stories import spec

HERE = Path(__file__).resolve().parent / "fixtures"

TASKS = (
    spec("asks", priority=-1, claims={"/boot"}),
    spec("innocent", uses={"/disk"}),
    spec("culprit", uses={"/disk"}),
    spec("other", priority=1),
)
ASKS, INNOCENT, _CULPRIT, OTHER = 1, 2, 3, 4
BEGAN_US = 1_790_000_000_000_000  # 2026-09-21
PID = 4711


class Maker:
    """A runner that decides and appends; each of its sessions is of another boot."""

    def __init__(self, path: Path) -> None:
        self.now_us = BEGAN_US
        self.path = path
        self.lock = RunLock.acquire(path)
        self.journal = Journal.open(self.lock, clock=self.clock)
        specs = [NewTask(task, b"0123456789abcdef") for task in TASKS]
        self.run = self.journal.begin_run("box", "box", {"surroundings": {"directory": "/"}}, specs)
        self.plan = Plan(TASKS)

    def clock(self) -> int:
        self.now_us += 250_000
        return self.now_us

    def session(self, room: int, *before: Input) -> None:
        self.now_us += 60_000_000
        self.plan = restored(self.journal.saved_tasks(self.run), self.journal.interventions(self.run))
        self.journal.begin_session(self.run)
        self.turn(*before, RunOpened("box", may_reboot=True), PoolHasRoom(room))
        self.turn(*(Started(number, self.plan.tasks[number].attempt) for number in sorted(self.plan.in_flight)))

    def turn(self, *inputs: Input, left: dict[int, AttemptEnd] | None = None) -> None:
        decided = self.plan.handle(*inputs).decisions
        self.journal.append(decided, (), left or {})

    def ended(self, task: int, cause: Cause = Cause.RETURNED, verdict: Verdict = Verdict.PASS, mark: str = "") -> None:
        left = AttemptEnd(0, PID + task, self.now_us, 0.25, mark=mark or None)
        self.turn(Finished(task, self.plan.tasks[task].attempt, Ending(cause, verdict)), left={task: left})

    def box_died(self) -> BoxDied:
        """With all that was in flight, the last one first."""
        in_flight = sorted(self.plan.in_flight, reverse=True)
        return BoxDied(tuple((number, self.plan.tasks[number].attempt) for number in in_flight))


def tell(maker: Maker) -> None:
    maker.session(1)
    maker.journal.append((), (), {}, [Checkpoint(ASKS, "step", "half-way")])
    maker.ended(ASKS, Cause.REBOOT_ASKED, Verdict.NONE, mark="phase-1")
    maker.journal.end_session(HowEnded.REBOOTED)
    maker.session(3, NewBoot())
    maker.ended(ASKS)
    for _ in range(3):  # beside the innocent, and then twice alone
        maker.session(2, maker.box_died())
    maker.ended(INNOCENT)
    maker.ended(OTHER)
    end_session(maker.journal, maker.plan, HowEnded.STOPPED)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.db"
        shutil.copy(HERE / "journal-0002.db", path)
        bring_up_to_date(path)
        maker = Maker(path)
        tell(maker)
        maker.journal.close()
        maker.lock.release()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            box = "host = 'box', kernel = '6.1.0', python_version = '3.11.2', start = 100, pid = 4000 + id"
            connection.execute(f"UPDATE session SET boot_id = 'boot ' || id, {box} WHERE run = ?", (maker.run,))
            connection.execute(
                "UPDATE session SET how_ended = ? WHERE run = ? AND how_ended = ?",
                (HowEnded.CRASHED, maker.run, HowEnded.KILLED),
            )
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("VACUUM")
            connection.execute("PRAGMA journal_mode = WAL")
        assert check(path) == []
        shutil.copy(path, HERE / "journal-0003.db")


if __name__ == "__main__":
    main()
