"""How others ask the runner for something: one JSON object a line, over a socket beside the journal.

There is one writer to a journal, so whoever wants `cancel`, `pause` or `unlock` while it runs asks here. Only the
owner of the journal (and root) gets an answer. The runner never waits for anybody: what a client does not take is
kept for it, within limits, or the client is dropped.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from pexen_state.journal.errors import JournalError, NoRunner
from pexen_state.journal.paths import JournalPaths

_MAX_LINE_BYTES = 64 * 1024
_MAX_ANSWER_BYTES = 1024 * 1024
_MAX_CLIENTS = 32
_GONE = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTSOCK)
_LEAVING = (errno.ECONNRESET, errno.EPIPE)  # it ended while it was asked


class Client:
    """One that has asked. A descriptor would not do to name it: the next one may get the same."""

    __slots__ = ("inbox", "outbox", "socket")

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.inbox = bytearray()
        self.outbox = bytearray()


class Request(NamedTuple):
    client: Client  #: whom to answer
    body: dict[str, Any]


class ControlServer:
    """The runner's end. Must hold the run lock: a socket that is there belongs to a runner that is dead."""

    def __init__(self, paths: JournalPaths) -> None:
        self._paths = paths
        self._clients: dict[int, Client] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            with suppress(FileNotFoundError):
                os.unlink(paths.socket)
            os.fchmod(self._listener.fileno(), 0o600)  # bind gives this mode, less the umask, to the file
            with _short(paths) as address:
                self._listener.bind(address)
            os.chmod(paths.socket, 0o600)
            self._listener.listen(_MAX_CLIENTS)
        except OSError as error:
            self._listener.close()
            raise JournalError(f"the control socket {paths.socket} cannot be made: {error.strerror}.") from error
        # One descriptor that is readable when anything here wants attention: the loop watches a single one.
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        """To be watched; when it is readable, call `receive`."""
        return self._epoll.fileno()

    def receive(self) -> list[Request]:
        """What was asked by now, each to be answered with `reply`. Never blocks."""
        found: list[Request] = []
        for fd, events in self._epoll.poll(0):
            if fd == self._listener.fileno():
                self._accept()
            elif fd in self._clients:
                if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                    found.extend(self._hear(fd))
                if events & select.EPOLLOUT and fd in self._clients:
                    self._flush(fd)
        return found

    def reply(self, request: Request, answer: dict[str, Any]) -> None:
        """Answer, now or when the client takes it. Nothing happens if it has left."""
        client = request.client
        fd = client.socket.fileno()
        if fd < 0:
            return
        client.outbox += json.dumps(answer).encode("ascii") + b"\n"
        if len(client.outbox) > _MAX_ANSWER_BYTES:
            self._drop(fd)
        else:
            self._flush(fd)

    def close(self) -> None:
        for fd in list(self._clients):
            self._drop(fd)
        self._epoll.close()
        self._listener.close()
        with suppress(OSError):
            os.unlink(self._paths.socket)

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:  # nobody else waits, it has left already, or we are out of descriptors
                return
            if len(self._clients) >= _MAX_CLIENTS or not _is_ours(accepted):
                accepted.close()
                continue
            accepted.setblocking(False)
            self._clients[accepted.fileno()] = Client(accepted)
            self._epoll.register(accepted.fileno(), select.EPOLLIN)

    def _hear(self, fd: int) -> Iterator[Request]:
        client = self._clients[fd]
        try:
            data = client.socket.recv(_MAX_LINE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(fd)
            return
        client.inbox += data
        *lines, rest = client.inbox.split(b"\n")
        client.inbox = rest
        if len(rest) > _MAX_LINE_BYTES:
            self._drop(fd)
            return
        for line in lines:
            try:
                body = json.loads(line)
            except (ValueError, RecursionError):
                body = None
            if isinstance(body, dict):
                yield Request(client, body)
            else:
                self.reply(Request(client, {}), {"ok": False, "error": "a request is one JSON object on one line"})

    def _flush(self, fd: int) -> None:
        client = self._clients[fd]
        try:
            sent = client.socket.send(client.outbox, socket.MSG_NOSIGNAL) if client.outbox else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(fd)
            return
        del client.outbox[:sent]
        self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if client.outbox else 0))

    def _drop(self, fd: int) -> None:
        client = self._clients.pop(fd)
        self._epoll.unregister(fd)
        client.socket.close()


def ask(path: str | os.PathLike[str], request: dict[str, Any], timeout_s: float = 10.0) -> dict[str, Any]:
    """Ask the runner of the journal at `path`, and return its answer.

    Raises NoRunner if nobody runs it, or the runner ended before it answered, and JournalError if it does not answer
    in time.
    """
    paths = JournalPaths.of(path)
    left = f"the runner of {paths.db} ended, or refused, before it answered. Try again."
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as client:
        client.settimeout(timeout_s)
        try:
            with _short(paths) as address:
                client.connect(address)
            client.sendall(json.dumps(request).encode("ascii") + b"\n")
            with client.makefile("rb") as lines:
                line = lines.readline(_MAX_ANSWER_BYTES)
        except TimeoutError:
            raise JournalError(
                f"the runner of {paths.db} has not answered for {timeout_s:g} s. It may be busy; try again."
            ) from None
        except OSError as error:
            if error.errno in _GONE:
                raise NoRunner(f"nobody runs the journal {paths.db} now.") from None
            if error.errno in _LEAVING:
                raise NoRunner(left) from None
            raise JournalError(f"the runner of {paths.db} cannot be asked: {error.strerror}.") from error
    if not line.endswith(b"\n"):
        raise NoRunner(left)
    answer = json.loads(line)
    assert isinstance(answer, dict)
    return answer


@contextmanager
def _short(paths: JournalPaths) -> Iterator[str]:
    """An address that fits into its 107 bytes, however deep the directory is."""
    fd = os.open(paths.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{os.path.basename(paths.socket)}"
    finally:
        os.close(fd)


def _is_ours(accepted: socket.socket) -> bool:
    credentials = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())
