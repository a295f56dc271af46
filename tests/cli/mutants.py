"""Files of settings, metadata, parameters and jobs, broken at random, always in the same ways (a seed is the order).

Of this `scripts/break_files` tries thousands, the check a sample. Some mutants are good files again. Nothing is run.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.cli.typed import typed_bytes

SETTINGS = b"""\
# how the nightly tests run
[run]
name = "nightly"
jobs = 4
pool = "process"
timeout = "20m"
retries = 1
max_fail = 10
show_output = "failed"
strict = false
exit_codes = "automake"
env_file = "env"

[run.env]
LANG = "C.UTF-8"
COLOUR = 'red'
"""

PROJECT = b'[project]\nname = "x"\nkeywords = [\n  "a",\n]\n\n' + SETTINGS.replace(b"[run", b"[tool.pexen.run")

ENV = b"# secrets\nexport TOKEN=abc\nNAME='two words'\nTEXT=\"a\\nb\"\n"

LIST = b"""\
# jobs of the night
{"name": "setup", "cmd": "make db", "provides": ["db"], "claims": ["port"], "timeout": "5m"}
{"name": "login", "cmd": ["./login", "--fast"], "requires": ["db"], "uses": ["port"], "retries": 2}
{"name": "order", "cmd": "./order", "requires": ["db"], "priority": 3, "tags": ["slow"]}
{"name": "report", "cmd": "./report", "after": ["*"], "always": true, "on_fail": {"locks": "free"}}
"""

VALUES = (b'"soon"', b"-1", b"1.5", b"true", b"[]", b'["x", 3]', b"{}", b'""', b"nan", b"1" * 5000, b"[" * 3000, b"")
KEY = re.compile(rb'(?m)^(\w+)(?= *=)|"(\w+)"(?=:)')
VALUE = re.compile(rb'(?<=[=:]) ?("[^"\n]*"|\'[^\'\n]*\'|[\w.]+|\[[^\]\n]*\])')

Mutation = Callable[[random.Random, bytes], bytes]


def truncated(rng: random.Random, text: bytes) -> bytes:
    return text[: rng.randrange(1, len(text))]


def flipped(rng: random.Random, text: bytes) -> bytes:
    at = rng.randrange(len(text))
    return text[:at] + bytes([text[at] ^ 1 << rng.randrange(8)]) + text[at + 1 :]


def garbled(rng: random.Random, text: bytes) -> bytes:
    at = rng.randrange(len(text))
    return text[:at] + rng.randbytes(rng.randrange(1, 5)) + text[at:]


def without_a_piece(rng: random.Random, text: bytes) -> bytes:
    at = rng.randrange(len(text))
    return text[:at] + text[at + rng.randrange(1, 12) :]


def with_a_line_twice(rng: random.Random, text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join([*lines, rng.choice(lines)])


def with_a_key_renamed(rng: random.Random, text: bytes) -> bytes:
    keys = list(KEY.finditer(text))
    if not keys:  # a script has them behind its `# pexen:`
        return flipped(rng, text)
    key = rng.choice(keys)
    group = key.lastindex or 1
    name = bytearray(key[group])
    name.insert(rng.randrange(len(name) + 1), rng.choice(b"aexz_"))
    return text[: key.start(group)] + bytes(name) + text[key.end(group) :]


def with_another_type(rng: random.Random, text: bytes) -> bytes:
    value = rng.choice(list(VALUE.finditer(text)))
    return text[: value.start(1)] + rng.choice(VALUES) + text[value.end(1) :]


MUTATIONS: tuple[Mutation, ...] = (
    truncated,
    flipped,
    garbled,
    without_a_piece,
    with_a_line_twice,
    with_a_key_renamed,
    with_another_type,
)

TREE = b"""\
timeout = "5m"
tags = ["slow", "net"]

[run]
name = "tree"

[groups.disks]
workers = 3

