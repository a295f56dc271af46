"""Commands that are typed in this very process: for looking verbs, of which a test wants many."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

from pexen_state.cli.main import execute
from tests.cli.box import Ended


def typed_bytes(directory: Path, *words: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    """(exit code, standard output, standard error) of a command that is typed in a directory."""
    out, err = io.BytesIO(), io.BytesIO()
    before = os.getcwd(), sys.stdin, sys.stdout, sys.stderr, dict(os.environ)
    try:
        os.chdir(directory)
        os.environ["HOME"] = str(directory)
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        sys.stdout = io.TextIOWrapper(out, encoding="utf-8", newline="\n")
        sys.stderr = io.TextIOWrapper(err, encoding="utf-8", newline="\n")
        code = execute(list(words))
        sys.stdout.flush()
        sys.stderr.flush()
        return code, out.getvalue(), err.getvalue()
    finally:
        here, sys.stdin, sys.stdout, sys.stderr, environment = before
        os.chdir(here)
        os.environ.clear()
        os.environ.update(environment)


def typed(directory: Path, *words: str, stdin: bytes = b"") -> Ended:
    code, out, err = typed_bytes(directory, *words, stdin=stdin)
    assert b"Traceback" not in err, err.decode()
    return Ended(code, out.decode("utf-8"), err.decode("utf-8"))


def typed_json(directory: Path, *words: str) -> Any:
    done = typed(directory, *words, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["schema"] == 1
    return document
