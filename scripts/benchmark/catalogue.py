"""Who is compared: what each needs to be there, what it can run, and what is left of a run when it is killed."""

from __future__ import annotations

from typing import NamedTuple

from scripts.benchmark.shapes import SHAPES

MEMORY = "in memory"
AT_THE_END = "written at its end"
NOT_FLUSHED = "written, not flushed"
DURABLE = "flushed to the disk"


class Peer(NamedTuple):
    """One runner in one of its ways."""

    name: str  #: for `--only`
    title: str
    module: str  #: of `peers`
    variant: str
    keeps: str  #: where a result is when it is shown
    shapes: tuple[str, ...] = SHAPES
    package: str | None = None  #: what pip installs into an environment of its own
    tool: str | None = None  #: a command that has to be there
    apt: str | None = None  #: the Debian package of that command
    is_ours: bool = False
    is_limit: bool = False  #: no runner: what the storage itself can do

    @property
    def environment(self) -> str | None:
        return self.package and self.package.split("=")[0]


EDGES = ("independent", "layered", "chain")
TRUE = ("true",)

PEERS = (
    Peer("ours-thread", "pexen_state, journal, threads", "ours", "thread-journal", DURABLE, is_ours=True),
    Peer("ours-process", "pexen_state, journal, processes", "ours", "process-journal", DURABLE, is_ours=True),
    Peer("ours-thread-memory", "pexen_state, no journal, threads", "ours", "thread-memory", MEMORY, is_ours=True),
    Peer("ours-process-memory", "pexen_state, no journal, processes", "ours", "process-memory", MEMORY, is_ours=True),
    Peer("original", "pexen 0.0.3, the original", "original", "", MEMORY, package="pexen==0.0.3"),
    Peer("graphlib", "graphlib, concurrent.futures", "graph", "", MEMORY, EDGES),
    Peer("doit", "doit on sqlite3, one by one", "doit", "serial", AT_THE_END, EDGES, package="doit"),
    Peer("doit-thread", "doit on sqlite3, 2 threads", "doit", "thread", AT_THE_END, EDGES, package="doit"),
    Peer("huey", "huey, SQLite with fsync", "huey", "", DURABLE, ("independent",), package="huey"),
    Peer("dbos", "DBOS on SQLite", "dbos", "", DURABLE, ("independent", "chain"), package="dbos"),
    Peer("sqlite-two-rows", "SQLite alone, 2 rows a task", "sqlite", "two-rows", DURABLE,
         ("independent",), is_limit=True),
    Peer("sqlite-one-row", "SQLite alone, 1 row a commit", "sqlite", "one-row", DURABLE, ("chain",), is_limit=True),
    Peer("ours-true-run", "pexen run, journal", "executables", "run", DURABLE, TRUE, is_ours=True),
    Peer("ours-true-api", "pexen_state, journal, without start-up", "executables", "api", DURABLE, TRUE, is_ours=True),
    Peer("spawn", "a bare loop of posix_spawn", "executables", "spawn", MEMORY, TRUE, is_limit=True),
    Peer("parallel", "GNU parallel --joblog", "executables", "parallel", NOT_FLUSHED, TRUE, tool="parallel",
         apt="parallel"),
    Peer("ninja", "ninja", "executables", "ninja", NOT_FLUSHED, TRUE, tool="ninja", apt="ninja-build"),
    Peer("make", "make -j2", "executables", "make", MEMORY, TRUE, tool="make", apt="make"),
    Peer("racks", "pexen_state, journal, locks that are paths, counted resources", "racks", "", DURABLE, ("racks",),
         is_ours=True),
    Peer("resume", "pexen_state, resume", "resume", "resume", DURABLE, ("half",), is_ours=True),
    Peer("start-python", "python -c pass", "startup", "python", MEMORY, ("start",), is_limit=True),
    Peer("start-help", "pexen --help", "startup", "help", MEMORY, ("start",), is_ours=True),
    Peer("start-status", "pexen status", "startup", "status", MEMORY, ("start",), is_ours=True),
)  # fmt: skip

PEER = {peer.name: peer for peer in PEERS}
