"""Why a script that is there cannot be started: the interpreter that its first line names is not.

The kernel calls both the script's "No such file or directory", and people look for a file that they see.
"""

from __future__ import annotations

import os
import re
import shutil
import stat

_FIRST_LINE = 256  # bytes, as many as the kernel reads
_NAMED = re.compile(rb"#![ \t]*([^ \t\n\0]+)")


def why_not_there(script: str, cwd: str | None) -> str:
    """` (its first line names ...)`, to be put after the kernel's words; nothing if that is not the reason."""
    found = script if os.sep in script else shutil.which(script)
    if found is None:
        return ""
    name = _interpreter(os.path.join(cwd or "", found))
    if name is None or os.path.exists(os.path.join(cwd or "", name)):
        return ""
    if name.endswith("\r"):
        return f" (its first line ends as lines do on Windows, so it names {name[:-1]!r} with a carriage return)"
    return f" (the interpreter that its first line names, {name}, is not there)"


def _interpreter(script: str) -> str | None:
    try:
        file = os.open(script, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        named = _NAMED.match(os.read(file, _FIRST_LINE)) if stat.S_ISREG(os.fstat(file).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(file)
    return os.fsdecode(named[1]) if named else None
