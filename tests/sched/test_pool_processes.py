"""Process workers that die, hang, leave things behind; what the others and the runner see of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pexen_state.sched.common import PoolError
from pexen_state.sched.executable import Executable
from pexen_state.sched.pool import tree
from tests.sched.pools import (
    Began,
    Cause,
    Dropped,
    Ended,
    Job,
    Limits,
    Verdict,
    alive_with,
    context,
    die_of,
    is_alive,
    jobs,
    opened,
    reports_until_all_ended,
    run,
    said,
    wait_for,
    wait_until_begun,
)


def noop() -> None:
    pass


def segfault() -> None:
    die_of(signal.SIGSEGV)


def leave_early() -> None:
    os._exit(3)


def sleep_for_ever() -> None:
    while True:
        time.sleep(1000)


def stop_itself() -> None:
    die_of(signal.SIGSTOP)
    sleep_for_ever()


def ignore_term() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep_for_ever()


def clean_up_on_term(shared) -> str:
    def leave(_number, _frame):
        raise InterruptedError("asked to end")

    signal.signal(signal.SIGTERM, leave)
    try:
        sleep_for_ever()
    except InterruptedError:
        shared["cleaned up"] = True
        return "left in order"


def detach_a_sleeper() -> int:
    """Double fork and setsid, as a daemon does."""
    return int(subprocess.check_output(["sh", "-c", "setsid sh -c 'sleep 1000 >/dev/null & echo $!' & wait"]))


def fork_a_tree() -> None:
    for _ in range(3):
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if os.fork() == 0:
                os.setsid()
            sleep_for_ever()
    sleep_for_ever()


def test_a_worker_that_dies_is_one_lost_attempt_and_its_neighbours_do_not_notice():
    bodies = [noop, segfault, noop, noop, leave_early, noop, noop]
    with opened(bodies, workers=2) as pool:
        ends = run(pool, jobs(*bodies))

    assert said(ends[2]) == (Cause.WORKER_DIED, None, "killed by SIGSEGV")
    assert said(ends[5]) == (Cause.WORKER_DIED, None, "exited with status 3")
    assert ends[2].surely_dead
    assert ends[2].outcome.signal == signal.SIGSEGV
    assert ends[5].outcome.exit_code == 3
    assert {ends[number].ending.cause for number in (1, 3, 4, 6, 7)} == {Cause.RETURNED}


def test_what_is_queued_behind_a_worker_that_dies_runs_all_the_same():
    with opened([noop, segfault]) as pool:
        run(pool, jobs(*[noop] * 50))  # short ones: from now on they travel in chunks
        ends = run(pool, [Job(100 + n, 1, segfault if n % 7 == 3 else noop, {}) for n in range(200)])

    for task, report in ends.items():
        assert report.ending.cause is Cause.RETURNED if task % 7 != 5 else report.cause is Cause.WORKER_DIED


def test_what_a_worker_took_and_never_began_is_found_and_run_by_another():
    with opened([sleep_for_ever, noop], workers=2) as pool:
        pool.hand_over([Job(1, 1, sleep_for_ever, {})])
        busy = wait_until_begun(pool, 1)[1]
        idle = next(hired for hired in pool._staff.hired.values() if hired.pid != busy.pid)
        os.kill(idle.pid, signal.SIGSTOP)
        pool.hand_over([Job(2, 1, noop, {}), Job(3, 1, noop, {})])
        taken = pool._staff._untaken.receive()  # as a worker does
        assert taken
        os.kill(idle.pid, signal.SIGKILL)  # before it could say so

        ends = {report.task: report for report in reports_until_all_ended(pool, 2) if isinstance(report, Ended)}

    assert ends.keys() == {2, 3}


def test_a_task_over_its_time_limit_is_ended_with_all_that_it_started():
    with opened([fork_a_tree, noop]) as pool:
        pool.hand_over([Job(1, 1, fork_a_tree, {}, Limits(timeout=1, grace=0.1)), Job(2, 1, noop, {})])
        worker = wait_until_begun(pool, 1)[1].pid
        wait_for(lambda: len(tree.descendants(worker)) == 6, "the tree has grown")
        grown = tree.descendants(worker)
        ends = {report.task: report for report in reports_until_all_ended(pool, 2)}

        assert [process for process in grown if is_alive(process.pid)] == []
    assert said(ends[1]) == (Cause.TIMED_OUT, Verdict.TIMEOUT, "over its time limit of 1 s")
    assert said(ends[2]) == (Cause.RETURNED, Verdict.PASS, None)


@pytest.mark.parametrize("body", [stop_itself, ignore_term, sleep_for_ever])
def test_a_task_that_does_not_want_to_end_is_ended(body):
    with opened([body, noop]) as pool:
        ends = run(pool, [Job(1, 1, body, {}, Limits(timeout=0.2, grace=0.1)), Job(2, 1, noop, {})])

    assert said(ends[1])[0] is Cause.TIMED_OUT
    assert said(ends[2])[0] is Cause.RETURNED


def test_a_task_may_clean_up_when_its_time_is_over():
    with opened([clean_up_on_term]) as pool:
        ends = run(pool, [Job(1, 1, clean_up_on_term, {}, Limits(timeout=0.2, grace=60))])

    assert said(ends[1])[0] is Cause.TIMED_OUT
    assert ends[1].outcome.shared == {"cleaned up": True}


def test_a_silent_task_is_over_its_idle_limit_and_a_talking_one_is_not(tmp_path):
    def talk():
        for _ in range(20):
            print("still here", flush=True)
            time.sleep(0.05)

    def fall_silent():
        print("hello", flush=True)
        sleep_for_ever()

    limits = Limits(idle_timeout=0.4, grace=0.1)
    with opened([talk, fall_silent], workers=2) as pool:
        ends = run(
            pool,
            [
                Job(1, 1, talk, {}, limits, output=str(tmp_path / "talk.log")),
                Job(2, 1, fall_silent, {}, limits, output=str(tmp_path / "silent.log")),
            ],
        )

    assert said(ends[1])[0] is Cause.RETURNED
    assert said(ends[2]) == (Cause.IDLE, Verdict.TIMEOUT, "wrote nothing for 0.4 s, its limit for that")
    assert (tmp_path / "silent.log").read_text() == "hello\n"


def test_what_a_task_leaves_behind_is_killed_and_named():
    with opened([detach_a_sleeper]) as pool:
        ends = run(pool, jobs(detach_a_sleeper))

    cause, verdict, reason = said(ends[1])
    sleeper = ends[1].outcome.ret
    assert (cause, verdict) == (Cause.RETURNED, Verdict.WARN)
    assert reason == f"left running, and killed: sleep (pid {sleeper})"
    assert not is_alive(sleeper)


def test_what_a_dead_workers_task_had_detached_dies_with_it(tmp_path):
    pids = tmp_path / "pids"

    def detach_and_die():
        pids.write_text(str(detach_a_sleeper()))
        die_of(signal.SIGKILL)

    with opened([detach_and_die]) as pool:
        ends = run(pool, jobs(detach_and_die))

        assert said(ends[1]) == (Cause.WORKER_DIED, None, "killed by SIGKILL")
        assert not is_alive(int(pids.read_text()))


@pytest.mark.parametrize("cause", [Cause.STOPPED, Cause.CANCELLED])
def test_an_attempt_can_be_killed_and_the_next_one_runs(cause):
    with opened([ignore_term, noop]) as pool:
        pool.hand_over([Job(1, 1, ignore_term, {}), Job(2, 1, noop, {})])
        wait_until_begun(pool, 1)
        pool.kill(1, 1, cause, grace=0.1)
        ends = {report.task: report for report in reports_until_all_ended(pool, 2)}

    assert isinstance(ends[1], Dropped)
    assert (ends[1].cause, ends[1].surely_dead) == (cause, True)
    assert said(ends[2])[0] is Cause.RETURNED


def test_an_attempt_that_never_began_can_be_killed():
    with opened([sleep_for_ever, noop]) as pool:
        pool.hand_over([Job(1, 1, sleep_for_ever, {}), Job(2, 1, noop, {}), Job(3, 1, noop, {})])
        wait_until_begun(pool, 1)
        pool.kill(2, 1, Cause.CANCELLED, grace=0)
        assert pool.wait() == [Dropped(2, 1, Cause.CANCELLED)]
        pool.kill(1, 1, Cause.STOPPED, grace=0)
        ends = {report.task: report for report in reports_until_all_ended(pool, 2)}

    assert ends[1].cause is Cause.STOPPED
    assert said(ends[3])[0] is Cause.RETURNED


def test_what_no_worker_began_can_be_taken_back():
    with opened([sleep_for_ever, noop], workers=2) as pool:
        pool.hand_over([Job(n, 1, sleep_for_ever if n < 3 else noop, {}) for n in range(1, 10)])
        wait_until_begun(pool, 1, 2)
        pool.withdraw()
        taken_back = reports_until_all_ended(pool, 7)

        assert [(report.task, report.cause) for report in taken_back] == [(n, Cause.WITHDRAWN) for n in range(3, 10)]
        pool.hand_over([Job(3, 2, noop, {})])
        pool.kill(1, 1, Cause.STOPPED, grace=0)
        again = {report.task: report for report in reports_until_all_ended(pool, 2)}
        assert said(again[3])[0] is Cause.RETURNED  # what is handed over afterwards is not meant


def test_an_attempt_that_takes_a_while_is_reported_to_have_begun():
    with opened([sleep_for_ever]) as pool:
        pool.hand_over(jobs(sleep_for_ever))
        began = wait_until_begun(pool, 1)[1]

        assert isinstance(began, Began)
        assert began.pid == pool._staff.hired[began.worker].pid
        assert abs(began.at_us / 1e6 - time.time()) < 3600


def test_large_tasks_and_large_results_pass_each_other():
    size = 64 * 1024 * 1024

    def double(shared):
        return shared["in"] * 2

    with opened([double], workers=2) as pool:
        ends = run(pool, [Job(n, 1, double, {"in": bytes([n]) * (size // 2)}) for n in range(1, 4)])

    for n in range(1, 4):
        assert len(ends[n].outcome.ret) == size
        assert ends[n].outcome.ret[:1] == bytes([n])


def test_many_tasks_fit_in_flight_at_once():
    with opened([noop], workers=2) as pool:
        ends = run(pool, jobs(*[noop] * 4096))
        assert len(ends) == 4096
        with pytest.raises(PoolError, match="no more than 4096 tasks at once"):
            pool.hand_over(jobs(*[noop] * 4097))


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

    killed = tree.kill_strays(cookie, slots)

    assert any("sleep" in words for words in killed)
    assert any("python" in words for words in killed)  # a worker, which has no cookie itself
    assert tree.strays([cookie], slots) == []


def test_no_prefix_is_refused_because_it_would_be_everybodys():
    with pytest.raises(ValueError, match="everybody"):
        tree.kill_strays("")


def test_an_importable_task_that_is_added_later_is_imported_by_the_worker():
    with opened([noop]) as pool:
        before = pool.keeper_pid
        ends = run(pool, jobs(os.getcwd))

        assert ends[1].outcome.ret == str(Path.cwd())
        assert pool.keeper_pid == before


def test_shared_that_cannot_be_pickled_fails_its_task_only():
    with opened([noop]) as pool:
        ends = run(pool, [Job(1, 1, noop, {"lock": lambda: None}), Job(2, 1, noop, {})])

    assert said(ends[1])[:2] == (Cause.RAISED, Verdict.ERROR)
    assert "Can't pickle shared" in said(ends[1])[2]
    assert said(ends[2])[0] is Cause.RETURNED


def test_a_task_may_use_multiprocessing():
    def squares():
        with multiprocessing.get_context("fork").Pool(2) as pool:
            return pool.map(abs, [-1, -2, 3])

    with opened([squares]) as pool:
        ends = run(pool, jobs(squares))

    assert ends[1].outcome.ret == [1, 2, 3]


def test_a_broken_start_of_an_executable_is_that_tasks_error(tmp_path):
    missing = Executable([str(tmp_path / "missing")])
    with opened([missing, noop]) as pool:
        ends = run(pool, jobs(missing, noop))

    assert said(ends[1])[:2] == (Cause.EXITED, Verdict.ERROR)
    assert "No such file" in said(ends[1])[2]
    assert said(ends[2])[0] is Cause.RETURNED


def test_the_keeper_holds_no_descriptor_of_its_parent(tmp_path):
    with open(tmp_path / "journal.db", "w") as journal, open(tmp_path / "lock", "w") as lock:
        os.set_inheritable(journal.fileno(), True)
        with opened([sleep_for_ever], keep_fds=[lock.fileno()]) as pool:
            pool.hand_over(jobs(sleep_for_ever))
            worker = wait_until_begun(pool, 1)[1].pid

            assert (journal.name in _open_files(pool.keeper_pid), lock.name in _open_files(pool.keeper_pid)) == (
                False,
                True,
            )
            assert not {journal.name, lock.name} & _open_files(worker)


def _open_files(pid: int) -> set[str]:
    return {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}


@pytest.fixture
def immune(tmp_path, monkeypatch) -> Path:
    """While this file is there, no signal reaches a `sleep`: as in state D, which a test cannot make."""
    file = tmp_path / "immune"
    file.touch()
    send = tree.send

    def send_in_vain(pid: int, number: int) -> bool:
        process = tree.look_at(pid)
        return (process is not None and process.name == "sleep" and file.exists()) or send(pid, number)

    monkeypatch.setattr(tree, "send", send_in_vain)  # before the keeper is forked, which then has it too
    return file


def test_a_process_that_no_signal_ends_is_given_up_and_named(immune):
    stuck, quick = Executable(["sleep", "1000"]), Executable(["true"])
    with opened([stuck, quick]) as pool:
        ends = run(pool, [Job(1, 1, stuck, {}, Limits(timeout=0.1, grace=0.1)), Job(2, 1, quick, {})])
        cause, verdict, reason = said(ends[1])
        immune.unlink()

    assert (cause, verdict) == (Cause.TIMED_OUT, Verdict.TIMEOUT)
    assert reason.startswith("over its time limit of 0.1 s; could not be killed: sleep (pid ")
    assert said(ends[2])[0] is Cause.RETURNED


def test_a_process_that_could_not_be_killed_is_not_surely_dead(immune):
    stuck = Executable(["sleep", "1000"])
    with opened([stuck]) as pool:
        pool.hand_over(jobs(stuck))
        wait_until_begun(pool, 1)
        pool.kill(1, 1, Cause.CANCELLED, grace=0)
        report = reports_until_all_ended(pool, 1)[-1]
        immune.unlink()

    assert (report.cause, report.surely_dead) == (Cause.CANCELLED, False)
    assert "could not be killed: sleep (pid " in report.reason
