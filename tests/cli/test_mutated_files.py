"""Whatever happened to a settings file or a task list: a sentence with file and line, exit code 2, no journal.

Good files are broken at random, always in the same ways (the seed is fixed). Some mutants are good files again: they
are counted apart. Nothing is run.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pexen_state.cli.main import execute

MUTANTS = 2000

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
    key = rng.choice(list(KEY.finditer(text)))
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

FILES = (
    ("suite/pexen.toml", SETTINGS, "suite"),
    ("project/pyproject.toml", PROJECT, "project"),
    ("night.jsonl", LIST, "night.jsonl"),
    ("night.jobs", LIST, "night.jobs"),
    ("suite/env", ENV, "suite"),
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for tree in ("suite", "project"):
        (tmp_path / tree / "net").mkdir(parents=True)
        (tmp_path / tree / "net/up").write_text("#!/bin/sh\n")
        (tmp_path / tree / "net/up").chmod(0o755)
        (tmp_path / tree / "env").write_bytes(ENV)
    for path, good, _ in FILES:
        (tmp_path / path).write_bytes(good)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    before = dict(os.environ)
    yield tmp_path
    os.environ.clear()  # mutants set variables of all names
    os.environ.update(before)


def mutants(rng: random.Random) -> Iterator[tuple[str, bytes, bytes, str]]:
    while True:
        path, good, target = rng.choices(FILES, weights=(3, 2, 3, 1, 1))[0]
        yield path, good, rng.choice(MUTATIONS)(rng, good), target


def test_a_good_file_is_a_good_file(here: Path, capfd: pytest.CaptureFixture[str]):
    for _, _, target in FILES:
        assert execute(["run", "-n", target]) == 0, capfd.readouterr().err


def test_every_mutant_is_refused_with_file_and_line(here: Path, capfd: pytest.CaptureFixture[str]):
    rng = random.Random(20191)
    ended: Counter[str] = Counter()
    for path, good, mutant, target in mutants(rng):
        (here / path).write_bytes(mutant)
        code = execute(["run", "-n", target])
        said = capfd.readouterr().err
        (here / path).write_bytes(good)
        about = f"{path}: {mutant!r}\n{code}: {said}"
        assert "Traceback" not in said, about
        if code in (0, 5):  # it is a file with a meaning, or without a single task
            ended["good"] += 1
            continue
        assert code == 2, about
        assert re.search(rf"{re.escape(path)}, line [1-9]\d*\b", said), about
        ended["refused"] += 1
        if ended["refused"] == MUTANTS:
            break
    assert ended["good"] < MUTANTS / 2, ended
    assert not list(here.rglob("*.db")), "a journal was made"
    assert not list(here.rglob(".pexen"))
