"""A directory to type commands in: real processes, real journals, tasks that wait until the test lets them go."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

COMMAND = (sys.executable, "-m", "pexen_state")


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Box:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.gates: list[Gate] = []
        self.environment = {**os.environ, "HOME": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}

    def script(self, path: str, body: str = "exit 0", mode: int = 0o755) -> Path:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(mode)
        return file

    def file(self, path: str, text: str | bytes) -> Path:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def pexen(
        self,
        *words: str | bytes,
        stdin: bytes = b"",
        cwd: str | Path = ".",
        env: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> Ended:
        done = subprocess.run(
            [*prefix, *COMMAND, *words],
            input=stdin,
            capture_output=True,
            cwd=self.directory / cwd,
            env={**self.environment, **(env or {})},
            timeout=120,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
        return Ended(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))

    @contextmanager
    def started(
        self, *words: str, stdin: bytes = b"", program: tuple[str, ...] = COMMAND, **options: Any
    ) -> Iterator[Running]:
        """A command that goes on beside the test. It is killed at the end, if the test has not ended it."""
        environment = {**self.environment, **options.pop("env", {})}
        options = {"cwd": self.directory, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        with subprocess.Popen([*program, *words], stdin=subprocess.PIPE, env=environment, **options) as process:
            assert process.stdin is not None
            process.stdin.write(stdin)
            process.stdin.close()
            process.stdin = None
            try:
                yield Running(process)
            finally:
                process.kill()

    def gate(self, name: str = "gate") -> Gate:
        self.gates.append(Gate(self.directory / name))
        return self.gates[-1]

    @property
    def journal(self) -> Path:
        return self.directory / ".pexen" / "journal.db"

    def sql(self, query: str, journal: Path | None = None) -> list[tuple[Any, ...]]:
        path = quote(str(journal or self.journal))
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def keys(self, journal: Path | None = None) -> list[str]:
        """Of all tasks, in the order in which they were declared."""
        return [key for (key,) in self.sql("SELECT task FROM tasks ORDER BY number", journal)]

    def sql_until(self, query: str, wanted: object) -> None:
        """Ask until the first cell of the answer is what is wanted."""
        until = time.monotonic() + 60
        while (found := self.sql(query)) == [] or found[0][0] != wanted:
            assert time.monotonic() < until, f"{query} still says {found}, not {wanted}"
            time.sleep(0.02)

    def until_quiet(self) -> None:
        """Wait until a run whose tasks wait at gates has written all that it heard of: for a second, nothing new."""
        last, since = None, time.monotonic()
        while time.monotonic() < since + 1:
            if (now := self.sql("SELECT max(seq) FROM transitions")) != last:
                last, since = now, time.monotonic()
            time.sleep(0.05)

    def json(self, *words: str, code: int = 0) -> Any:
        done = self.pexen(*words, "--json")
        assert done.code == code, done.err
        document = json.loads(done.out)
        assert document["schema"] == 1
        return document


class Running:
    """A command that has been started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def until(self, text: str, stream: str = "out") -> str:
        """Read until a line that holds the text; return that line."""
        pipe = self.process.stdout if stream == "out" else self.process.stderr
        assert pipe is not None
        for line in pipe:
            if text in line.decode():
                return line.decode()
        raise AssertionError(f"it ended without saying {text!r}")

    def ended(self) -> Ended:
        out, err = self.process.communicate(timeout=120)
        assert b"Traceback" not in (err or b""), err.decode(errors="replace")
        return Ended(self.process.returncode, (out or b"").decode(), (err or b"").decode())


class Gate:
    """A pipe with a name that tasks wait at: `cat gate` goes on when the test has opened and closed it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: int | None = None
        os.mkfifo(path)

    @property
    def wait(self) -> str:
        """What a script has to do."""
        return f"cat '{self.path}'"

    def reached(self) -> None:
        """Wait until a task is there, and keep it."""
        descriptor = os.open(self.path, os.O_WRONLY)
        self.let_go()
        self._held = descriptor

    def let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None
