"""The examples that stand in the documentation: found, run for real, compared, and written anew.

In a `console` block a line that begins with `$ ` is run by bash, with the lines that follow and begin with `> `; the
lines up to the next command are its output. A block behind a comment `<!-- file: NAME -->` is written to that file
first, and is made executable if it begins with `#!`. All of a page happens in one directory, in the order of the page.

What differs from one time to the next does not count: see `timeless`. `scripts/write_docs` uses the same code to put
the outputs of today into the pages.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    "docs/getting-started.md",
    "docs/crashes.md",
    "docs/trees.md",
    "docs/selection.md",
    "docs/events.md",
    "docs/adding.md",
    "docs/library.md",
)

#: What the directory of the examples is called on the page, wherever it is.
PLACE = "/home/you/demo"

_BLOCK = re.compile(
    r"(?:<!-- file: (?P<name>\S+) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_COMMAND = re.compile(r"^\$ (?P<command>.*\n(?:> .*\n)*)(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)


class Example(NamedTuple):
    command: str
    wanted: str  #: what the page says
    printed: str  #: what it did
    start: int  #: where `wanted` begins in the page
    end: int


def environment() -> dict[str, str]:
    """As of somebody who has installed pexen, and has no runs of his own anywhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PEXEN_")}
    kept["PATH"] = os.path.dirname(sys.executable) + os.pathsep + kept.get("PATH", os.defpath)
    # Somebody may have a journal in a directory above.
    return {**kept, "NO_COLOR": "1", "PEXEN_JOURNAL": ".pexen/journal.db", "LC_ALL": "C.UTF-8", "COLUMNS": "120"}


def run_all(page: str, directory: Path) -> Iterator[Example]:
    """Do what the page says, one command after the other."""
    for block in _BLOCK.finditer(page):
        if block["name"]:
            file = directory / block["name"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block["text"])
            if block["text"].startswith("#!"):
                file.chmod(0o755)
        elif block["kind"] == "console":
            for found in _COMMAND.finditer(block["text"]):
                printed = _printed(found["command"].replace("\n> ", "\n"), directory)
                start = block.start("text") + found.start("output")
                yield Example(found["command"], found["output"], printed, start, start + len(found["output"]))


def _printed(command: str, directory: Path) -> str:
    with subprocess.Popen(
        ["bash", "-c", command],
        cwd=directory,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=120)
        finally:
            if process.poll() is None:  # an example that hangs takes what it started with it
                os.killpg(process.pid, signal.SIGKILL)
    text = printed.decode().replace(str(directory), PLACE)
    box = os.uname()
    return text.replace(f"on {box.nodename}, kernel {box.release}", "on box, kernel 6.1.0")


#: What differs from one time, or one box, to the next.
_CHANGING = (
    (r"\[ *>?\d+\.\d+s ?\]", "[ time ]"),
    (r"\b\d+(\.\d+)?(ms|s|m\d\ds|h\d\dm|m|h)\b", "time"),
    (r"\b\d+:\d\d(:\d\d)?\b", "time"),
    (r"\d{4}-\d\d-\d\d[ T]time(\.\d+Z)?", "date"),
    (r"^pexen \d\S*", "pexen version"),
    (r"\bpid \d+", "pid"),
    (r" on \S+, kernel \S+", " on this box"),
    (r" +", " "),  # columns are as wide as what is in them
    (r"-{2,}|\u2500+", "--"),
    (r" $", ""),
)


def timeless(output: str) -> str:
    """An output without what differs from one time to the next."""
    for pattern, word in _CHANGING:
        output = re.sub(pattern, word, output, flags=re.MULTILINE)
    return output


def rewritten(page: str, directory: Path) -> str:
    """The page with the outputs of now, if any of them says something else: a page tells one story, at one time."""
    told = list(run_all(page, directory))
    if all(timeless(example.wanted) == timeless(example.printed) for example in told):
        return page
    parts, at = [], 0
    for example in told:
        parts += [page[at : example.start], example.printed]
        at = example.end
    return "".join([*parts, page[at:]])
