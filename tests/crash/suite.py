"""The suite that the crash tests kill: every feature that a crash could confuse, with one possible end.

    python -m tests.crash.suite DIRECTORY POOL [--kill-after-commit K] [--hold runner|keeper|worker|opened]
        [--break HOW] [--hold-after RESULTS] [--workers N]

It runs the suite in DIRECTORY/journal.db, goes on with what an earlier call left, appends to the witness, and
prints one line of JSON about the end of each task that it was given. An error of pexen is a sentence and exit
code 3.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pexen_state import Sched, Skip, TaskFailError, task
from pexen_state.core.spec import Declared
from pexen_state.sched import pool as pools
from pexen_state.sched.common import RunOver
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import keeper, staff
from pexen_state.sched.pool.births import Setup
from pexen_state.sched.pool.worker import Worker
from pexen_state.util import PexenError
from tests.crash import breakages
from tests.crash.sessions import Nursery, Session
from tests.crash.witness import note, opened, write

#: What every end has in common: (key, state, verdict).
END = {
    ("setup", "succeeded", "pass"),
    ("link/1", "succeeded", "pass"),
    ("link/2", "succeeded", "pass"),
    ("link/3", "succeeded", "pass"),
    ("disk/1", "succeeded", "pass"),
    ("disk/2", "succeeded", "pass"),
    ("disk/3", "succeeded", "pass"),
    ("reader/1", "succeeded", "pass"),
    ("reader/2", "succeeded", "pass"),
    ("dies-once", "succeeded", "pass"),
    ("flaw", "failed", "fail"),
    ("after-flaw", "skipped", "not_run"),
    ("spoils", "failed", "error"),
    ("needs-clean", "skipped", "not_run"),
    ("controlled", "failed", "fail"),
    ("after-controlled", "succeeded", "pass"),
    ("elsewhere", "skipped", "skip"),
    ("after-elsewhere", "skipped", "skip"),
    ("shell/good", "succeeded", "pass"),
    ("shell/bad", "failed", "fail"),
    ("cleanup", "succeeded", "pass"),
}

REQUIRES = {
    "link/1": {"setup"},
    "link/2": {"link/1"},
    "link/3": {"link/2"},
    "after-controlled": {"controlled"},
    "shell/good": {"setup"},
    "cleanup": {"flaw", "link/3"},
}

EXCLUSIVE = [
    {"disk/1", "disk/2", "disk/3"},
    *({f"disk/{n}", f"reader/{m}"} for n in (1, 2, 3) for m in (1, 2)),
]

#: What tasks leave in `shared`, whenever they were interrupted.
SHARED = {
    "setup": {"base": 1, "path": ["setup"]},
    "link/3": {"base": 1, "path": ["setup", 1, 2, 3]},
    "after-controlled": {"base": 1, "left": {"by": "controlled"}},
    "cleanup": {"base": 1, "path": ["setup", 1, 2, 3]},
}

LINKS = 3

JOURNAL_FAILED = 3


def tasks(directory: str, pool: str) -> list[Callable[..., Any]]:
    """The tasks, made anew by every session, as a program would."""
    made: list[Callable[..., Any]] = []

    def add(key: str, body: Callable[[dict[str, Any]], Any] | None = None, **meta: Any) -> None:
        def run(shared: dict[str, Any]) -> Any:
            # Threads share an environment, so there a python task cannot know its attempt.
            attempt = os.environ["PEXEN_ATTEMPT"] if pool == "process" else "-"
            note(directory, "S", key, attempt)
            try:
                return body(shared) if body is not None else key
            finally:
                note(directory, "E", key, attempt)

        made.append(task(name=key, **meta)(run))

    def shell(key: str, status: int, **meta: Any) -> None:
        script = (
            f'echo "S {key} $PEXEN_ATTEMPT" >>witness.log; echo "E {key} $PEXEN_ATTEMPT" >>witness.log; exit {status}'
        )
        executable = Executable(["/bin/sh", "-c", script], cwd=directory, declared=Declared.EXECUTABLE)
        assign_val(executable, name=key, **meta)
        made.append(executable)

    def extend(number: int) -> Callable[[dict[str, Any]], int]:
        def body(shared: dict[str, Any]) -> int:
            shared["path"] = [*shared["path"], number]
            return number

        return body

    def dies_once(_: dict[str, Any]) -> None:
        if pool == "process":
            try:
                os.close(os.open(f"{directory}/died", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            except OSError:  # a fault, once; what a task itself is refused is its own failure
                os.close(os.open(f"{directory}/died", os.O_CREAT))
            os.kill(os.getpid(), signal.SIGKILL)

    def flaw(_: dict[str, Any]) -> None:
        raise AssertionError("one is not two")

    def spoils(_: dict[str, Any]) -> None:
        raise RuntimeError("nobody knows what became of it")

    def controlled(shared: dict[str, Any]) -> None:
        shared["left"] = {"by": "controlled"}
        raise TaskFailError("cleaned up")

    def elsewhere(_: dict[str, Any]) -> None:
        raise Skip("not on this machine")

    add("setup", lambda shared: shared.update(path=["setup"]), provides=["ready"], priority=-1)
    add("spoils", spoils, claims=["/srv"], priority=-1)
    add("needs-clean", uses=["/srv/www"], after=["spoils"])
    for number in range(1, LINKS + 1):
        before = "ready" if number == 1 else f"link {number - 1}"
        add(f"link/{number}", extend(number), requires=[before], provides=[f"link {number}"])
    for number in (1, 2, 3):
        add(f"disk/{number}", claims=["/dev/disk"])
    for number in (1, 2):
        add(f"reader/{number}", uses=["/dev/disk/part" if number == 1 else "/dev/disk"])
    # One death is its own; others may come from the keeper's.
    add("dies-once", dies_once, max_crashes=5)
    add("flaw", flaw, provides=["flawless"], retries=2)
    add("after-flaw", requires=["flawless"])
    add("controlled", controlled, provides=["something"])
    add("after-controlled", lambda shared: shared["left"], requires=["something"])
    add("elsewhere", elsewhere, provides=["other place"])
    add("after-elsewhere", requires=["other place"])
    shell("shell/good", 0, requires=["ready"])
    shell("shell/bad", 1, retries=1)
    add("cleanup", requires=["flawless", f"link {LINKS}"], always=True)
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("pool", choices=["thread", "process"])
    parser.add_argument("--kill-after-commit", type=int, default=0)
    parser.add_argument("--kill-before-commit", type=int, default=0)
    parser.add_argument(
        "--hold",
        choices=["runner", "keeper", "worker", "opened"],
        help="wait for a line: before the runner, the keeper or a worker does anything, or with the journal open",
    )
    parser.add_argument("--hold-after", type=int, default=0, help="wait for a line when so many results were given")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--break", dest="breakage", choices=sorted(breakages.ALL), default=None)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.breakage:
        breakages.ALL[asked.breakage]()
    if asked.kill_after_commit or asked.kill_before_commit:
        kill_at_commit(asked.kill_after_commit, asked.kill_before_commit)
    if asked.hold == "keeper":
        hold_keeper()
    elif asked.hold == "worker":
        hold_worker()
    elif asked.hold == "runner":
        hold()
    try:
        run_suite(asked.directory, asked.pool, asked.hold == "opened", asked.hold_after, asked.workers)
    except RunOver:
        pass  # an earlier session was killed after its last word
    except PexenError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(JOURNAL_FAILED)


def run_suite(directory: str, pool: str, is_held: bool, held_after: int, workers: int) -> None:
    name = {"thread": "ThreadWorkerPool", "process": "ProcessWorkerPool"}[pool]
    made = getattr(pools, name)(workers=workers)
    journal = Path(directory) / "journal.db"
    # By number, so that a run that was killed after its very last task is not followed by another one.
    run = first_run(journal)
    log = opened(directory)

    def session_opened(_: object) -> None:
        write(log, "K", "-")  # it has the lock, so whatever an earlier session ran is dead
        if is_held:
            hold()

    sched = Sched(tasks(directory, pool), journal=journal, name="crash", run_id=run, announce=session_opened)
    sched.add_shared(base=1)
    for number, result in enumerate(sched.run(made), 1):
        if not result.replayed:
            write(log, "A", result.key or "-", result.state)
        print(json.dumps([result.key, result.state, result.verdict, result.shared, repr(result.ret)]), flush=True)
        if number == held_after:
            hold()


def first_run(journal: Path) -> int | None:
    if not journal.exists():
        return None
    connection = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    try:
        found = connection.execute("SELECT min(id) FROM run").fetchone()
    except sqlite3.OperationalError:  # killed before there was a schema
        return None
    finally:
        connection.close()
    return found[0]


def kill_at_commit(after: int, before: int) -> None:
    """SIGKILL this process right after, or right before, the so-many-th commit of the journal that changes something.

    0 is never.
    """
    if not after and not before:
        return
    commits = 0

    class Deadly(sqlite3.Connection):
        seen = 0

        def commit(self) -> None:
            nonlocal commits
            commits += self.total_changes != self.seen
            self.seen = self.total_changes
            if before and commits == before:
                os.kill(os.getpid(), signal.SIGKILL)
            super().commit()
            if after and commits == after:
                os.kill(os.getpid(), signal.SIGKILL)

        def __exit__(self, kind: Any, *raised: Any) -> Any:
            if kind is None:
                self.commit()
            return super().__exit__(kind, *raised)

    breakages.connect_by(Deadly)


def hold(line: int = 0) -> None:
    """Say who we are, and wait for a line, so that a tracer may attach. Standard input is a socket, or a terminal."""
    os.write(line, f"{os.getpid()}\n".encode())
    os.read(line, 1)


def hold_keeper() -> None:
    """The same, in the first keeper, before it does anything. One that replaces it is not held."""
    fork_keeper = staff.fork_keeper

    def fork_one_that_holds(setup: Setup) -> int:
        staff.fork_keeper = fork_keeper
        made = keeper.Keeper.__init__

        def hold_and_make(self: keeper.Keeper, setup: Setup) -> None:
            hold()
            made(self, setup)

        keeper.Keeper.__init__ = hold_and_make  # type: ignore[method-assign]
        try:
            return fork_keeper(setup)
        finally:
            keeper.Keeper.__init__ = made  # type: ignore[method-assign]

    staff.fork_keeper = fork_one_that_holds


def hold_worker() -> None:
    """The same, in the second worker that is forked: of a single one, that which comes after the one that dies, and
    runs the executables. Its standard input is another one, so it has a copy of ours."""
    line = os.dup(0)
    forked = os.memfd_create("forked")  # shared by all: a byte for each
    settle_in, serve = keeper.settle_in, Worker.serve

    def settle_in_with_it(ours: Sequence[int], keep_fds: Sequence[int]) -> tuple[int, int]:
        return settle_in([*ours, line, forked], keep_fds)

    def hold_and_serve(self: Worker) -> None:
        os.write(forked, b"x")
        if os.fstat(forked).st_size == 2:
            hold(line)
        serve(self)

    keeper.settle_in = settle_in_with_it
    Worker.serve = hold_and_serve  # type: ignore[method-assign]


def start(nursery: Nursery, directory: str | Path, pool: str, *options: str) -> Session:
    """Begin one session of the suite, in a process of its own."""
    return nursery.start("tests.crash.suite:main", [str(directory), pool, *options], directory)


if __name__ == "__main__":
    main()
