"""An executable as a callable: what factories make of a file or of a command line.

It says what is to be run and how its exit status is read. Called directly it runs in the caller's process,
as `subprocess.run(check=True)` does; a pool runs it in a worker of its own instead (`pool.spawn`).
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pexen_state.core.spec import Declared
from pexen_state.core.states import Verdict
from pexen_state.util import PexenError

#: Exit status -> verdict. What is in no table is `fail`.
TABLES: dict[str, dict[int, Verdict]] = {
    "plain": {0: Verdict.PASS},
    "automake": {0: Verdict.PASS, 77: Verdict.SKIP, 99: Verdict.ERROR},
    # XFAIL, 2, is a failure that was expected; XPASS, 3, is one that was expected and did not come.
    "kselftest": {0: Verdict.PASS, 1: Verdict.FAIL, 2: Verdict.PASS, 3: Verdict.WARN, 4: Verdict.SKIP},
}

#: The Linux Test Project's status is a set of bits; the worst one counts.
LTP_BITS: tuple[tuple[int, Verdict], ...] = (
    (2, Verdict.ERROR),  # TBROK
    (1, Verdict.FAIL),  # TFAIL
    (4, Verdict.WARN),  # TWARN
    (32, Verdict.SKIP),  # TCONF
    (16, Verdict.INFO),  # TINFO
)

TABLE_NAMES = (*TABLES, "ltp")

StatusTable = str | Mapping[int, str]


@dataclass(eq=False)
class Executable:
    """One executable to run. Two of them are equal only if they are the same object, as functions are.

    argv         the words of the command line; a str only with `shell`
    cwd          where it runs; None: where the runner is
    executable   what is really run, if not argv[0]
    shell        run `argv` by /bin/sh -c
    popen        further arguments for `subprocess.Popen`
    statuses     a name of TABLE_NAMES, or {exit status: verdict word}, where what is not named is "fail"
    declared     whether its failure keeps the promises of an executable, or of a plain callable
    origin       where it is written down, for messages: "nightly.jobs, line 3"
    """

    argv: str | Sequence[str]
    cwd: str | None = None
    executable: str | None = None
    shell: bool = False
    popen: Mapping[str, Any] = field(default_factory=dict)
    statuses: StatusTable = "plain"
    declared: Declared = Declared.EXECUTABLE
    origin: str | None = None

    def __post_init__(self) -> None:
        check_statuses(self.statuses)

    def __call__(self) -> subprocess.CompletedProcess[Any]:
        return subprocess.run(self.argv, check=True, **self.popen_arguments())

    def popen_arguments(self) -> dict[str, Any]:
        """Arguments for `subprocess.Popen`, as the factory's caller would write them."""
        arguments = dict(self.popen)
        if self.cwd is not None:
            arguments["cwd"] = self.cwd
        if self.executable is not None:
            arguments["executable"] = self.executable
        if self.shell:
            arguments["shell"] = True
        return arguments


def check_statuses(statuses: StatusTable) -> None:
    """Raise PexenError, saying what there is, if an exit-status table does not exist or has no such verdict."""
    if isinstance(statuses, str):
        if statuses not in TABLE_NAMES:
            raise PexenError(f"no exit-status table is called {statuses!r}; there are: {', '.join(TABLE_NAMES)}")
        return
    for status, word in statuses.items():
        if type(status) is not int or not 0 <= status <= 255:
            raise PexenError(f"{status!r} is not an exit status: these are the numbers from 0 to 255")
        if word not in _JUDGED:
            raise PexenError(f"exit status {status} cannot mean {word!r}; verdicts are: {', '.join(_JUDGED)}")


def verdict_of(statuses: StatusTable, status: int) -> Verdict:
    """What a table makes of an exit status from 0 to 255."""
    if statuses == "ltp":
        if status == 0:
            return Verdict.PASS
        return next((verdict for bit, verdict in LTP_BITS if status & bit), Verdict.ERROR)
    if isinstance(statuses, str):
        return TABLES[statuses].get(status, Verdict.FAIL)
    word = statuses.get(status)
    if word is not None:
        return _JUDGED[word]
    # A table of one's own says what differs; nobody means by leaving 0 out that it is a failure.
    return Verdict.PASS if status == 0 else Verdict.FAIL


def signal_name(number: int) -> str:
    """SIGSEGV for 11; a real-time signal has only its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_JUDGED = {v.word: v for v in (Verdict.SKIP, Verdict.INFO, Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.ERROR)}
