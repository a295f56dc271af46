"""What a task knows of itself, and may say: the same from a worker's process, a thread, and an executable."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
import time
from pathlib import Path

import pytest

import pexen_state
from pexen_state import NotInATask, Reboot, Refused, Sched, current, task
from pexen_state.journal.event_kinds import EventKind
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.crash.box_suite import new_boot
from tests.journal.telling import sql

POOLS = pytest.mark.parametrize("kind", [ProcessWorkerPool, ThreadWorkerPool], ids=["process", "thread"])
JOURNALS = pytest.mark.parametrize("journaled", [True, False], ids=["journal", "memory"])


def run(kind, *tasks, journal=None, **more):
    return {result.key: result for result in Sched(tasks, journal=journal, **more).run(kind(workers=2))}


@POOLS
@JOURNALS
def test_a_task_knows_who_it_is(kind, journaled, tmp_path: Path):
    @task(name="net/dhcp", retries=1)
    def dhcp(shared):
        me = current()
        if me.attempt == 1:
            raise ValueError("again")
        return [me.key, me.attempt, me.reboots, me.mark, me.params, repr(me)]

    found = run(kind, dhcp, journal=tmp_path / "journal.db" if journaled else None, params={"disk": "nvme", "n": 3})

    assert found["net/dhcp"].ret == ["net/dhcp", 2, 0, "", {"disk": "nvme", "n": 3}, "<attempt 2 of net/dhcp>"]


@POOLS
@JOURNALS
def test_what_is_kept_is_there_for_the_next_attempt(kind, journaled, tmp_path: Path):
    @task(name="keeps", retries=2)
    def keeps(shared):
        before = current().checkpoint("phases")
        now = (*(before or ()), current().attempt)
        assert current().checkpoint("phases", now) == now
        if current().attempt < 3:
            raise ValueError
        return now

    found = run(kind, keeps, journal=tmp_path / "journal.db" if journaled else None)

    assert found["keeps"].ret == (1, 2, 3)


@POOLS
def test_directories_are_there_when_they_are_asked_for(kind, tmp_path: Path):
    @task(name="writes", retries=1)
    def writes(shared):
        me = current()
        kept = me.data / "kept"
        kept.write_text((kept.read_text() if kept.exists() else "") + "x")
        (me.artifacts / "log").write_text(str(me.attempt))
        assert me.attempt == 2
        return [str(me.data), str(me.artifacts), kept.read_text()]

    journal = tmp_path / "journal.db"
    data, artifacts, kept = run(kind, writes, journal=journal)["writes"].ret

    assert kept == "xx"
    assert Path(data).stat().st_mode & 0o777 == 0o700
    assert Path(artifacts, "log").read_text() == "2"
    assert Path(artifacts).parts[-2:] == ("2", "artifacts")


@POOLS
def test_without_a_journal_there_are_no_directories(kind):
    @task(name="asks")
    def asks(shared):
        return [current().data, current().artifacts]

    assert run(kind, asks)["asks"].ret == [None, None]


@POOLS
def test_whoever_runs_in_the_context_of_a_task_is_that_task(kind):
    @task(name="many")
    def many(shared):
        seen = []

        def look():
            seen.append(current().key)

        async def look_later():
            look()

        asyncio.run(look_later())
        thread = threading.Thread(target=contextvars.copy_context().run, args=(look,))
        thread.start()
        thread.join()
        return seen

    assert run(kind, many)["many"].ret == ["many", "many"]


def test_in_a_process_every_thread_and_every_child_is_the_task(tmp_path: Path):
    @task(name="forks")
    def forks(shared):
        seen = []
        thread = threading.Thread(target=lambda: seen.append(current().checkpoint("from", "thread")))
        thread.start()
        thread.join()
        child = os.fork()
        if not child:
            status = 1
            try:
                status = 0 if current().checkpoint("from") == "thread" else 2
            finally:
                os._exit(status)
        return [*seen, os.waitpid(child, 0)[1]]

    assert run(ProcessWorkerPool, forks, journal=tmp_path / "journal.db")["forks"].ret == ["thread", 0]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # it is, and forks
def test_in_a_thread_a_child_that_asks_is_told_that_it_cannot(tmp_path: Path):
    @task(name="forks")
    def forks(shared):
        me = current()
        child = os.fork()
        if not child:
            try:
                me.checkpoint("from")
            except Refused as error:
                os._exit(0 if "forked" in str(error) else 1)
            finally:
                os._exit(2)
        return os.waitpid(child, 0)[1]

    assert run(ThreadWorkerPool, forks, journal=tmp_path / "journal.db")["forks"].ret == 0


def test_a_thread_that_is_nobodys_is_told_how_to_be_somebodys():
    @task(name="helper")
    def helper(shared):
        seen = []

        def look():
            try:
                current()
            except NotInATask as error:
                seen.append(str(error))

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return seen

    (told,) = run(ThreadWorkerPool, helper)["helper"].ret
    assert "is to be given what current() returned" in told


def test_outside_of_a_task_nobody_is_one():
    with pytest.raises(NotInATask, match="for tasks while they run"):
        current()
    with pytest.raises(NotInATask):
        pexen_state.deadline("5m")


@POOLS
def test_what_cannot_be_kept_is_refused_and_named(kind, tmp_path: Path):
    @task(name="refused")
    def refused(shared):
        with pytest.raises(Refused, match="phase"):
            current().checkpoint("phase", object())
        with pytest.raises(TypeError, match="string"):
            current().checkpoint(3, "x")
        with pytest.raises(ValueError, match="deadline"):
            current().deadline("soon")
        return current().checkpoint("phase")

    found = run(kind, refused, journal=tmp_path / "journal.db")["refused"]
    assert (found.verdict, found.ret) == ("pass", None)


@POOLS
@pytest.mark.parametrize("key", ["two\nlines", "nul\0", "\udcff", "", "x" * 5000])
def test_any_string_is_a_key(kind, key, tmp_path: Path):
    @task(name="keeps")
    def keeps(shared):
        current().checkpoint(key, [1.5, {"a": None}])
        return current().checkpoint(key)

    assert run(kind, keeps, journal=tmp_path / "journal.db")["keeps"].ret == [1.5, {"a": None}]


@POOLS
@JOURNALS
def test_more_time_is_had_for_the_asking(kind, journaled, tmp_path: Path):
    @task(name="slow", timeout=0.3)
    def slow(shared):
        until = current().deadline("+10m")
        assert until > time.time() + 500
        time.sleep(0.6)  # past the limit that it had
        return "in time"

    @task(name="unlimited", timeout=None)
    def unlimited(shared):
        return [current().deadline("+1m"), current().heartbeat()]

    found = run(kind, slow, unlimited, journal=tmp_path / "journal.db" if journaled else None)

    assert found["slow"].ret == "in time"
    assert found["unlimited"].ret == [None, None]
    if journaled:  # of the one whose limit has moved
        assert sql(
            tmp_path / "journal.db", f"SELECT count(*) FROM run_event WHERE kind = {int(EventKind.EXTENDED)}"
        ) == [(1,)]


@POOLS
def test_less_time_is_had_for_the_asking_too(kind):
    let_go = threading.Event()

    @task(name="hangs", timeout="1h")
    def hangs(shared):
        pexen_state.deadline(0.2)
        let_go.wait(20)

    assert run(kind, hangs)["hangs"].verdict == "timeout"
    let_go.set()


def test_a_thread_that_was_given_up_asks_in_vain(tmp_path: Path):
    told = threading.Event()
    said = []
    go_on = threading.Event()

    @task(name="late", timeout=0.1)
    def late(shared):
        me = current()
        go_on.wait(20)
        try:
            me.checkpoint("x", 1)
        except Refused as error:
            said.append(str(error))
        told.set()

    assert run(ThreadWorkerPool, late, journal=tmp_path / "journal.db")["late"].verdict == "timeout"
    go_on.set()
    assert told.wait(20)
    assert "not running" in said[0]


@POOLS
def test_after_a_reboot_the_task_knows_what_it_wanted_to_be_told(kind, tmp_path: Path):
    @task(name="installs")
    def installs(shared):
        me = current()
        if me.reboots < 2:
            me.checkpoint("seen", [*(me.checkpoint("seen") or []), me.mark])
            raise Reboot(mark=f"phase {me.reboots + 1}")
        return [me.reboots, me.mark, me.checkpoint("seen")]

    journal = tmp_path / "journal.db"
    for _ in range(2):
        assert run(kind, installs, journal=journal) == {}
        new_boot(tmp_path)

    assert run(kind, installs, journal=journal)["installs"].ret == [2, "phase 2", ["", "phase 1"]]


@POOLS
def test_an_executable_that_is_python_is_no_other(kind, tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text(
        f"import sys; sys.path.insert(0, {os.path.dirname(os.path.dirname(pexen_state.__file__))!r})\n"
        "from pexen_state import current\n"
        "me = current()\n"
        "me.checkpoint('k', (1, 2)); me.deadline('5m'); me.heartbeat()\n"
        "print(me.key, me.attempt, me.params, me.checkpoint('k'), me.data.is_dir(), me.artifacts.is_dir())\n"
    )
    executable = Executable([sys.executable, str(program)])
    assign_val(executable, name="program")

    found = run(kind, executable, journal=tmp_path / "journal.db", params={"arch": "riscv"})["program"]

    assert found.verdict == "pass", Path(found.output).read_text()
    assert Path(found.output).read_text() == "program 1 {'arch': 'riscv'} (1, 2) True True\n"


def test_an_executable_has_the_parameters_and_the_names_of_other_tools(tmp_path: Path):
    executable = Executable(["/bin/sh", "-c", "env"])
    assign_val(executable, name="prints")
    params = {"disk.kind": "nvme", "fast": True, "n": 3}

    found = run(ProcessWorkerPool, executable, journal=tmp_path / "journal.db", params=params)["prints"]
    said = dict(line.split("=", 1) for line in Path(found.output).read_text().splitlines())

    assert {name: said[name] for name in said if name.startswith("PEXEN_PARAM_")} == {
        "PEXEN_PARAM_DISK_KIND": "nvme",
        "PEXEN_PARAM_FAST": "true",
        "PEXEN_PARAM_N": "3",
    }
    assert {said[name] for name in ("TMT_REBOOT_COUNT", "REBOOTCOUNT", "RSTRNT_REBOOTCOUNT")} == {"0"}
    assert said["TMT_TEST_RESTART_COUNT"] == "0"
    assert said["TMT_TEST_DATA"] == said["PEXEN_DATA"]
    assert said["AUTOPKGTEST_ARTIFACTS"] == said["PEXEN_ARTIFACTS"]
    assert "AUTOPKGTEST_REBOOT_MARK" not in said
    assert sql(tmp_path / "journal.db", "SELECT params FROM runs") == [('{"disk.kind": "nvme", "fast": true, "n": 3}',)]


def test_parameters_of_an_outer_run_are_not_a_tasks_own(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PEXEN_PARAM_DISK", "outer")
    monkeypatch.setenv("TMT_REBOOT_COUNT", "7")
    executable = Executable(["/bin/sh", "-c", "env"])
    assign_val(executable, name="prints")

    found = run(ProcessWorkerPool, executable, journal=tmp_path / "journal.db")["prints"]

    assert "PEXEN_PARAM_DISK" not in Path(found.output).read_text()
    assert "\nTMT_REBOOT_COUNT=0\n" in "\n" + Path(found.output).read_text()


@pytest.mark.parametrize("params", [{"a b": 1}, {"": 1}, {1: 2}, {"a": None}, {"a": [1]}, {"a": float("nan")}])
def test_parameters_are_simple(params):
    with pytest.raises(SchedulerError, match="parameter"):
        Sched([], params=params)


def test_an_attempt_may_ask_as_soon_as_it_begins(tmp_path: Path, monkeypatch):
    from pexen_state.sched.pool.todo import Todo

    put, asked = Todo.put, threading.Event()

    def put_and_wait(self, jobs):
        put(self, jobs)
        assert asked.wait(20)  # the thread has asked before whoever handed it over has done anything else

    @task(name="quick")
    def quick(shared):
        try:
            return current().heartbeat()
        finally:
            asked.set()

    monkeypatch.setattr(Todo, "put", put_and_wait)

    assert run(ThreadWorkerPool, quick)["quick"].verdict == "pass"
