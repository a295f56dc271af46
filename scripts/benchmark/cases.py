"""What is run: contests, in each of which several peers run the same thing, one after the other, again and again.

A ratio is only ever taken of two medians; where it can be, of the same contest, so that the mood of the machine is
the same for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from scripts.benchmark.catalogue import PEER, PEERS

NO_OP = [peer.name for peer in PEERS if peer.module not in ("executables", "racks", "resume", "startup")]
DURABLE_PEERS = ("ours-thread", "ours-process", "huey", "dbos", "sqlite-one-row")

#: Shape -> sizes. A chain waits for the disk at each task, so that more of it shows nothing new.
SIZES = {
    "independent": (1_000, 10_000, 100_000),
    "layered": (1_000, 10_000, 100_000),
    "chain": (1_000, 10_000),
    "locks": (1_000, 10_000, 100_000),
}

#: Peer -> its largest size, so that all of it ends in half an hour; who is not here has no limit but a minute.
LARGEST = {
    "ours-process-memory": 10_000,
    "doit-thread": 10_000,  # the slower way of the two
    "dbos": 1_000,  # it flushes for each step, at any size
}

#: Who runs 100,000 independent tasks, and who as many under locks; of layers everybody does.
LARGE = {"independent": ("ours-thread", "ours-thread-memory", "graphlib", "sqlite-two-rows"), "locks": ("ours-thread",)}


class Case(NamedTuple):
    peer: str
    shape: str
    n: int
    sleep_us: int = 0
    flush_us: int = 0  #: by which every flush is slowed

    @property
    def label(self) -> str:
        sleep = f", {self.sleep_us / 1000:g} ms a task" if self.sleep_us else ""
        disk = f", flushes {self.flush_us / 1000:g} ms slower" if self.flush_us else ""
        return f"{self.peer}/{self.shape} {self.n:,}{sleep}{disk}"


class Contest(NamedTuple):
    cases: Sequence[Case]
    before: Sequence[tuple[Case, str]] = ()  #: (case, variant) to be run once, whose time says nothing


def full() -> list[Contest]:
    return [
        *_no_ops(SIZES),
        *(Contest([Case("ours-thread", shape, 1_000_000)]) for shape in ("independent", "layered", "locks")),
        *(Contest([Case("racks", "racks", n)]) for n in (10_000, 100_000)),
        *_sleeping(10_000, 1_000),
        *_slow_disks(10_000, 1_000, 200),
        _executables(1_000),
        *(_resume(n) for n in (20_000, 200_000, 1_000_000)),
        _start(10_000),
    ]


def quick() -> list[Contest]:
    """Enough to see that all of it works, and about how fast."""
    contests = [
        *_no_ops(dict.fromkeys(SIZES, (1_000,))),
        *(Contest([Case("ours-thread", shape, 10_000)]) for shape in ("independent", "layered")),
        Contest([Case("racks", "racks", 1_000)]),
        *_sleeping(1_000, 200),
        *_slow_disks(1_000, 100, 20),
        _executables(200),
        _resume(20_000),
        _start(1_000),
    ]
    return [
        contest._replace(cases=[case for case in contest.cases if _is_quick(case)])
        for contest in contests
        if any(map(_is_quick, contest.cases))
    ]


def _is_quick(case: Case) -> bool:
    if case.peer == "dbos":  # seconds to start, and more on a slow disk
        return case.shape == "independent" and not case.flush_us
    return case.flush_us != 1_000


def _no_ops(sizes: Mapping[str, Sequence[int]]) -> Iterator[Contest]:
    for shape, counts in sizes.items():
        able = [name for name in NO_OP if shape in PEER[name].shapes]
        for n in counts:
            names = LARGE.get(shape, able) if n == 100_000 else able
            yield Contest([Case(name, shape, n) for name in names if n <= LARGEST.get(name, n)])
        if shape == "chain" and len(counts) > 1:
            yield Contest([Case(name, shape, 5_000) for name in ("ours-thread", "original", "sqlite-one-row")])


def _sleeping(short: int, long: int) -> Iterator[Contest]:
    """1 ms and 10 ms tasks, on this disk and on slower ones; without a journal, for comparison."""
    for sleep_us, n in ((1_000, short), (10_000, long)):
        journaled = [Case("ours-thread", "independent", n, sleep_us, flush_us) for flush_us in (0, 1_000, 5_000)]
        yield Contest([Case("ours-thread-memory", "independent", n, sleep_us), *journaled])


def _slow_disks(many: int, some: int, few: int) -> Iterator[Contest]:
    """Who waits for the disk at each task gets fewer of them; what is compared is tasks a second."""
    for flush_us in (1_000, 5_000):
        for shape in ("independent", "layered", "chain", "locks"):
            cases = []
            for name in DURABLE_PEERS:
                n = (some if shape == "chain" else many) if PEER[name].is_ours else few
                if shape in PEER[name].shapes:
                    cases.append(Case(name, shape, n, 0, flush_us))
            yield Contest(cases)


def _executables(n: int) -> Contest:
    return Contest([Case(peer.name, "true", n) for peer in PEERS if peer.module == "executables"])


def _resume(n: int) -> Contest:
    case = Case("resume", "half", n)
    return Contest([case], [(case, "prepare")])


def _start(n: int) -> Contest:
    cases = [Case(peer.name, "start", n) for peer in PEERS if peer.module == "startup"]
    return Contest(cases, [(cases[0], "prepare")])


def only(contests: Iterable[Contest], wanted: Sequence[str]) -> list[Contest]:
    """What fits one of the words PEER, PEER/SHAPE or /SHAPE. Raises ValueError for a word that fits nothing."""
    words = [(*word.split("/", 1), "")[:2] for word in wanted]
    left = []
    used = set()
    for contest in contests:
        cases = []
        for case in contest.cases:
            fits = [word for word in words if word[0] in ("", case.peer) and word[1] in ("", case.shape)]
            used.update(fits)
            if fits:
                cases.append(case)
        if cases:
            left.append(contest._replace(cases=cases))
    for word, as_typed in zip(words, wanted, strict=True):
        if word not in used:
            raise ValueError(f"nothing is called {as_typed!r}: it is PEER, PEER/SHAPE or /SHAPE, see --list")
    return left
