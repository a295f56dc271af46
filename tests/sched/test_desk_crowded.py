"""Where attempts ask: whoever comes, in whatever numbers, and however they leave, the keeper goes on serving."""

from __future__ import annotations

import json
import os
import resource
import select
import socket
from collections.abc import Iterator

import pytest

from pexen_state.sched.pool.desk import Desk, Place

HEARTBEAT = b'{"attempt": "x-1-1", "do": "heartbeat"}\n'


class Keeper:
    """Serves as the keeper does, and answers all that it can."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.now = 1000.0
        self.desk = Desk(place.listener, lambda: self.now)
        self.heard = 0
        self._poll = select.poll()

    def come(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.place.path)
        client.setblocking(False)
        return client

    def serve(self, answer: dict[str, object] | None) -> None:
        """Until nobody wants anything."""
        while True:
            self.desk.register(self._poll)
            ready = {fd for fd, _ in self._poll.poll(0)}
            if not ready:
                return
            for request in self.desk.take(ready, self._poll):
                self.heard += 1
                self.desk.answer(request.client, answer)


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    place = Place.make()
    keeper = Keeper(place)
    yield keeper
    keeper.desk.close()
    place.remove()


@pytest.mark.parametrize("said", [b"junk\n", HEARTBEAT, HEARTBEAT + b"junk\n" + HEARTBEAT, b"junk\nhalf a line", b""])
def test_who_has_said_all_before_anybody_listens_is_answered_all_the_same(keeper: Keeper, said: bytes):
    with keeper.come() as client:
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)

        keeper.serve({"ok": True})

        answers = client.makefile("rb").readlines()
    assert len(answers) == said.count(b"\n")
    assert keeper.heard == said.count(HEARTBEAT)


def test_more_may_come_at_once_than_are_served_at_once(keeper: Keeper):
    clients = [keeper.come() for _ in range(120)]
    keeper.serve({"ok": True})
    clients += [keeper.come() for _ in range(120)]
    for client in clients:
        client.sendall(HEARTBEAT)

    answers = []
    for client in clients:
        keeper.serve({"ok": True})
        with client:
            answers.append(json.loads(client.recv(1000)))

    assert answers == [{"ok": True}] * 240


def test_who_says_nothing_does_not_keep_others_out(keeper: Keeper):
    silent = [keeper.come() for _ in range(128)]
    keeper.serve({"ok": True})
    keeper.now += 6

    with keeper.come() as client:
        client.sendall(HEARTBEAT)
        keeper.serve({"ok": True})
        assert json.loads(client.recv(1000)) == {"ok": True}

    assert silent[0].recv(1000) == b""  # it had to go
    for one in silent[1:]:
        with pytest.raises(BlockingIOError):
            one.recv(1000)
    for one in silent:
        one.close()


def test_without_a_descriptor_for_those_who_come_the_desk_is_shut_for_a_while(keeper: Keeper):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with keeper.come() as client:
        client.sendall(HEARTBEAT)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            keeper.serve({"ok": True})  # ends: nobody asks again and again
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert keeper.heard == 0

        keeper.now += 1
        keeper.serve({"ok": True})

        assert json.loads(client.recv(1000)) == {"ok": True}


def test_who_is_never_answered_takes_no_place_when_it_has_gone(keeper: Keeper):
    for _ in range(300):
        with keeper.come() as client:
            client.sendall(HEARTBEAT)
            keeper.serve(None)

    assert keeper.heard == 300


def send_all_of(data: bytes, client: socket.socket, keeper: Keeper) -> None:
    while data:
        try:
            data = data[client.send(data) :]
        except BlockingIOError:
            keeper.serve(None)


def test_who_floods_it_with_nonsense_and_reads_nothing_is_dropped(keeper: Keeper):
    with keeper.come() as client, pytest.raises((BrokenPipeError, ConnectionResetError)):
        send_all_of(b"\n" * 4_000_000, client, keeper)
