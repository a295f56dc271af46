"""What a task may cost, in things that can be counted: a few percent more than it does.

System calls and flushes, which the timing of threads still changes, have more room. Whoever makes something cheaper
lowers its budget; whoever needs more raises it and says why. The shapes are those of `scripts/benchmark/shapes.py`,
and `contended` of `suite`: locks of a hierarchy and counted resources.
"""

from __future__ import annotations

#: Calls of functions in the thread that runs: making the tasks, planning, and writing them to the journal.
CALLS = {"independent": 164, "layered": 229, "locks": 259}

#: The same without a journal.
CALLS_IN_MEMORY = {"independent": 138, "layered": 182, "locks": 209, "contended": 391}

#: How much more a task may cost among ten times as many.
GROWTH = 1.03

#: Rows of all tables.
ROWS = 4.01

#: Bytes of the journal's file.
BYTES = {"independent": 162, "layered": 202, "locks": 180}

#: System calls of the runner, its keeper and its workers, those apart that only wait.
SYSTEM_CALLS = {"thread": 0.7, "process": 13.6}

#: Flushes, of which a commit is one and a checkpoint three.
FLUSHES = {"thread": 0.05, "process": 0.2}

#: Of the processor, in memory, layers: making the tasks and running them.
INSTRUCTIONS = 276_000

#: The same of a report. Numbers become longer with their number.
GROWTH_OF_REPORTS = 1.05
