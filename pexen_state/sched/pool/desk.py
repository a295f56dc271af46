"""Where running attempts ask for something: a socket of the keeper's, one JSON object a line.

    {"attempt": PEXEN_ATTEMPT_ID, "do": "reboot", "mark": text, "timeout": seconds or null}
    {"attempt": ..., "do": "skip", "why": text}
    {"attempt": ..., "do": "deadline", "seconds": how long from now, or longer than now, with "is_more": true}
    {"attempt": ..., "do": "heartbeat"}
    {"attempt": ..., "do": "add", "task": a `sched.recorded.Record`}    another task for the run; its "key" is answered
    {"attempt": ..., "do": "checkpoint", "key": text, "value": anything}    without a value: what was kept, or null

Whoever asks is believed to be the attempt that it names, if that is running: the id is known to its processes alone. An
answer is one object: {"ok": true, ...} or {"ok": false, "error": a sentence}. The keeper waits for nobody: who does not
take an answer, or sends too much, is dropped. When too many are there, whoever has been silent for a while and waits
for nothing has to go; if there is nobody like that, who comes waits until one of them has gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pexen_state.sched.common import PoolError
from pexen_state.sched.pool.slots import mark_of
from pexen_state.words import is_plain

_MOST_CLIENTS = 128
_MOST_BYTES = 1024 * 1024
_SHUT = 0.1  # seconds without newcomers, when there is no place or no descriptor for one
_SILENCE = 5.0  # seconds; whoever comes asks at once
_LONGEST_PATH = 90  # of 107; a program may put something behind it


class Place(NamedTuple):
    """The socket, and the directory that it is in. The runner makes it and removes it, the keeper serves it."""

    listener: socket.socket
    directory: str

    @property
    def path(self) -> str:
        return f"{self.directory}/socket"

    @classmethod
    def make(cls) -> Place:
        """Raises PoolError."""
        try:
            directory = tempfile.mkdtemp(prefix="pexen-")
            if len(directory) > _LONGEST_PATH:  # such a TMPDIR is no place for a socket
                os.rmdir(directory)
                directory = tempfile.mkdtemp(prefix="pexen-", dir="/tmp")
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            listener.bind(f"{directory}/socket")
            # A task may have become another user; it still knows its id.
            os.chmod(f"{directory}/socket", 0o666)
            os.chmod(directory, 0o711)
            listener.listen(_MOST_CLIENTS)
        except OSError as error:
            raise PoolError(f"the socket for tasks cannot be made: {error.strerror}") from error
        return cls(listener, directory)

    def remove(self) -> None:
        with contextlib.suppress(OSError):  # not all of its errors are ignored by it
            shutil.rmtree(self.directory, ignore_errors=True)


class Request(NamedTuple):
    """What an attempt asks for."""

    client: int  #: whom to answer
    mark: int
    body: dict[str, Any]


class _Client:
    __slots__ = ("asked", "at_end", "heard", "inbox", "outbox", "socket")

    def __init__(self, accepted: socket.socket, now: float) -> None:
        self.socket = accepted
        self.heard = now  #: when it last said anything
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.asked = 0  #: requests that were not answered
        self.at_end = False  #: it will say no more, but may wait for an answer

    def take_lines(self) -> list[bytes]:
        *lines, rest = self.inbox.split(b"\n")
        self.inbox = rest
        return [bytes(line) for line in lines]


class Desk:
    """The keeper's end. The clock tells seconds, and is never set."""

    def __init__(self, listener: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        self._listener = listener
        self._clock = clock
        self._clients: dict[int, _Client] = {}
        self._tokens: dict[int, int] = {}  # token -> descriptor: a descriptor is used again
        self._next = 1
        self._shut_until = 0.0

    def register(self, poll: select.poll) -> float:
        """Returns for how many seconds to sleep at most."""
        sleep = max(0.0, self._shut_until - self._clock())
        if not sleep and len(self._clients) >= _MOST_CLIENTS and self._silent() is None:
            sleep = _SHUT
        if not sleep:
            poll.register(self._listener, select.POLLIN)
        else:
            _forget(poll, self._listener.fileno())
        for fd, client in self._clients.items():
            # Who has said all is not polled: its end would be news again and again.
            if client.outbox or not client.at_end:
                poll.register(fd, (0 if client.at_end else select.POLLIN) | (select.POLLOUT if client.outbox else 0))
            else:
                _forget(poll, fd)
        return sleep or float("inf")

    def take(self, ready: set[int], poll: select.poll) -> Iterator[Request]:
        """What was asked by those that are ready; whoever makes no sense is told so."""
        if self._listener.fileno() in ready:
            self._accept(poll)
        for fd in [fd for fd in self._clients if fd in ready]:
            client = self._clients[fd]
            is_fine = self._read(client)
            lines = client.take_lines() if is_fine else []
            # All of them at once: it is not done with before the last one is answered.
            client.asked += len(lines)
            for line in lines:
                if len(client.outbox) > _MOST_BYTES:
                    is_fine = False
                    break
                token, self._next = self._next, self._next + 1
                self._tokens[token] = fd
                try:
                    yield _request(token, line)
                except ValueError as error:
                    self.answer(token, {"ok": False, "error": str(error)})
            if self._clients.get(fd) is not client:
                _forget(poll, fd)  # it went with its last answer
                continue
            is_fine = is_fine and self._write(client)
            if not is_fine or (client.at_end and not client.asked and not client.outbox):
                _forget(poll, fd)
                self._drop(fd)

    def answer(self, token: int, body: dict[str, Any] | None) -> None:
        """None: there is nothing to say, and nothing will be said later."""
        fd = self._tokens.pop(token, None)
        client = self._clients.get(fd) if fd is not None else None
        if client is not None:  # else it has gone meanwhile
            client.asked -= 1
            if body is not None:
                client.outbox += json.dumps(body).encode() + b"\n"
                self._write(client)
            if client.at_end and not client.asked and not client.outbox:  # and so it is not polled
                assert fd is not None
                self._drop(fd)

    def close(self) -> None:
        """In a child of the process whose desk it is."""
        self._listener.close()
        for client in self._clients.values():
            client.socket.close()

    def _accept(self, poll: select.poll) -> None:
        while (silent := self._silent()) is not None or len(self._clients) < _MOST_CLIENTS:
            try:
                accepted, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:  # such as no descriptor left: they are still there later, and asking at once is of no use
                self._shut_until = self._clock() + _SHUT
                return
            if silent is not None and len(self._clients) >= _MOST_CLIENTS:
                _forget(poll, silent)
                self._drop(silent)
            accepted.setblocking(False)
            self._clients[accepted.fileno()] = _Client(accepted, self._clock())

    def _silent(self) -> int | None:
        """Who may have to go."""
        if len(self._clients) < _MOST_CLIENTS:
            return None
        before = self._clock() - _SILENCE
        gone = (fd for fd, one in self._clients.items() if one.heard < before and not one.asked and not one.outbox)
        return next(gone, None)

    def _read(self, client: _Client) -> bool:
        """False if it is to be dropped."""
        try:
            while not client.at_end:
                data = client.socket.recv(65536)
                client.at_end = not data
                client.inbox += data
                client.heard = self._clock()
                if len(client.inbox) > _MOST_BYTES:
                    return False
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def _write(self, client: _Client) -> bool:
        """False if it is to be dropped."""
        try:
            while client.outbox:
                del client.outbox[: client.socket.send(client.outbox)]
        except BlockingIOError:
            return len(client.outbox) <= _MOST_BYTES
        except OSError:
            return False
        return True

    def _drop(self, fd: int) -> None:
        self._clients.pop(fd).socket.close()
        for token in [token for token, at in self._tokens.items() if at == fd]:
            del self._tokens[token]


def _forget(poll: select.poll, fd: int) -> None:
    with contextlib.suppress(KeyError):
        poll.unregister(fd)


_IS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "an object": lambda value: isinstance(value, dict),
    "text of UTF-8 and without NUL": lambda value: isinstance(value, str) and is_plain(value),
    "seconds": lambda value: type(value) in (int, float) and 0 <= value < float("inf"),
    "truth or nothing": lambda value: value is None or type(value) is bool,
    "seconds or nothing": lambda value: value is None or _IS["seconds"](value),
}

#: What each request has to say, and may say.
_FIELDS: dict[str, dict[str, str]] = {
    "reboot": {"mark": "text of UTF-8 and without NUL", "timeout": "seconds or nothing"},
    "skip": {"why": "text"},
    "deadline": {"seconds": "seconds", "is_more": "truth or nothing"},
    "heartbeat": {},
    "checkpoint": {"key": "text"},
    "add": {"task": "an object"},
}


def _request(token: int, line: bytes) -> Request:
    """Raises ValueError, whose message is a sentence."""
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("this is no JSON") from None
    if type(body) is not dict or body.get("do") not in _FIELDS:
        raise ValueError(f"nobody here knows what to do; known is: {', '.join(_FIELDS)}")
    for name, kind in _FIELDS[body["do"]].items():
        if not _IS[kind](body.get(name)):
            raise ValueError(f"{body['do']}: {name} is to be {kind}")
    try:
        _, task, attempt = str(body.get("attempt")).rsplit("-", 2)
        return Request(token, mark_of(int(task), int(attempt)), body)
    except ValueError:
        raise ValueError(f"{str(body.get('attempt'))!r} is the id of no attempt (PEXEN_ATTEMPT_ID)") from None
