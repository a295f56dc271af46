"""Who is killed when memory runs out: tasks, and whatever else there is, before the runner of a service.

Its unit says so to the kernel, for all that it starts; workers take it back for themselves and their tasks. Nobody else
has exactly that value, so what somebody set on purpose is left as it is.
"""

from __future__ import annotations

from contextlib import suppress

#: Of 1000; below zero is killed later than others.
OF_A_RUNNER = -250

_PATH = "/proc/self/oom_score_adj"


def be_as_others(path: str = _PATH) -> None:
    """For a process that tasks inherit from. What cannot be read or written stays as it is."""
    with suppress(OSError, ValueError), open(path, "r+", encoding="ascii") as file:
        if int(file.read()) == OF_A_RUNNER:
            file.seek(0)
            file.write("0")
