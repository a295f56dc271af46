"""What the program of a peer is told, and how it answers: one JSON object each."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple


class Asked(NamedTuple):
    variant: str  #: which of the things that the program can do
    shape: str
    n: int
    sleep_us: int
    directory: str  #: an empty one on the disk that is measured

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)


def asked() -> Asked:
    return Asked(**json.loads(sys.argv[1]))


def tell(seconds: float, complaints: Iterable[str] = (), **more: Any) -> None:
    """Answer. `seconds` is the run section: from calling the runner to its last result."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "complaints": list(complaints), "peak_kib": peak, **more}), flush=True)


def rss_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def flushes() -> tuple[int, int]:
    """(of SQLite's write-ahead logs, of other files) that this process asked for; needs `slow_disk.c` preloaded."""
    try:
        shim = ctypes.CDLL(None)
        return int(shim.slow_disk_wal_flushes()), int(shim.slow_disk_other_flushes())
    except AttributeError:
        return 0, 0


def is_counted() -> bool:
    return hasattr(ctypes.CDLL(None), "slow_disk_wal_flushes")
