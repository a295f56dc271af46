"""What an attempt was at when its time was over, laid beside its output."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from pexen_state import Sched, task
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from pexen_state.sched.pool import evidence as ev
from tests.journal.telling import sql


def timed_out(one, tmp_path: Path, kind=ProcessWorkerPool, **more) -> str:
    """The evidence of a task that hangs."""
    journal = tmp_path / "journal.db"
    (found,) = Sched([one], journal=journal, capture=True, **more).run(kind(workers=1))
    assert found.verdict == "timeout"
    ((name, verdict, note),) = sql(journal, "SELECT name, verdict, note FROM results")
    assert (name, verdict) == ("evidence", "info")
    path = Path(note.partition(": ")[2])
    assert path == journal.parent / "journal.d" / "run-1" / path.parts[-3] / "1" / "evidence.txt"
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text()


def hang_in_here() -> None:
    time.sleep(60)


def test_a_python_task_is_found_where_it_hangs(tmp_path: Path):
    @task(name="hangs", timeout=0.3)
    def hangs(shared):
        hang_in_here()

    found = timed_out(hangs, tmp_path)

    assert found.startswith("ended: over its time limit of 0.3 s\n")
    assert "in hang_in_here" in found
    assert "== processes" in found


def test_so_is_one_that_does_not_listen_to_signals(tmp_path: Path):
    @task(name="deaf", timeout=0.3)
    def deaf(shared):
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            hang_in_here()

    assert "in hang_in_here" in timed_out(deaf, tmp_path)


def test_an_executable_is_seen_with_its_children_and_what_they_have_open(tmp_path: Path):
    hostile = tmp_path / "evil\x1b[2J\nname"
    hostile.write_text("")
    executable = Executable(["/bin/sh", "-c", 'exec 7<"$1"; sleep 61 & wait', "sh", str(hostile)])
    assign_val(executable, name="hangs", timeout=0.5)

    found = timed_out(executable, tmp_path)

    assert "sleep 61" in found
    assert "evil\\x1b[2J\\nname" in found
    assert "\x1b" not in found
    assert "== stacks" not in found


def test_silence_is_evidence_too_and_so_is_a_process_that_was_stopped(tmp_path: Path):
    executable = Executable(["/bin/sh", "-c", "kill -STOP $$; sleep 62"])
    assign_val(executable, name="silent", idle_timeout=0.3)

    found = timed_out(executable, tmp_path)

    assert "wrote nothing for 0.3 s" in found
    assert "  T  waits in " in found


def test_when_the_runs_time_is_over_it_is_known_what_ran(tmp_path: Path):
    executable = Executable(["/bin/sh", "-c", "sleep 63"])
    assign_val(executable, name="long")

    assert "sleep 63" in timed_out(executable, tmp_path, run_timeout=0.5)


def test_in_a_thread_pool_the_stack_of_its_thread_comes_first(tmp_path: Path):
    let_go = threading.Event()

    @task(name="hangs", timeout=0.3)
    def hangs(shared):
        let_go.wait(20)

    found = timed_out(hangs, tmp_path, ThreadWorkerPool)
    let_go.set()

    first = found.split("== ")[1]
    assert first.startswith("the attempt's thread\n")
    assert "let_go.wait(20)" in first


def test_without_a_place_there_is_none():
    executable = Executable(["/bin/sh", "-c", "sleep 64"])
    assign_val(executable, name="hangs", timeout=0.3)

    (found,) = Sched([executable]).run(ProcessWorkerPool(workers=1))

    assert found.verdict == "timeout"
    assert ev.keep(os.getpid(), None, "it was time", None) is None
    assert ev.of_thread(threading.get_ident(), None, "it was time") is None


@pytest.mark.parametrize("instead", ["a link", "a pipe", "a directory"])
def test_what_stands_in_its_place_is_not_written_to(tmp_path: Path, instead: str):
    other, log = tmp_path / "other", tmp_path / "output.log"
    other.write_text("kept")
    match instead:
        case "a link":
            (tmp_path / ev.FILE).symlink_to(other)
        case "a pipe":
            os.mkfifo(tmp_path / ev.FILE)
        case "a directory":
            (tmp_path / ev.FILE).mkdir()

    with log.open("w") as output:
        assert ev.keep(os.getpid(), output.fileno(), "it was time", None) is None

    assert other.read_text() == "kept"


def test_a_worker_that_does_not_answer_is_not_waited_for():
    stacks = ev.Stacks()
    child = os.fork()
    if not child:
        time.sleep(30)
        os._exit(0)
    os.kill(child, 19)  # STOP

    assert stacks.of(child) == ""

    os.kill(child, 9)
    os.waitpid(child, 0)
    assert stacks.of(child) == ""
    stacks.close()
