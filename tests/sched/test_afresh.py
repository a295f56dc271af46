"""What a python task changes of its worker's process is as before when the next attempt runs there."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from pexen_state.sched.executable import Executable
from tests.sched.pools import Cause, Job, Verdict, context, jobs, opened, run, said


def told(leave, look) -> object:
    """What `look` returns in a worker, when `leave` has run there before, in peace."""
    with opened([leave, look]) as pool:
        ends = run(pool, jobs(leave, look))

    assert said(ends[1]) == (Cause.RETURNED, Verdict.PASS, None)
    assert ends[1].outcome.pid == ends[2].outcome.pid, "they did not run in the same worker"
    return ends[2].outcome.ret


def umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


def test_an_executable_finds_directory_umask_and_environment_as_if_it_were_the_first(tmp_path):
    gone, log = tmp_path / "gone", tmp_path / "log"
    gone.mkdir()

    def leave():
        os.chdir(gone)
        gone.rmdir()
        os.umask(0)
        os.environ["LEFT_BY"] = "leave"
        os.environ.pop("HOME", None)

    look = Executable(["sh", "-c", 'pwd; umask; echo "$HOME"; echo "${LEFT_BY-nobody}"'])
    with opened([leave, look]) as pool:
        ends = run(pool, [Job(1, 1, leave, {}), Job(2, 1, look, {}, output=str(log))])

    assert said(ends[2])[1] is Verdict.PASS
    assert log.read_text().splitlines() == [os.getcwd(), f"{umask():04o}", os.environ.get("HOME", ""), "nobody"]


def test_a_python_task_finds_them_so_too(tmp_path):
    def leave():
        os.chdir(tmp_path)
        os.umask(0o777)
        os.environ["LEFT_BY"] = "leave"

    assert told(leave, lambda: (os.getcwd(), umask(), "LEFT_BY" in os.environ)) == (os.getcwd(), umask(), False)


def test_an_environment_that_was_replaced_is_back():
    def leave():
        os.environ = {"only": "this"}  # noqa: B003

    def look():
        return "only" in os.environ, subprocess.check_output(["sh", "-c", "echo $PATH"], text=True).strip()

    assert told(leave, look) == (False, os.environ["PATH"])


def test_a_task_knows_whose_it_is_and_not_whose_the_last_one_was(tmp_path):
    def look():
        return os.environ["PEXEN_TASK"], "LEFT_BY" in os.environ

    def leave():
        os.environ["PEXEN_TASK"] = "nobody"
        os.environ["LEFT_BY"] = "leave"

    with opened([leave, look]) as pool:
        ends = run(
            pool,
            [
                Job(1, 1, leave, {}, context=context(tmp_path, "a", key="first")),
                Job(2, 1, look, {}, context=context(tmp_path, "b", key="second")),
                Job(3, 1, look, {}, context=context(tmp_path, "c", key="third")),
            ],
        )

    assert [ends[number].outcome.ret for number in (2, 3)] == [("second", False), ("third", False)]


def test_signals_mean_what_they_meant():
    def leave():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGUSR1, lambda *_: None)

    def look():
        return [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)] == [signal.SIG_DFL] * 2 and (
            signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )

    assert told(leave, look) is True


def test_signals_that_were_blocked_come_through_and_what_came_meanwhile_was_not_meant_for_the_next():
    def leave():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
        os.kill(os.getpid(), signal.SIGUSR1)

    assert told(leave, lambda: len(signal.pthread_sigmask(signal.SIG_BLOCK, ()))) == 0


@pytest.mark.parametrize("timer", [signal.ITIMER_REAL, signal.ITIMER_PROF])
def test_an_alarm_that_was_set_and_forgotten_does_not_ring_in_the_next_attempt(timer):
    def leave():
        signal.signal(signal.SIGPROF, lambda *_: None)
        signal.setitimer(timer, 1000)

    assert told(leave, lambda: signal.getitimer(timer)) == (0.0, 0.0)


def test_limits_are_what_they_were():
    before = resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE)

    def leave():
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, before[0][1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, before[1][1]))

    def look():
        return resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE)

    assert told(leave, look) == before


def test_limits_are_looked_at_also_if_a_task_was_the_first_to_import_what_changes_them(monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.delitem(sys.modules, "resource")

    def leave():
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (50, before[1]))

    def look():
        import resource

        return resource.getrlimit(resource.RLIMIT_NOFILE)

    assert told(leave, look) == before


def test_the_command_line_alone_does_not_have_workers_look_at_limits_after_each_attempt():
    program = "import sys, pexen_state.cli.running.session, pexen_state.sched.planner; print('resource' in sys.modules)"

    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"


def test_a_worker_that_cannot_be_put_back_is_replaced():
    def leave():
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            if os.path.isdir(f"/proc/self/fd/{descriptor}"):
                os.close(descriptor)  # by which it would find back to its directory

    with opened([leave, os.getcwd]) as pool:
        ends = run(pool, jobs(leave, os.getcwd))

    assert said(ends[1]) == (Cause.RETURNED, Verdict.PASS, None)
    assert ends[1].outcome.pid != ends[2].outcome.pid
    assert ends[2].outcome.ret == os.getcwd()


def test_the_path_of_modules_and_the_standard_streams_are_as_before():
    def leave():
        sys.path.insert(0, "/left")
        sys.path = [*sys.path, "/another"]
        sys.stdout = sys.stderr = None

    def look():
        return [entry for entry in sys.path if entry in ("/left", "/another")], None in (sys.stdout, sys.stderr)

    assert told(leave, look) == ([], False)


def test_what_importing_a_tasks_module_added_to_the_path_of_modules_stays(tmp_path, monkeypatch):
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "late_helper.py").write_text("word = 'found'\n")
    (tmp_path / "tasks_with_path.py").write_text(
        f"import sys\nsys.path.insert(0, {str(tmp_path / 'helpers')!r})\n"
        "def early(): pass\n"
        "def late():\n    import late_helper\n    return late_helper.word\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with opened([]) as pool:  # forked before the module is imported here: its worker does that itself
        import tasks_with_path

        early, late = tasks_with_path.early, tasks_with_path.late
        ends = run(pool, [Job(1, 1, early, {}), Job(2, 1, late, {})])
    del sys.modules["tasks_with_path"]

    assert said(ends[2]) == (Cause.RETURNED, Verdict.PASS, None)
    assert ends[2].outcome.ret == "found"


def test_a_thread_that_was_left_running_goes_on_which_is_documented():
    def leave():
        import threading

        threading.Thread(target=time.sleep, args=(1000,), daemon=True, name="left").start()

    def look():
        import threading

        return [thread.name for thread in threading.enumerate() if thread.name == "left"]

    assert told(leave, look) == ["left"]
