"""The README does what it says: its files are written, its commands run, and they print what stands there.

In a `console` block a line that begins with `$ ` is run by bash; the lines up to the next one are its output,
where times and the version do not count. A block behind a comment `<!-- file: NAME -->` is written to that file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(
    r"(?:<!-- file: (?P<name>\S+) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
COMMAND = re.compile(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)


@pytest.fixture
def demo(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable), prepend=os.pathsep)
    monkeypatch.setenv("NO_COLOR", "1")
    # Somebody may have a journal in a directory above.
    monkeypatch.setenv("PEXEN_JOURNAL", ".pexen/journal.db")
    directory = tmp_path / "demo"
    directory.mkdir()
    return directory


def test_every_example_does_what_stands_there(demo):
    told = False
    for block in BLOCK.finditer(README.read_text()):
        if block["name"]:
            (demo / block["name"]).write_text(block["text"])
        elif block["kind"] == "console":
            for example in COMMAND.finditer(block["text"]):
                told = True
                check(example["command"], example["output"], demo)
    assert told


def check(command, wanted, directory):
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert timeless(done.stdout) == timeless(wanted), f"$ {command}\n{done.stdout}"


def timeless(output):
    """Without what differs from one run to the next."""
    output = re.sub(r"\[ *\d+\.\d+s ?\]", "[ time ]", output)
    output = re.sub(r"\bin \d+(\.\d+)?s$", "in time", output, flags=re.MULTILINE)
    return re.sub(r"^pexen \d\S*", "pexen version", output, flags=re.MULTILINE)
