"""What the kernel says of trouble while tasks run: every attempt that ran then is told of it.

Nobody knows which task a WARNING or a BUG is the fault of, so all that were running have it as a result named `kernel`.
What it means for a task is the task's to say: a warning, a failure, or nothing (`kernel` in its metadata).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from pexen_state.box.kernel_log import KernelLog, taint, taint_in_words
from pexen_state.core.inputs import Ending
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, Verdict
from pexen_state.journal.records import SubResult

#: The kernel's clock and ours are one at first, and drift apart over days.
_SLACK = 0.02

#: Longer than attempts that are looked after are expected to be told of late.
_MOST_KEPT = 500

_MOST_LINES = 5
_LONGEST_LINE = 300


class _Trouble(NamedTuple):
    at: float  #: `time.monotonic()`
    line: str


class KernelWatch:
    """Looks into the kernel's log whenever it is asked to; keeps what is trouble."""

    def __init__(
        self,
        log: KernelLog,
        tells_all: bool = True,
        taint: Callable[[], int] = taint,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`tells_all`: not only tasks that are to fail of it."""
        self._log = log
        self._tells_all = tells_all
        self._taint = taint
        self._clock = clock
        self._wall_clock = wall_clock
        self._bits = taint()
        self._seen: deque[_Trouble] = deque(maxlen=_MOST_KEPT)
        self._looked = self._before = clock()  # last, and the time before that

    def is_told(self, spec: TaskSpec) -> bool:
        """Whether the task wants to hear of trouble."""
        return spec.kernel == "fail" or (self._tells_all and spec.kernel == "warn")

    def close(self) -> None:
        self._log.close()

    def look(self) -> bool:
        """Take what was said since. True if there is trouble, new or old, that an attempt may have to be told of."""
        self._before, self._looked = self._looked, self._clock()
        said = self._log.take()
        troubles = [one for one in said if one.is_trouble]
        # It cannot have been before the last look, whatever the kernel's clock says by now.
        self._seen.extend(
            _Trouble(min(max(one.seconds, self._before), self._looked), one.text[:_LONGEST_LINE]) for one in troubles
        )
        if said and (new := self._taint() & ~self._bits):  # nothing taints a kernel that says nothing
            self._bits |= new
            line = f"the kernel is tainted now: {', '.join(taint_in_words(new))}"
            self._seen.append(_Trouble(self._seen[-1].at if troubles else self._looked, line))
        return bool(self._seen)

    def during(self, seconds: float, began_us: int) -> list[str]:
        """Trouble while an attempt ran that took so long, and of whose end nobody had told at the look before the last;
        the oldest first. Lines that came several times are there once. `began_us` is by the wall clock.
        """
        began = self._clock() - (self._wall_clock() - began_us / 1e6)
        # Should the wall clock have jumped meanwhile, it is not believed.
        began = min(max(began, self._before - seconds), self._looked - seconds)
        return list(dict.fromkeys(one.line for one in self._seen if one.at >= began - _SLACK))


def watch_for(specs: Iterable[TaskSpec], is_asked: bool) -> KernelWatch | None:
    """None if nobody wants it, or where the kernel's log is not for us."""
    if not is_asked and all(spec.kernel != "fail" for spec in specs):
        return None
    log = KernelLog.open()
    return KernelWatch(log, tells_all=is_asked) if log is not None else None


def told(ending: Ending, lines: Iterable[str], gates: bool) -> tuple[Ending, SubResult]:
    """What trouble makes of an attempt's end. `gates`: the task is to fail of it."""
    found = list(lines)
    more = f" (and {len(found) - _MOST_LINES} more lines)" if len(found) > _MOST_LINES else ""
    note = "\n".join(found[:_MOST_LINES]) + more
    result = SubResult("kernel", Verdict.FAIL if gates else Verdict.WARN, note)
    if ending.cause is Cause.RETURNED:
        reason = f"the kernel said: {found[0]}"
        if gates:
            return Ending(Cause.KERNEL, Verdict.FAIL, reason=reason), result
        if ending.verdict < Verdict.WARN:
            ending = ending._replace(verdict=Verdict.WARN, reason=ending.reason or reason)
    return ending, result
