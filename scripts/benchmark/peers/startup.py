"""How long it takes until something is there: a process of python, our help, our status of a large journal.

Variants: python, help, status; and prepare, which makes the journal that status looks at.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import warnings

from scripts.benchmark import child
from scripts.benchmark.peers.ours import described, pool_of
from scripts.benchmark.shapes import shape_of
from scripts.benchmark.witness import Witness

TIMES = 5  #: the median of so many starts is what one run of this says


def main() -> None:
    asked = child.asked()
    kept = os.path.join(os.path.dirname(asked.directory), f"status-{asked.n}.db")
    if asked.variant == "prepare":
        prepare(asked, kept)
        return
    words = {
        "python": [sys.executable, "-c", "pass"],
        "help": [sys.executable, "-m", "pexen_state", "--help"],
        "status": [sys.executable, "-m", "pexen_state", "--journal", kept, "status"],
    }[asked.variant]
    child.tell(sorted(map(seconds_of, [words] * TIMES))[TIMES // 2])


def prepare(asked: child.Asked, kept: str) -> None:
    from pexen_state.sched import Sched

    warnings.simplefilter("ignore")
    shape = shape_of("layered", asked.n)
    began = time.perf_counter()
    journal = asked.path("journal.db")
    for _ in Sched(described(Witness(shape).bodies, shape), journal=journal).run(pool_of("thread")):
        pass
    shutil.copyfile(journal, kept)
    child.tell(time.perf_counter() - began)


def seconds_of(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
