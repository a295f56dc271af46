"""Asking the runner: one line there, one line back, and nobody can hold it up."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pexen_state.journal.control import ControlServer, Request, ask
from pexen_state.journal.errors import JournalError, NoRunner
from pexen_state.journal.paths import JournalPaths


@pytest.fixture
def paths(tmp_path: Path) -> JournalPaths:
    return JournalPaths.of(tmp_path / "journal.db")


@pytest.fixture
def server(paths: JournalPaths) -> Iterator[ControlServer]:
    server = ControlServer(paths)
    yield server
    server.close()


def wait(server: ControlServer) -> list[Request]:
    """What is asked next; as the loop would, by watching the descriptor."""
    while not (requests := server.receive()):
        assert select.select([server.fileno()], [], [], 30)[0], "nobody asked"
    return requests


@contextmanager
def asking(paths: JournalPaths, *requests: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Somebody who asks one thing after the other, in a thread; the answers, once it has ended."""
    answers: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: answers.extend(ask(paths.db, request) for request in requests))
    thread.start()
    yield answers
    thread.join()


@contextmanager
def raw(paths: JournalPaths) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(paths.socket)
        yield client


def test_a_request_is_answered(server: ControlServer, paths: JournalPaths) -> None:
    with asking(paths, {"do": "unlock", "lock": "/proc/ü\udcff"}) as answers:
        (request,) = wait(server)
        assert request.body == {"do": "unlock", "lock": "/proc/ü\udcff"}
        server.reply(request, {"ok": True})

    assert answers == [{"ok": True}]


def test_several_are_answered_in_any_order(server: ControlServer, paths: JournalPaths) -> None:
    with asking(paths, {"n": 1}) as first, asking(paths, {"n": 2}) as second:
        requests: list[Request] = []
        while len(requests) < 2:
            requests += wait(server)
        for request in reversed(requests):
            server.reply(request, {"n": request.body["n"]})

    assert (first, second) == ([{"n": 1}], [{"n": 2}])


def test_a_line_that_comes_in_pieces_is_one_request(server: ControlServer, paths: JournalPaths) -> None:
    with raw(paths) as client:
        client.sendall(b'{"do":')
        assert server.receive() == []
        client.sendall(b' "pause"}\n')
        (request,) = wait(server)
        assert request.body == {"do": "pause"}


@pytest.mark.parametrize("line", [b"pause\n", b"[1]\n", b"\xff\xfe\n", b"[" * 20000 + b"\n"])
def test_what_is_no_request_is_answered_with_an_error(server: ControlServer, paths: JournalPaths, line: bytes) -> None:
    with raw(paths) as client:
        client.sendall(line)
        while not select.select([client], [], [], 0)[0]:
            assert server.receive() == []
        assert json.loads(client.recv(1000)) == {"ok": False, "error": "a request is one JSON object on one line"}


def test_one_that_never_ends_its_line_is_dropped(server: ControlServer, paths: JournalPaths) -> None:
    with raw(paths) as client:
        client.settimeout(30)

        def talk_on() -> None:
            while True:
                client.send(b"x" * 10_000)
                assert server.receive() == []

        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            talk_on()


def test_one_that_leaves_before_its_answer_harms_nobody(server: ControlServer, paths: JournalPaths) -> None:
    with raw(paths) as client:
        client.sendall(b'{"do": "pause"}\n')
        (request,) = wait(server)
    server.receive()

    with asking(paths, {"n": 1}) as answers:
        (other,) = wait(server)
        server.reply(request, {"for": "the one that left"})
        server.reply(other, {"n": 1})

    assert answers == [{"n": 1}]


def test_one_that_does_not_take_its_answers_is_dropped_and_the_runner_goes_on(
    server: ControlServer, paths: JournalPaths
) -> None:
    with raw(paths) as client:
        client.sendall(b'{"do": "pause"}\n')
        (request,) = wait(server)
        for _ in range(100):
            server.reply(request, {"text": "x" * 50_000})
        assert request.client.socket.fileno() == -1


def test_nobody_runs_it(paths: JournalPaths) -> None:
    with pytest.raises(NoRunner, match="nobody runs the journal"):
        ask(paths.db, {})


def test_the_socket_of_a_dead_runner_is_nobody_and_is_replaced(paths: JournalPaths) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(paths.socket)
    with pytest.raises(NoRunner):
        ask(paths.db, {})

    server = ControlServer(paths)
    with asking(paths, {"n": 1}) as answers:
        server.reply(wait(server)[0], {"n": 1})
    server.close()

    assert answers == [{"n": 1}]
    assert not os.path.exists(paths.socket)


def test_a_runner_that_is_busy_is_told(server: ControlServer, paths: JournalPaths) -> None:
    with pytest.raises(JournalError, match=r"has not answered for 0\.1 s"):
        ask(paths.db, {}, timeout_s=0.1)


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_it_is_its_owners_alone(paths: JournalPaths, umask: int) -> None:
    before = os.umask(umask)
    server = ControlServer(paths)
    os.umask(before)

    assert oct(os.stat(paths.socket).st_mode & 0o777) == "0o600"
    server.close()


def test_a_deep_directory_and_a_long_name_are_no_hindrance(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["directory" * 5] * 5)
    deep.mkdir(parents=True)
    paths = JournalPaths.of(deep / ("j" * 200 + ".db"))
    server = ControlServer(paths)
    with asking(paths, {"n": 1}) as answers:
        server.reply(wait(server)[0], {"n": 1})
    server.close()

    assert answers == [{"n": 1}]
