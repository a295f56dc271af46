"""One runner per journal: told by real processes."""

from __future__ import annotations

import fcntl
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pexen_state.journal.errors import JournalBusy, JournalMissing, JournalReadOnly
from pexen_state.journal.identity import ProcessIdentity, descendants, is_alive, kill, process_identity
from pexen_state.journal.lock import RunLock, holder_of, is_held, outlived
from pexen_state.journal.lock_file import leave_word

HOLD = """
import sys
from pexen_state.journal.lock import RunLock
lock = RunLock.acquire(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""

# A runner whose keeper has the lock's descriptor, and a child of its own; the keeper never ends by itself.
HOLD_WITH_KEEPER = """
import os, signal, sys, time
from pexen_state.journal.lock import RunLock
lock = RunLock.acquire(sys.argv[1])
ready, told = os.pipe()
keeper = os.fork()
if keeper == 0:
    child = os.fork()
    if child:
        os.write(told, b"%d " % child)
    while True:
        time.sleep(1000)
lock.record_keeper(keeper)
print(keeper, os.read(ready, 100).decode(), flush=True)
time.sleep(1000)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@contextmanager
def holder(path: Path, program: str = HOLD) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that holds the lock; and the line that it said."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_a_second_runner_is_refused_and_told_who_it_waits_for(path: Path) -> None:
    with holder(path) as (process, _), pytest.raises(JournalBusy) as caught:
        RunLock.acquire(path, patience_s=0.1)

    assert caught.value.pid == process.pid
    assert caught.value.since is not None
    assert f"is held by the process {process.pid}, since 20" in str(caught.value)


def test_a_second_lock_in_the_same_process_is_refused_too_and_nobody_is_told_to_kill_himself(path: Path) -> None:
    with RunLock.acquire(path), pytest.raises(JournalBusy, match=f"this process, {os.getpid()}, holds") as caught:
        RunLock.acquire(path, patience_s=0.1)

    assert str(caught.value).endswith(
        "another run() in it has not ended. Take the last of its results, or close() it, before you begin another."
    )
    assert "kill" not in str(caught.value)


def test_nobody_waits_for_ever_for_himself(path: Path) -> None:
    with RunLock.acquire(path), pytest.raises(JournalBusy, match=r"holds the journal .* itself"):
        RunLock.acquire(path, wait_s=math.inf, patience_s=math.inf)


WAIT_FOR_EVER = """
import math, signal, sys
from pexen_state.journal.lock import RunLock
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print("waiting", flush=True)
    lock = RunLock.acquire(sys.argv[1], wait_s=math.inf, patience_s=math.inf)
except KeyboardInterrupt:
    print("interrupted", flush=True)
else:
    print("held", flush=True)
"""


def test_who_waits_for_ever_can_be_interrupted(path: Path) -> None:
    with holder(path), holder(path, WAIT_FOR_EVER) as (waiting, said):
        assert said == "waiting\n"
        waiting.send_signal(signal.SIGINT)

        assert waiting.communicate()[0] == "interrupted\n"


def test_who_waits_for_ever_gets_it_when_the_holder_is_killed_and_ends_what_is_left_of_it(path: Path) -> None:
    with holder(path, HOLD_WITH_KEEPER) as (process, said), holder(path, WAIT_FOR_EVER) as (waiting, _):
        left = [who for pid in map(int, said.split()) if (who := process_identity(pid)) is not None]
        process.kill()
        process.wait()

        assert waiting.communicate()[0] == "held\n"
    assert len(left) == 2
    assert not any(map(is_alive, left))


def test_the_lock_is_never_taken_for_standard_input_or_output(path: Path) -> None:
    program = """
import os, sys
from pexen_state.journal.lock import RunLock
os.close(0)
lock = RunLock.acquire(sys.argv[1])
print(lock.fd, os.get_inheritable(lock.fd), flush=True)
"""
    said = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True).stdout

    descriptor, inheritable = said.split()
    assert int(descriptor) > 2
    assert inheritable == "False"


