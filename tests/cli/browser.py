"""A real Chromium that is told by a pipe what to do: press keys, print, and say what it sees.

The protocol is that of its developer tools: JSON objects with a zero byte behind each, on descriptors 3 and 4.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]

_KEYS = {"Tab": (9, None), "Enter": (13, "\r"), " ": (32, " ")}


class Browser:
    """One page. What the browser had to say about it on its console is in `complaints`."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self._loaded = False
        self.complaints: list[str] = []
        page = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, (method, said)
                answer: dict[str, Any] = said["result"]
                return answer

    def open(self, page: Path) -> None:
        self._loaded = False
        self.do("Page.navigate", url=page.as_uri())
        while not self._loaded:
            self._next()

    def press(self, key: str) -> None:
        number, text = _KEYS[key]
        about = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": number}
        if text is not None:
            about["text"] = text
        self.do("Input.dispatchKeyEvent", type="keyDown", **about)
        self.do("Input.dispatchKeyEvent", type="keyUp", **about)

    def ask(self, expression: str) -> Any:
        """What an expression of JavaScript is, on that page."""
        answer = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._back, 1 << 20)
            assert data, "the browser is gone"
            self._rest += data
        line, self._rest = self._rest.split(b"\0", 1)
        said: dict[str, Any] = json.loads(line)
        method = said.get("method", "")
        if method == "Page.loadEventFired":
            self._loaded = True
        if method in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.complaints.append(json.dumps(said["params"]))
        return said


@contextmanager
def browser(home: Path) -> Iterator[Browser]:
    assert PROGRAM is not None
    theirs, to = os.pipe()
    back, their_back = os.pipe()
    # A shell puts both where the browser looks for them: they have other numbers here.
    script = f'exec "$@" 3<&{theirs} 4>&{their_back}'
    options = [*OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={home}", "--window-size=1280,900", "about:blank"]
    process = subprocess.Popen(
        ["/bin/bash", "-c", script, "bash", PROGRAM, *options],
        pass_fds=(theirs, their_back),
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    os.close(their_back)
    try:
        yield Browser(to, back)
    finally:
        process.terminate()
        process.wait()
        os.close(to)
        os.close(back)
