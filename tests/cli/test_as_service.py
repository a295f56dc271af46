"""The command as a service: what it says to whoever manages it, and what keeps it from going on by itself."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pexen_state.cli.running.unattended import is_held
from tests.cli.box import COMMAND, Box
from tests.cli.killing import kill_in_the_middle
from tests.cli.test_box_went_down import new_boot
from tests.datagrams import Listener, listening

#: As systemd starts it: the process that it names is the command.
AS_SERVICE = ("sh", "-c", 'SYSTEMD_EXEC_PID=$$ WATCHDOG_PID=$$ exec "$@"', "sh")
RESUME = ("resume", "--all", "--unattended")


@pytest.fixture
def manager(box: Box) -> Iterator[Listener]:
    with listening(box.directory / "notify") as found:
        box.environment |= {"NOTIFY_SOCKET": found.address, "WATCHDOG_USEC": "600000000"}
        yield found


def test_a_run_says_that_it_is_ready_and_where_it_stands_and_its_tasks_find_nothing(box: Box, manager: Listener):
    box.script("suite/a", "env")
    box.script("suite/b", "exit 1")

    done = box.pexen("run", "suite", prefix=AS_SERVICE)
    heard = manager.heard()

    assert done.code == 1
    assert heard[0] == "READY=1"
    assert "WATCHDOG_USEC=600000000\nWATCHDOG=1" in heard  # it began, and what took long is over
    assert any(said.startswith("STATUS=run 1, suite ") for said in heard)
    printed = box.pexen("logs", "suite/a").out
    assert "PEXEN_TASK=suite/a" in printed
    assert "NOTIFY_SOCKET" not in printed
    assert "WATCHDOG" not in printed


def test_a_run_inside_of_another_service_says_nothing(box: Box, manager: Listener):
    box.script("suite/a")

    assert box.pexen("run", "suite", prefix=("sh", "-c", 'SYSTEMD_EXEC_PID=$$ "$@"; exit $?', "sh")).code == 0
    assert manager.heard() == []


def test_a_service_with_nothing_to_do_is_ready_all_the_same(box: Box, manager: Listener):
    box.script("suite/a")
    box.pexen("run", "suite")

    assert box.pexen(*RESUME, prefix=AS_SERVICE).code == 0
    assert manager.heard()[0] == "READY=1"
    assert box.pexen("resume", "--all", "--check", prefix=AS_SERVICE).code == 5
    assert manager.heard() == []


def test_what_a_service_resumes_says_where_it_stands_though_it_is_a_process_of_its_own(box: Box, manager: Listener):
    box.script("suite/1")
    box.script("suite/2", "test ! -e ../gate || cat ../gate")
    kill_in_the_middle(box, "run", "suite")
    manager.heard()

    assert box.pexen(*RESUME, prefix=AS_SERVICE).code == 0
    assert any(said.startswith("STATUS=run 1, suite ") for said in manager.heard())


def test_a_service_that_is_stopped_asks_for_the_time_that_it_takes(box: Box, manager: Listener):
    ready, gate = box.gate("ready"), box.gate("gate")
    # A shell that waits for a command in the foreground looks at no trap until that has ended.
    trap = f"{gate.wait.replace(chr(39), chr(34))}; exit 1"
    box.script("suite/a", f"trap '{trap}' TERM; {ready.wait}; sleep 600 & wait")
    with box.started("run", "suite", program=(*AS_SERVICE, *COMMAND)) as run:
        ready.reached()
        run.signal(signal.SIGTERM)
        ready.let_go()
        gate.reached()
        gate.let_go()
        done = run.ended()

    assert done.code == 4
    heard = manager.heard()
    assert "EXTEND_TIMEOUT_USEC=30000000" in heard
    assert not any("STOPPING" in said for said in heard)


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ("BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet\n", False),
        ("quiet pexen.hold\n", True),
        ("quiet pexen.hold=1 ro\n", True),
        ("quiet pexen.hold=0 ro\n", False),
        ("pexen.hold=1 pexen.hold=off\n", False),
        ("xpexen.hold pexen.holder\n", False),
        ("", False),
    ],
)
def test_whoever_boots_the_box_may_hold_it(tmp_path: Path, said: str, held: bool):
    (tmp_path / "cmdline").write_text(said)

    assert is_held(str(tmp_path / "cmdline")) == held
    assert not is_held(str(tmp_path / "not there"))


def test_on_a_box_that_is_held_nothing_goes_on_by_itself_but_by_hand(box: Box):
    cmdline = box.file("cmdline", "quiet pexen.hold\n")
    held = ("unshare", "--mount", "sh", "-c", f"mount --bind '{cmdline}' /proc/cmdline && exec \"$@\"", "sh")
    if shutil.which("unshare") is None or subprocess.run([*held, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here")
    box.script("suite/1")
    box.script("suite/2", "test ! -e ../gate || cat ../gate")
    kill_in_the_middle(box, "run", "suite")

    checked = box.pexen("resume", "--all", "--check", prefix=held)
    as_service = box.pexen(*RESUME, prefix=held)

    assert (checked.code, as_service.code) == (5, 0)
    assert "pexen.hold is on the kernel's command line: nothing goes on by itself." in checked.err
    assert "pexen.hold" in as_service.err
    assert box.sql("SELECT count(*) FROM sessions") == [(1,)]
    assert box.pexen("resume", "--all", prefix=held).code == 0


class TestGraceAfterABoot:
    """A run that may reboot the box does not go on at once when the box has booted."""

    @pytest.fixture(autouse=True)
    def _killed(self, box: Box, alone: tuple[str, ...]) -> None:
        box.script("suite/1")
        box.script("suite/2", "test ! -e ../gate || cat ../gate")
        kill_in_the_middle(box, "run", "suite", "--allow-reboot", "--resume-by-hand", program=(*alone, *COMMAND))

    def test_it_waits_and_who_ends_the_run_meanwhile_has_ended_it(self, box: Box, manager: Listener):
        new_boot(box)
        with box.started(*RESUME, "--boot-grace", "5s", program=(*AS_SERVICE, *COMMAND)) as service:
            said = service.until("may reboot this box", "err")
            service.signal(signal.SIGSTOP)
            assert box.pexen("cancel", "1").code == 0
            service.signal(signal.SIGCONT)
            done = service.ended()

        assert "`pexen cancel 1` ends it" in said
        assert any(one.startswith("STATUS=run 1 may reboot this box") for one in manager.heard())
        assert done.code == 0
        assert box.sql("SELECT state FROM runs") == [("cancelled",)]

    def test_it_goes_on_when_the_grace_is_over(self, box: Box, alone: tuple[str, ...]):
        new_boot(box)

        done = box.pexen(*RESUME, "--boot-grace", "0.1s", prefix=alone)

        assert done.code == 0
        assert "run 1 may reboot this box: in 0.1s it goes on." in done.err
        assert box.sql("SELECT state FROM runs") == [("finished",)]

    def test_within_one_boot_there_is_no_grace(self, box: Box, alone: tuple[str, ...]):
        done = box.pexen(*RESUME, "--boot-grace", "1h", prefix=alone)

        assert done.code == 0
        assert "may reboot this box" not in done.err

    def test_a_duration_that_is_none_is_refused(self, box: Box):
        done = box.pexen(*RESUME, "--boot-grace", "soon")

        assert done.code == 2
        assert "--boot-grace: 'soon' is not a duration" in done.err
