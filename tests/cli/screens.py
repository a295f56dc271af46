"""Real terminals to type commands in: under tmux, whose screen is looked at; and bare ones, whose bytes are."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.box import COMMAND

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

#: What says elsewhere how it is to look, and must not say it here.
_LOOKS = ("CI", "GITHUB_ACTIONS", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "LC_ALL", "LC_CTYPE", "LANG", "TMUX")


def environment(box_environment: Mapping[str, str], **more: str) -> dict[str, str]:
    """A plain one with a UTF-8 locale."""
    kept = {name: value for name, value in box_environment.items() if name not in _LOOKS}
    return {**kept, "LANG": "C.UTF-8", "TERM": "xterm-256color", **more}


class Tmux:
    """A tmux server of its own with one pane, in which one command runs, and then a shell that waits."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def start(self, words: tuple[str, ...], columns: int, lines: int, cwd: Path, env: Mapping[str, str]) -> None:
        inside = {name: value for name, value in env.items() if name != "TERM"}  # tmux is the terminal
        command = shlex.join(["env", "-i", *(f"{name}={value}" for name, value in inside.items())])
        # A trapped signal is not trapped in what the shell starts; the shell itself outlives Ctrl-C by that.
        typed = f'trap : INT; {command} TERM="$TERM" {shlex.join([*COMMAND, *words])}; echo "[ended: $?]"; read -r wait'
        size = ("-x", str(columns), "-y", str(lines))
        self._tmux("new-session", "-d", *size, "-c", str(cwd), f"sh -c {shlex.quote(typed)}", env=env)

    def _tmux(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-f", os.devnull, "-S", str(self._socket), "start-server", ";", *words],
            capture_output=True,
            env=env,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def screen(self, *, colours: bool = False, history: bool = False) -> str:
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else []), *(["-S", "-"] if history else [])).rstrip(
            "\n"
        )

    def until(self, is_so: Callable[[str], bool], what: str) -> str:
        """Look until the screen is as wanted."""
        give_up_at = time.monotonic() + 60
        while not is_so(screen := self.screen()):
            assert time.monotonic() < give_up_at, f"there is no {what} on the screen:\n{screen}"
            time.sleep(0.02)
        return screen

    def shows(self, text: str) -> str:
        return self.until(lambda screen: text in screen, repr(text))

    def type(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def ended(self) -> int:
        """Wait for the command; its exit code."""
        return int(self.shows("[ended: ").rpartition("[ended: ")[2].partition("]")[0])

    @property
    def has_cursor(self) -> bool:
        return self.says("cursor_flag") == "1"

    def says(self, variable: str) -> str:
        return self._tmux("display-message", "-p", f"#{{{variable}}}").strip()

    def stop(self) -> None:
        with contextlib.suppress(AssertionError):
            self._tmux("kill-server")


@pytest.fixture
def tmux() -> Iterator[Tmux]:
    # Not below the test's own directory: a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="pexen") as directory:
        server = Tmux(Path(directory) / "tmux")
        yield server
        server.stop()


def on_a_terminal(
    words: tuple[str | bytes, ...], cwd: Path, env: Mapping[str, str], columns: int = 80
) -> tuple[int, bytes]:
    """Run a command to its end on a bare terminal: its exit code, and every byte that it wrote."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        [*COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=dict(env)
    ) as process:
        os.close(theirs)
        written = bytearray()
        with contextlib.suppress(OSError):  # EIO: the last of them closed it
            while data := os.read(ours, 65536):
                written += data
        code = process.wait(timeout=60)
    os.close(ours)
    return code, bytes(written)
