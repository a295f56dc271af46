"""Makes what the peers need, in a directory that is kept: environments of python, and the shim that slows flushes.

What cannot be made is told, and leaves its peers out; nothing is left out silently.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from scripts.benchmark.catalogue import Peer

ROOT = Path(__file__).resolve().parent.parent.parent
SHIM_SOURCE = Path(__file__).with_name("slow_disk.c")


class Environments:
    def __init__(self, cache: Path, say: Callable[[str], None]) -> None:
        self.missing: dict[str, str] = {}  #: peer -> why it is left out
        self.versions: dict[str, str] = {}  #: of what is compared
        self.shim: Path | None = None
        self.no_shim = ""  #: why there is none
        self._cache = cache
        self._say = say
        own = ROOT / ".venv/bin/python"
        self._ours = str(own if own.exists() else sys.executable)

    def make(self, peers: Iterable[Peer]) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        self._make_shim()
        for peer in peers:
            if peer.tool is not None and shutil.which(peer.tool) is None:
                self.missing[peer.name] = f"there is no `{peer.tool}` here: apt-get install {peer.apt}"
            elif peer.tool is not None:
                self.versions[peer.tool] = _first_number(_output([peer.tool, "--version"]))
            elif peer.package is not None:
                self._make_environment(peer)

    def python_of(self, peer: Peer) -> str:
        return str(self._directory(peer) / "bin/python") if peer.package else self._ours

    def _directory(self, peer: Peer) -> Path:
        return self._cache / f"env-{peer.environment}"

    def _make_environment(self, peer: Peer) -> None:
        directory, done = self._directory(peer), self._directory(peer) / "is-complete"
        if not done.exists():
            self._say(f"making the environment of {peer.package}")
            pip = [str(directory / "bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
            for words in ([self._ours, "-m", "venv", "--clear", str(directory)], [*pip, "install", str(peer.package)]):
                made = subprocess.run(words, capture_output=True, text=True, check=False)
                if made.returncode:
                    last = (made.stderr.strip() or made.stdout.strip() or "no message").splitlines()[-1]
                    self.missing[peer.name] = f"`pip install {peer.package}` failed: {last}"
                    return
            done.touch()
        code = f"import importlib.metadata as m; print(m.version({peer.environment!r}))"
        self.versions[str(peer.environment)] = _output([self.python_of(peer), "-c", code]).strip()

    def _make_shim(self) -> None:
        shim = self._cache / "slow_disk.so"
        if not shim.exists() or shim.stat().st_mtime < SHIM_SOURCE.stat().st_mtime:
            compiler = shutil.which("cc")
            if compiler is None:
                self.no_shim = "there is no C compiler (`cc`) here: apt-get install gcc libc6-dev"
                return
            words = [compiler, "-O2", "-shared", "-fPIC", "-o", str(shim), str(SHIM_SOURCE), "-ldl"]
            made = subprocess.run(words, capture_output=True, text=True, check=False)
            if made.returncode:
                self.no_shim = f"slow_disk.c does not compile: {made.stderr.strip().splitlines()[-1]}"
                return
        self.shim = shim


def _output(words: list[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=True).stdout


def _first_number(text: str) -> str:
    """Of what a tool says to --version."""
    return next((word for word in text.split() if word[0].isdigit()), "?")