[tasks."net/*"]
provides = ["net"]
claims = ["/dev/sda"]
uses = ["port"]
needs = {memory = "1G", cpus = 2}
retries = 2
retry_on = ["failed", "timed_out"]
when = "arch == 'x86_64' and os.version >= '11'"
on_fail = {locks = "free", deps = "keep"}
exit_codes = "automake"

[tasks."net/*".env]
LANG = "C"
"""

DEEPER = b"""\
priority = 5
idle_timeout = "30s"
after = ["net/up"]
results = "tap"
summary = "what is below"
[tasks.down]
enabled = false
weight = 3
"""

SCRIPT = b"""\
#!/bin/sh
# Does what it does.
# pexen: requires=["net"] timeout="5m" tags=["slow"]
# pexen: claims=["/dev/sda"] retries=2
# pexen: when="arch == 'x86_64'" summary="it does"
exit 0
"""

PARAMS = b"""\
storage = "nvme"
size = 12
fast = true
[net]
device = "eth0"
mtu = 1500.5
"""

PARAMS_JSON = b"""\
{
  "storage": "nvme",
  "size": 12,
  "net": {"device": "eth0", "fast": true}
}
"""


class Kind(NamedTuple):
    """A file that is broken, and how a command meets it."""

    path: str
    good: bytes
    words: tuple[str, ...]
    weight: int


KINDS = (
    Kind("suite/pexen.toml", SETTINGS, ("suite",), 3),
    Kind("project/pyproject.toml", PROJECT, ("project",), 2),
    Kind("tree/pexen.toml", TREE, ("tree",), 4),
    Kind("tree/sub/pexen.toml", DEEPER, ("tree",), 2),
    Kind("tree/sub/script", SCRIPT, ("tree",), 3),
    Kind("night.jsonl", LIST, ("night.jsonl",), 3),
    Kind("night.jobs", LIST, ("night.jobs",), 1),
    Kind("suite/env", ENV, ("suite",), 1),
    Kind("params.toml", PARAMS, ("suite", "--params", "params.toml"), 1),
    Kind("params.json", PARAMS_JSON, ("suite", "--params", "params.json"), 1),
)


class Tried(NamedTuple):
    kind: Kind
    mutant: bytes
    code: int
    seconds: float
    wrong: str | None  #: None: as it should be

    @property
    def was_refused(self) -> bool:
        return self.code == 2


def lay_out(place: Path) -> None:
    """All files, good ones."""
    for path in ("suite/net/up", "project/net/up", "tree/net/up", "tree/sub/down"):
        _script(place / path, b"#!/bin/sh\n")
    _script(place / "tree/sub/script", SCRIPT)
    (place / "project/env").write_bytes(ENV)
    for kind in KINDS:
        (place / kind.path).write_bytes(kind.good)


def _script(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)


def all_tried(place: Path, seed: int) -> Iterator[Tried]:
    """One mutant after the other, without end."""
    rng = random.Random(seed)
    while True:
        (kind,) = rng.choices(KINDS, weights=[kind.weight for kind in KINDS])
        yield tried(place, kind, rng.choice(MUTATIONS)(rng, kind.good))


def tried(place: Path, kind: Kind, mutant: bytes) -> Tried:
    with _broken(place / kind.path, mutant):
        began = time.perf_counter()
        code, _, err = typed_bytes(place, "run", "-n", *kind.words)
        seconds = time.perf_counter() - began
    said = err.decode(errors="replace")
    wrong = None
    if "Traceback" in said or code not in (0, 2, 5):
        wrong = f"exit code {code}"
    elif code == 2 and not re.search(rf"{re.escape(kind.path)}, line [1-9]\d*\b", said):
        # A name that nobody provides is no mistake of one line: the task and the name are told.
        wrong = None if said.startswith("pexen: Unsatisfied requires remain: ['") else "no file and line"
    return Tried(kind, mutant, code, seconds, f"{wrong}: {kind.path}: {mutant!r}\n{said}" if wrong else None)


@contextmanager
def _broken(path: Path, mutant: bytes) -> Iterator[None]:
    good = path.read_bytes()
    path.write_bytes(mutant)
    try:
        yield
    finally:
        path.write_bytes(good)
