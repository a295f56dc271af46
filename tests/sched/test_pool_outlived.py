"""What is left when the pool is closed, and when its runner is killed: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pexen_state.sched.pool import strays, tree
from tests.sched.bodies import (
    fork_a_tree,
    noop,
)
from tests.sched.pools import (
    Job,
    alive_with,
    context,
    is_alive,
    opened,
    wait_for,
    wait_until_begun,
)


def test_a_closed_pool_leaves_no_process(tmp_path):
    cookie = f"close-{os.getpid()}"
    keepers = []
    with opened([fork_a_tree, noop], workers=2) as pool:
        keepers.append(pool.keeper_pid)
        pool.hand_over([Job(n, 1, fork_a_tree, {}, context=context(tmp_path, cookie)) for n in (1, 2, 3)])
        wait_until_begun(pool, 1, 2)
        children = tree.descendants(pool.keeper_pid)
        assert len(children) >= 2

    assert [process for process in children if is_alive(process.pid)] == []
    assert not is_alive(keepers[0])


RUNNER = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from pexen_state.sched.pool.process import ProcessWorkerPool
from pexen_state.sched.pool.base import Context, Job
from pexen_state.sched.executable import Executable

def spawn():
    import subprocess
    subprocess.Popen(["setsid", "sleep", "1000"]).wait()

detached = Executable(["sh", "-c", "trap '' TERM; setsid sleep 1000 & setsid sh -c 'sleep 1000' & wait"])
if __name__ == "__main__":
    pool = ProcessWorkerPool(2)
    pool.register([spawn, detached])
    lock = os.open(sys.argv[3], os.O_RDWR | os.O_CREAT)
    import fcntl
    fcntl.flock(lock, fcntl.LOCK_EX)
    pool.open(False, keep_fds=[lock])
    context = Context("1", "key", sys.argv[2], 1, None, None)
    pool.hand_over([Job(1, 1, spawn, {}, context=context), Job(2, 1, detached, {}, context=context)])
    while True:
        for report in pool.wait():
            print(report, flush=True)
"""


def test_nothing_outlives_a_killed_runner_and_its_lock_is_free_when_all_is_dead(tmp_path):
    cookie = f"runner-{os.getpid()}"
    program = tmp_path / "runner.py"
    program.write_text(RUNNER)
    root = Path(__file__).parents[2]
    command = [sys.executable, str(program), str(root), cookie, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as runner:
        for _ in range(2):
            assert b"Began" in runner.stdout.readline()
        wait_for(lambda: len(alive_with(cookie)) >= 4, "both tasks have their children")
        runner.kill()

    # The lock is held until the keeper has ended, and that ends last.
    subprocess.run(["flock", str(tmp_path / "lock"), "true"], check=True, timeout=30)
    assert alive_with(cookie) == []


def test_strays_of_a_dead_session_are_found_by_their_cookie_and_by_the_slot_file(tmp_path):
    cookie = f"stray-{os.getpid()}"
    slots = str(tmp_path / "journal.db.slots")
    program = tmp_path / "runner.py"
    program.write_text(RUNNER.replace("keep_fds=[lock]", f"slots={slots!r}"))
    root = Path(__file__).parents[2]
    command = [sys.executable, str(program), str(root), cookie, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as runner:
        for _ in range(2):
            assert b"Began" in runner.stdout.readline()
        wait_for(lambda: len(alive_with(cookie)) >= 4, "both tasks have their children")
        keeper = tree.descendants(runner.pid)[0]
        os.kill(keeper.pid, signal.SIGSTOP)  # so that it cannot do its work
        runner.kill()
        os.kill(keeper.pid, signal.SIGKILL)

    killed = strays.kill_strays(cookie, slots)

    assert any("sleep" in words for words in killed)
    assert any("python" in words for words in killed)  # a worker, which has no cookie itself
    assert strays.strays([cookie], slots) == []


def test_no_prefix_is_refused_because_it_would_be_everybodys():
    with pytest.raises(ValueError, match="everybody"):
        strays.kill_strays("")


def test_a_killed_runner_leaves_no_socket_behind(tmp_path):
    program = tmp_path / "runner.py"
    program.write_text(RUNNER)
    command = [
        sys.executable,
        str(program),
        str(Path(__file__).parents[2]),
        f"socket-{os.getpid()}",
        str(tmp_path / "lock"),
    ]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as runner:
        for _ in range(2):
            assert b"Began" in runner.stdout.readline()
        assert list(tmp_path.glob("pexen-*/socket"))
        runner.kill()

    subprocess.run(["flock", str(tmp_path / "lock"), "true"], check=True, timeout=30)
    assert list(tmp_path.glob("pexen-*")) == []
