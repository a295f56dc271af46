"""What the kernel says of trouble while tasks run, and what becomes of it. The kernel is a socket here: from outside
nothing can be said in the real one's name.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from pexen_state import Sched, task
from pexen_state.box.kernel_log import KMSG, KernelLog
from pexen_state.box.last_words import Words
from pexen_state.sched import kernel_watch
from pexen_state.sched.executable import Executable
from pexen_state.sched.kernel_watch import KernelWatch
from pexen_state.sched.last_words import attach, began_last, mark_of
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.journal.telling import sql

#: Seconds by which the kernel's clock may be off, and more.
APART = 0.1

WARNING = "WARNING: CPU: 1 PID: 4711 at fs/inode.c:1 drop_nlink"


class Kernel:
    """Says something, as records of /dev/kmsg."""

    def __init__(self) -> None:
        self._mouth, ear = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ear.setblocking(False)
        self.log = KernelLog(ear.detach())

    def say(self, text: str, at: float | None = None, priority: int = 4) -> None:
        at_us = int((time.monotonic() if at is None else at) * 1e6)
        self._mouth.send(f"{priority},1,{at_us},-;{text}\n".encode())

    def close(self) -> None:
        self._mouth.close()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch):
    kernel = Kernel()
    monkeypatch.setattr(kernel_watch.KernelLog, "open", classmethod(lambda cls: kernel.log))
    yield kernel
    kernel.close()


def run(*tasks, journal: Path, **more):
    sched = Sched(tasks, journal=journal, **{"kernel": True, **more})
    return {result.key: result for result in sched.run(ThreadWorkerPool(workers=2))}


def test_whoever_runs_while_the_kernel_warns_passes_with_problems(kernel: Kernel, tmp_path: Path):
    both = threading.Barrier(2)

    @task(name="a")
    def a(shared):
        both.wait()
        kernel.say(WARNING)
        both.wait()
        time.sleep(APART)

    @task(name="b")
    def b(shared):
        both.wait()
        both.wait()
        time.sleep(APART)

    @task(name="later", after=["a", "b"])
    def later(shared):
        pass

    found = run(a, b, later, journal=tmp_path / "journal.db")

    assert {key: one.verdict for key, one in found.items()} == {"a": "warn", "b": "warn", "later": "pass"}
    assert found["a"].reason == f"the kernel said: {WARNING}"
    rows = sql(tmp_path / "journal.db", "SELECT task, name, verdict, note FROM results ORDER BY task")
    assert rows == [("a", "kernel", "warn", WARNING), ("b", "kernel", "warn", WARNING)]


def test_a_task_may_fail_of_it(kernel: Kernel, tmp_path: Path):
    @task(name="gated", kernel="fail", claims=["disk"], provides=["ready"], retries=1)
    def gated(shared):
        kernel.say("BUG: unable to handle page fault for address: 0")
        time.sleep(APART)

    @task(name="child", requires=["ready"])
    def child(shared):
        raise AssertionError("never runs")

    @task(name="next", claims=["disk"], after=["gated"])
    def following(shared):
        pass

    with pytest.warns(match="skipped due to unmet deps"):
        found = run(gated, child, following, journal=tmp_path / "journal.db")

    assert found["gated"].verdict == "fail"
    assert found["gated"].attempt == 2
    assert found["gated"].reason.startswith("the kernel said: BUG: ")
    assert found["next"].verdict == "pass"  # its lock is free
    assert "child" not in found
    causes = sql(tmp_path / "journal.db", "SELECT attempt, state, cause FROM attempts WHERE task = 'gated'")
    assert causes == [(1, "failed", "kernel"), (2, "failed", "kernel")]


def test_a_task_may_not_care(kernel: Kernel, tmp_path: Path):
    @task(name="loud", kernel="ignore")
    def loud(shared):
        kernel.say(WARNING)

    assert run(loud, journal=tmp_path / "journal.db")["loud"].verdict == "pass"
    assert sql(tmp_path / "journal.db", "SELECT count(*) FROM results") == [(0,)]


def test_nobody_looks_unless_somebody_wants_to_know(kernel: Kernel, tmp_path: Path):
    @task(name="loud")
    def loud(shared):
        kernel.say(WARNING)

    @task(name="strict", kernel="fail", after=["loud"])
    def strict(shared):
        kernel.say(WARNING)

    found = run(loud, strict, journal=tmp_path / "journal.db", kernel=False)

    assert {key: one.verdict for key, one in found.items()} == {"loud": "pass", "strict": "fail"}


@pytest.mark.parametrize(
    ("text", "priority"), [("WARNING: said by a program", 12), ("pexen: run 1: BUG: #1 begins", 14), ("all is well", 4)]
)
def test_what_programs_say_is_no_word_of_the_kernel(kernel: Kernel, tmp_path: Path, text: str, priority: int):
    @task(name="quiet")
    def quiet(shared):
        kernel.say(text, priority=priority)

    assert run(quiet, journal=tmp_path / "journal.db")["quiet"].verdict == "pass"


def test_who_failed_anyway_keeps_its_own_verdict(kernel: Kernel, tmp_path: Path):
    @task(name="fails", kernel="fail")
    def fails(shared):
        kernel.say(WARNING)
        raise AssertionError("mine")

    found = run(fails, journal=tmp_path / "journal.db")["fails"]

    assert (found.verdict, found.reason) == ("fail", "AssertionError: mine")
    assert sql(tmp_path / "journal.db", "SELECT name, verdict FROM results") == [("kernel", "fail")]


def test_a_flood_is_cut_and_counted(kernel: Kernel, tmp_path: Path):
    @task(name="flood")
    def flood(shared):
        for number in range(20):
            kernel.say(f"WARNING: number {number} {'x' * 2000}\x1b[31m")

    run(flood, journal=tmp_path / "journal.db")

    ((note,),) = sql(tmp_path / "journal.db", "SELECT note FROM results")
    assert note.endswith("(and 15 more lines)")
    assert len(note) < 2000


def test_a_new_taint_is_trouble_and_an_old_one_is_not():
    kernel = Kernel()
    bits = [1 << 12]
    watch = KernelWatch(kernel.log, taint=lambda: bits[0])
    kernel.say("a module is loaded")
    assert not watch.look()

    bits[0] |= 1 << 9
    kernel.say("something happens")

    assert watch.look()
    assert watch.during(0.0, time.time_ns() // 1000) == ["the kernel is tainted now: kernel warning"]
    kernel.close()
    watch.close()


def test_trouble_before_an_attempt_is_none_of_it():
    kernel = Kernel()
    now, wall = 100.0, 1_000_000.0
    watch = KernelWatch(kernel.log, taint=lambda: 0, clock=lambda: now, wall_clock=lambda: wall)
    kernel.say(WARNING, at=100.2)
    now, wall = 101.0, 1_000_001.0

    assert watch.look()
    assert watch.during(0.5, 1_000_000_400_000) == []
    assert watch.during(0.5, 1_000_000_100_000) == [WARNING]
    wall = 2_000_000.0  # it was set
    assert watch.during(0.9, 1_000_000_100_000) == [WARNING]
    wall = 1_000.0
    assert watch.during(0.9, 1_000_000_100_000) == [WARNING]
    kernel.close()
    watch.close()


def test_a_log_that_is_closed_is_silent():
    kernel = Kernel()
    watch = KernelWatch(kernel.log, taint=lambda: 0)
    kernel.close()

    assert not watch.look()
    watch.close()


def can_be_read(path: str) -> bool:
    log = KernelLog.open(path)
    if log is not None:
        log.close()
    return log is not None and os.access(path, os.W_OK)


@pytest.mark.skipif(not can_be_read(KMSG), reason="/dev/kmsg is not for us here")
@pytest.mark.parametrize(("how", "marked"), [({}, True), ({"kernel": "ignore"}, False)])
def test_attempts_are_marked_in_the_real_log(tmp_path: Path, how: dict, marked: bool):
    executable = Executable(["true"])
    assign_val(executable, name="fs/größe\x1b[2J", **how)
    log = KernelLog.open()

    list(Sched([executable], journal=tmp_path / "journal.db", kernel=True).run(ProcessWorkerPool(workers=1)))

    said = [one.text for one in log.take() if "fs/gr??e?[2J#1" in one.text]
    log.close()
    assert said == (
        ["pexen: run 1: fs/gr??e?[2J#1 begins", "pexen: run 1: fs/gr??e?[2J#1 ends: returned"] if marked else []
    )


def test_who_began_and_never_ended_is_found_in_the_log_of_the_last_boot():
    text = """\
