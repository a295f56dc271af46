"""What a task may cost, in things that can be counted; a few percent above what it costs.

Whoever makes something cheaper lowers its budget; whoever needs more raises it and says why. Of 10 locks, layers of
100 and so on: see `scripts/benchmark/shapes.py`.
"""

from __future__ import annotations

#: Calls of functions in the thread that runs: making the tasks, planning, and writing them to the journal.
CALLS = {"independent": 470, "layered": 540, "locks": 540}

#: The same without a journal.
CALLS_IN_MEMORY = {"independent": 390, "layered": 440, "locks": 460}

#: How much more a task may cost among ten times as many.
GROWTH = 1.03

#: Rows of all tables.
ROWS = 4.01

#: Bytes of the journal's file.
BYTES = {"independent": 165, "layered": 220, "locks": 190}

#: System calls of the runner, its keeper and its workers, those apart that only wait.
SYSTEM_CALLS = {"thread": 4.0, "process": 14.0}

#: Flushes, of which a commit is one and a checkpoint three.
FLUSHES = {"thread": 0.05, "process": 0.2}

#: Of the processor, in memory, layers: making the tasks and running them.
INSTRUCTIONS = 660_000