def test_the_lock_can_be_had_again_when_it_was_released(path: Path) -> None:
    with holder(path) as (process, _):
        assert is_held(path)
        process.communicate("")
        RunLock.acquire(path).release()

    assert not is_held(path)
    assert holder_of(path) is None


def test_who_holds_it_can_be_read_without_waiting(path: Path) -> None:
    with holder(path) as (process, _):
        found = holder_of(path)

    assert found is not None
    assert found.runner.pid == process.pid


def test_a_killed_runner_leaves_the_lock_free(path: Path) -> None:
    with holder(path) as (process, _):
        process.kill()
        process.wait()

        RunLock.acquire(path, wait_s=5).release()


def test_the_keeper_of_a_killed_runner_is_ended_with_all_below_it(path: Path) -> None:
    with holder(path, HOLD_WITH_KEEPER) as (process, said):
        left = [who for pid in map(int, said.split()) if (who := process_identity(pid)) is not None]
        assert len(left) == 2
        process.kill()
        process.wait()
        assert is_held(path)

        RunLock.acquire(path).release()

    assert not any(map(is_alive, left))


def test_a_keeper_that_no_longer_holds_the_lock_is_ended_too(path: Path) -> None:
    sleeper = subprocess.Popen(["/bin/sleep", "1000"])
    who = process_identity(sleeper.pid)
    assert who is not None
    dead = {"pid": 4_000_000, "start": 1, "boot_id": who.boot_id, "since": 0}
    # With what earlier versions wrote there and nobody asked for.
    Path(f"{path}.lock").write_text(json.dumps({**dead, "keepers": [[who.pid, who.start]], "workers": [[1, 2]]}))

    RunLock.acquire(path).release()

    assert sleeper.wait() == -signal.SIGKILL


@pytest.mark.parametrize("differs", ["start", "boot_id"])
def test_a_process_that_only_has_the_same_pid_is_left_alone(path: Path, differs: str) -> None:
    with subprocess.Popen(["/bin/sleep", "1000"]) as sleeper:
        who = process_identity(sleeper.pid)
        assert who is not None
        start = who.start - 1 if differs == "start" else who.start
        boot = "another" if differs == "boot_id" else who.boot_id
        dead = {"pid": 4_000_000, "start": 1, "boot_id": boot, "since": 0}
        Path(f"{path}.lock").write_text(json.dumps({**dead, "keepers": [[who.pid, start]]}))

        RunLock.acquire(path).release()

        assert sleeper.poll() is None
        assert kill(who)
        assert not kill(who._replace(start=0))


def test_a_holder_that_has_not_said_who_it_is_is_waited_for_to_the_end(path: Path) -> None:
    fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)

    with pytest.raises(JournalBusy, match="has not said who it is") as caught:
        RunLock.acquire(path, wait_s=0.3, patience_s=0.1)

    assert caught.value.pid is None
    os.close(fd)


def test_releasing_frees_the_lock_for_a_child_that_still_has_the_descriptor(path: Path) -> None:
    lock = RunLock.acquire(path)
    child = os.fork()
    if child == 0:
        signal.pause()
    lock.release()

    RunLock.acquire(path, wait_s=1).release()

    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_program_that_is_executed_does_not_inherit_the_lock(path: Path) -> None:
    lock = RunLock.acquire(path)
    with subprocess.Popen(["/bin/sleep", "1000"], close_fds=False) as sleeper:
        os.close(lock.fd)
        try:
            # It may hold it for an instant longer than Popen takes: descriptors are closed at the end of an exec.
            RunLock.acquire(path).release()
        finally:
            sleeper.kill()


def test_a_lock_file_that_was_replaced_protects_nothing(path: Path) -> None:
    first = RunLock.acquire(path)
    os.unlink(f"{path}.lock")

    second = RunLock.acquire(path, wait_s=1)

    assert os.fstat(second.fd).st_ino == os.stat(f"{path}.lock").st_ino
    second.release()
    first.release()


