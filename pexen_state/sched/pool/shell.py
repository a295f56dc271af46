"""A shell command, and when its shell has nothing to do: most lines of a list name a program and its arguments.

Starting /bin/sh to start that program costs as much as the program itself, if that is a short one. So it is left
out where it could only split the line at its blanks, as make does it.
"""

from __future__ import annotations

import contextlib
import os
import re

SHELL = "/bin/sh"

# With a slash in its first word, it is no word of the shell's own (`exit`, `if`, `cd`), and PATH does not matter;
# without a `=` in there, no assignment. What is not listed may have a meaning to some shell.
_PLAIN = re.compile(r"[\w.+@:,-]*/[\w./+@:,-]*(?:[ \t]+[\w./+@:,%=-]+)*", re.ASCII)


def plain_words(command: str) -> list[str] | None:
    """The words of a command that says the same without a shell; None: it may need one."""
    return command.split() if _PLAIN.fullmatch(command) else None


def with_pwd(environment: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """As a shell hands it to its command: PWD leads to the working directory."""
    said = environment.get(b"PWD", b"")
    with contextlib.suppress(OSError):
        if os.path.isabs(said) and os.path.samefile(said, b"."):
            return environment
    return environment | {b"PWD": os.getcwdb()}
