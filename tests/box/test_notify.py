"""What is said to the service manager: the datagrams, and when they are sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pexen_state.box.notify import ServiceManager
from tests.datagrams import Listener, listening


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Listener]:
    with listening(tmp_path / "notify") as found:
        yield found


def environ(manager: Listener, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "9000000", "PATH": "/bin", **more}


def test_who_was_started_by_systemd_speaks_and_nobody_after_it_finds_the_variables(manager: Listener) -> None:
    found = environ(manager, SYSTEMD_EXEC_PID="7", WATCHDOG_PID="7")

    service = ServiceManager.of(found, pid=7)
    service.ready()
    service.ready()

    assert manager.heard() == ["READY=1"]
    assert found == {"PATH": "/bin", "SYSTEMD_EXEC_PID": "7"}


@pytest.mark.parametrize(
    "said",
    [
        {"SYSTEMD_EXEC_PID": "6", "WATCHDOG_PID": "7"},  # a command in a service of somebody else
        {"WATCHDOG_PID": "6"},  # so with a systemd that does not say whom it has started
        {},
    ],
)
def test_nobody_speaks_in_the_name_of_another_service(manager: Listener, said: dict[str, str]) -> None:
    found = environ(manager, **said)

    service = ServiceManager.of(found, pid=7)
    service.ready()
    service.alive()
    service.status("hello")

    assert not service.is_there
    assert manager.heard() == []
    assert "NOTIFY_SOCKET" not in found


def test_the_watchdog_is_fed_as_soon_as_a_third_of_its_patience_is_over(manager: Listener) -> None:
    clock = Clock()
    service = ServiceManager(manager.address, 9.0, clock)
    service.alive()  # not before it is ready
    service.ready()
    fed = []
    for _ in range(20):
        clock.now += 1
        service.alive()
        fed.append(len(manager.heard()))

    assert fed[:2] == [1, 0]  # READY=1
    assert fed[2:11] == [1, 0, 0, 1, 0, 0, 1, 0, 0]


def test_what_takes_long_is_told_before_and_its_end_after(manager: Listener) -> None:
    clock = Clock()
    service = ServiceManager(manager.address, 9.0, clock)
    service.ready()
    service.busy(600)
    service.alive()
    service.alive()
    service.busy(1)  # never less than usual

    assert manager.heard() == [
        "READY=1",
        "WATCHDOG_USEC=600000000\nWATCHDOG=1",
        "WATCHDOG_USEC=9000000\nWATCHDOG=1",
        "WATCHDOG_USEC=9000000\nWATCHDOG=1",
    ]


def test_without_a_watchdog_nobody_is_told_that_we_live(manager: Listener) -> None:
    found = {"NOTIFY_SOCKET": manager.address, "SYSTEMD_EXEC_PID": str(os.getpid())}
    service = ServiceManager.of(found)
    service.ready()
    service.busy(5)
    service.alive()

    assert manager.heard() == ["READY=1"]


def test_a_status_is_one_line_whatever_is_in_it_and_is_said_once(manager: Listener) -> None:
    service = ServiceManager(manager.address)
    service.status("3 of 4 tasks")
    service.status("3 of 4 tasks")
    service.status("a\nSTOPPING=1\nMAINPID=1")
    service.status("x" * 5000)

    said = manager.heard()
    assert said[:2] == ["STATUS=3 of 4 tasks", "STATUS=a STOPPING=1 MAINPID=1"]
    assert len(said[2]) < 300


def test_more_time_to_end_is_asked_for_once_a_second(manager: Listener) -> None:
    clock = Clock()
    service = ServiceManager(manager.address, clock=clock)
    service.extend(30)
    service.extend(30)
    clock.now += 1
    service.extend(30)

    assert manager.heard() == ["EXTEND_TIMEOUT_USEC=30000000"] * 2


def test_an_abstract_socket() -> None:
    name = f"pexen-test-{os.getpid()}"
    with listening(f"\0{name}") as manager:
        ServiceManager(f"@{name}").ready()

        assert manager.heard() == ["READY=1"]


def test_a_service_manager_that_is_gone_is_no_reason_to_fail(tmp_path: Path) -> None:
    service = ServiceManager(str(tmp_path / "nobody"), 9.0)
    service.ready()
    service.alive()
    service.status("hello")
