"""What pexen needs from the box and is not given: told as a sentence, with what to do.

Journal and pool say themselves what they cannot do. This is for all the small things that stand between: a file of
/proc that is read, a pipe that is made. Tasks are no concern of it: what they lack is their own failure.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from pexen_state.util import PexenError


class BoxError(PexenError):
    """The box did not give pexen what it needs: files, processes, memory, room on a disk."""


_WAYS_OUT = {
    errno.EMFILE: "Raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "Raise the limit of open files of the box (`sysctl fs.file-max`)",
    errno.ENOMEM: "Free some memory",
    errno.EAGAIN: "Raise the limit of processes (`ulimit -u`, or the service's TasksMax)",
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space",
    errno.EFBIG: "Raise the limit of the size of files (`ulimit -f`)",
    errno.EROFS: "Make the file system writable",
    errno.EIO: "Look at the disk (the kernel's log names it)",
    errno.ENOLCK: "Put the journal on a file system that has locks",
}


def in_words(error: OSError) -> str | None:
    """What is missing, and the way out; None if the box is not to blame for such an error."""
    way_out = _WAYS_OUT.get(error.errno or 0)
    if way_out is None:
        return None
    where = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, str | bytes) else ""
    return f"the box does not give pexen what it needs ({error.strerror}{where}). {way_out}, then `pexen resume`."


@contextmanager
def told() -> Iterator[None]:
    """Raises BoxError for what the box refuses meanwhile."""
    try:
        yield
    except OSError as error:
        if (words := in_words(error)) is None:
            raise
        raise BoxError(words) from error