def test_twelve_that_want_it_at_once_and_one_gets_it(path: Path) -> None:
    program = """
import sys
from pexen_state.journal.errors import JournalBusy
from pexen_state.journal.lock import RunLock
sys.stdin.readline()
try:
    lock = RunLock.acquire(sys.argv[1], patience_s=0.5)
except JournalBusy as error:
    print("busy", error.pid, flush=True)
else:
    print("held", flush=True)
    sys.stdin.readline()
"""
    many = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(12)
    ]
    for one in many:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = {one.pid: one.stdout.readline().split() for one in many if one.stdout is not None}
    for one in many:
        one.communicate()

    (winner,) = (pid for pid, words in said.items() if words == ["held"])
    assert all(words == ["busy", str(winner)] for pid, words in said.items() if pid != winner)


def test_a_missing_directory_and_a_place_that_cannot_be_written_to_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(JournalMissing, match=r"there is no directory .*/nowhere for the journal journal\.db"):
        RunLock.acquire(tmp_path / "nowhere" / "journal.db")
    with pytest.raises(JournalReadOnly, match="cannot be written to"):
        RunLock.acquire("/proc/journal.db")


def test_what_is_left_of_a_dead_process_is_nobody() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # dead, and not yet buried

    assert process_identity(child) is None
    os.waitpid(child, 0)


def test_descendants_are_found_over_generations() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "sleep 1000 & echo; wait"], stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        below = descendants(shell.pid)

        assert len(below) == 1
        assert isinstance(below[0], ProcessIdentity)
        assert shell.pid in {who.pid for who in descendants(os.getpid())}
        kill(below[0])


# -- the keeper's word

# A runner whose keeper leaves word when it has seen the end of it, and then gives up the lock.
HOLD_WITH_WITNESS = """
import os, select, sys, time
from pexen_state.journal.lock import RunLock
from pexen_state.journal.lock_file import leave_word
lock = RunLock.acquire(sys.argv[1])
runner = os.getpid()
death = os.pidfd_open(runner)
keeper = os.fork()
if keeper == 0:
    select.select([death], [], [])
    leave_word(lock.fd, runner)
    os._exit(0)
lock.record_keeper(keeper)
print(keeper, flush=True)
time.sleep(1000)
"""


def killed_with_a_witness(path: Path) -> ProcessIdentity:
    """Who held the lock, and was killed; its keeper is gone, too."""
    with holder(path, HOLD_WITH_WITNESS) as (process, _):
        who = process_identity(process.pid)
        assert who is not None
        process.kill()
        process.wait()
        RunLock.acquire(path).release()  # not before the keeper has said it
    return who


def test_a_keeper_that_outlives_its_runner_leaves_word_of_it(path: Path) -> None:
    who = killed_with_a_witness(path)

    assert outlived(path) == who
    assert holder_of(path) is None


def test_the_word_stays_when_others_have_had_the_lock_and_died_in_good_order(path: Path) -> None:
    who = killed_with_a_witness(path)

    with RunLock.acquire(path) as lock:
        lock.record_keeper(os.getpid())
        assert outlived(path) == who
    with RunLock.acquire(path):
        pass

    assert outlived(path) == who


def test_the_word_is_about_the_last_runner_that_died(path: Path) -> None:
    killed_with_a_witness(path)
    last = killed_with_a_witness(path)

    assert outlived(path) == last


def test_a_runner_without_a_keeper_dies_without_a_word(path: Path) -> None:
    with holder(path) as (process, _):
        process.kill()
        process.wait()

    assert outlived(path) is None


def test_nobody_leaves_word_of_somebody_else(path: Path) -> None:
    with RunLock.acquire(path) as lock:
        leave_word(lock.fd, os.getpid() + 1)

        assert outlived(path) is None


@pytest.mark.parametrize("said", ["", "{", "[]", '{"died": 5}', '{"died": [1, "x", "b"]}', '{"died": [1, 2]}'])
def test_what_makes_no_sense_in_the_file_is_no_word(said: str, path: Path) -> None:
    Path(f"{path}.lock").write_text(said)

    assert outlived(path) is None
    with RunLock.acquire(path):
        assert outlived(path) is None


def test_where_there_is_no_lock_file_there_is_no_word(path: Path) -> None:
    assert outlived(path) is None
