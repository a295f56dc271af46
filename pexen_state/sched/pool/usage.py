"""What an attempt uses of the box, counted by a cgroup of its own, where the runner's service was handed some.

A worker makes it, and tells what was used. Of an attempt that took its worker with it the runner tells; and what a dead
runner has left there is found by the name, whatever its environment says.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from typing import NamedTuple

from pexen_state.box.cgroups import Cgroup, Delegated, name_of
from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.journal.records import USAGE, SubResult
from pexen_state.sched.meta import find_meta
from pexen_state.sched.pool.base import Body, Context
from pexen_state.words import amount_text, joined

_PREFIX = "attempt-"
_NO_LIMIT = "no cgroup that limits memory was handed to this runner; `pexen doctor` says more"


class Used(NamedTuple):
    """What is known of it."""

    results: tuple[SubResult, ...] = ()
    shortage: str | None = None  #: memory ran out: a part of the reason for its end


class Usage:
    """Of one attempt. Where there are no cgroups it does nothing, but tells of a limit that could not be set."""

    def __init__(self, delegated: Delegated | None, context: Context | None, body: Body) -> None:
        meta = find_meta(body)
        self._memory_max: int | None = meta.value("memory_max") if meta is not None else None
        self._limits_memory = delegated is not None and delegated.limits_memory
        self._cgroup: Cgroup | None = None
        if delegated is not None and context is not None:
            self._cgroup = delegated.cgroup(_PREFIX + context.attempt_id)

    def begin(self) -> None:
        """Make its cgroup. What cannot be made is done without: the attempt is what matters."""
        if self._cgroup is not None:
            try:
                self._cgroup.make(self._memory_max if self._limits_memory else None)
            except OSError:
                self._cgroup = None

    def inside(self) -> AbstractContextManager[None]:
        """What is started meanwhile is counted, and this process is, too."""
        return self._cgroup.inside() if self._cgroup is not None else nullcontext()

    def end(self) -> Used:
        """To be called when nothing of it runs any more, by who began it or after that one's death."""
        usage = None
        if self._cgroup is not None:
            usage = self._cgroup.usage()
            self._cgroup.remove()
        notes: list[str] = []
        metrics: dict[str, float] = {}
        shortage = None
        if usage is not None:
            notes.append(f"{usage.cpu_s:.2f} s of processor time")
            metrics = {"cpu_seconds": usage.cpu_s, "cpu_system_seconds": usage.system_s}
            if usage.memory_peak is not None:
                notes.append(f"at most {amount_text(usage.memory_peak)} of memory")
                metrics["memory_peak_bytes"] = usage.memory_peak
            if usage.oom_kills:
                allowed = f": it may have {amount_text(self._memory_max)}" if self._memory_max is not None else ""
                shortage = f"out of memory{allowed}"
        if self._memory_max is not None and (usage is None or not self._limits_memory):
            notes.append(f"memory was not limited to {amount_text(self._memory_max)}: {_NO_LIMIT}")
        if not notes:
            return Used()
        return Used((SubResult(USAGE, Verdict.INFO, ", ".join(notes), metrics or None),), shortage)


def with_shortage(ending: Ending, shortage: str | None) -> Ending:
    """The ending of what was killed, saying why."""
    if shortage is None or ending.cause is not Cause.SIGNALLED:
        return ending
    return ending._replace(reason=joined(ending.reason, shortage))


def cgroups_of(attempt_ids: str) -> list[Cgroup]:
    """Those of attempts whose ids begin like this, as far as they were handed to this process."""
    delegated = Delegated.here()
    return delegated.cgroups(_PREFIX + attempt_ids) if delegated is not None else []


def kill_cgroup_of(delegated: Delegated, pid: int) -> None:
    """SIGKILL for the whole attempt that a process belongs to; nothing for one that belongs to none."""
    with suppress(OSError):
        if (name := name_of(pid)).startswith(_PREFIX):
            delegated.cgroup(name).kill()
