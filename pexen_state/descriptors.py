"""The numbers of open files: kept away from those of standard input, output and error."""

from __future__ import annotations

import fcntl
import os


def above_standard(descriptor: int) -> int:
    """The same file by a number above 2, and close-on-exec if it was moved. Raises OSError."""
    # In a program without standard input or output their numbers are free; but what has one of them is taken for
    # it by the keeper, and by what tasks execute.
    if descriptor > 2:
        return descriptor
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(descriptor)
