"""What SQLite itself can do, by the standard library's module: write-ahead log, `synchronous=FULL`.

Variants: two-rows inserts two rows of five columns a task, a thousand rows a commit, which is the least that a
journal of beginnings and ends has to write; one-row inserts one row a commit, which is the least for a chain.
"""

from __future__ import annotations

import sqlite3
import time

from scripts.benchmark import child

INSERT = "INSERT INTO note VALUES (?, ?, ?, ?, ?)"
ROWS = 1000  #: of a commit


def main() -> None:
    asked = child.asked()
    connection = sqlite3.connect(asked.path("limit.db"), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE note (seq INTEGER PRIMARY KEY, task INTEGER, state INTEGER, at REAL, result BLOB)")
    total, rows = (asked.n, 1) if asked.variant == "one-row" else (asked.n * 2, ROWS)
    began = time.perf_counter()
    for first in range(0, total, rows):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            INSERT, [(seq, seq // 2, seq % 2, 1.0, None) for seq in range(first, min(first + rows, total))]
        )
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    (written,) = connection.execute("SELECT count(*) FROM note").fetchone()
    child.tell(seconds, [] if written == total else [f"{written} rows, not {total}"])


if __name__ == "__main__":
    main()