[    1.0] box kernel: pexen: run 3: a#1 begins
[    1.1] box kernel: pexen: run 3: b#2 begins
[    1.2] box kernel: pexen: run 3: a#1 ends: returned
[    1.3] box kernel: pexen: run 3: c#1 begins
[    1.4] box kernel: pexen: run 4: d#1 begins
"""
    marks = [mark_of("3", key, nth) for key, nth in (("a", 1), ("b", 2), ("c", 1), ("d", 1))]

    found = began_last([Words("log", text)], marks)

    assert sorted(found, key=found.__getitem__) == [mark_of("3", "b", 2), mark_of("3", "c", 1)]


def test_last_words_are_laid_beside_the_attempt(tmp_path: Path):
    words = [
        Words("/sys/fs/pstore/dmesg-1", "<4>[   9.1] all is well\n<0>[   9.2] Kernel panic - not syncing: \x1b[2J\n")
    ]

    said = attach(words, str(tmp_path / "run" / "a" / "1"))

    assert said.note.startswith("the box crashed; its kernel said: [   9.2] Kernel panic - not syncing: ")
    assert "all is well" in (tmp_path / "run" / "a" / "1" / "kernel.log").read_text()
    assert attach([], str(tmp_path)) is None
    (tmp_path / "file").write_text("")
    assert attach(words, str(tmp_path / "file" / "1")) is None
