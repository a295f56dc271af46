"""All that the doctor has to say about what was seen, in the order in which it is said. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pexen_state.cli.doctor import of_box, of_journal, of_service
from pexen_state.cli.doctor.finding import Finding
from pexen_state.cli.doctor.seen import Journal, Kernel, Seen, Services, Systemd, Unknown


def findings(seen: Seen) -> list[Finding]:
    return list(_findings(seen))


def _findings(seen: Seen) -> Iterator[Finding]:
    journal = seen.journal if isinstance(seen.journal, Journal) else None
    content = journal.content if journal is not None else None
    returns = goes_on_after_a_boot(seen)
    yield of_journal.journal(seen.journal)
    if journal is not None:
        yield from of_journal.schema(journal)
        yield of_journal.place(journal)
        yield of_journal.file_system(journal)
        yield of_journal.free_space(journal)
    yield of_journal.sqlite(seen.sqlite)
    yield from of_journal.leftovers(seen.left)
    yield from of_service.services(seen.services, journal.path if journal is not None else None)
    yield of_service.cgroups(seen.cgroups, seen.is_root)
    yield of_box.logs(seen.systemd, returns)
    yield from of_box.kernel(seen.kernel, returns)
    yield of_box.watchdog(seen.systemd, returns and not _is_container(seen.kernel))
    yield of_box.clock(seen.clock, content.newest_us if content is not None else None)


def goes_on_after_a_boot(seen: Seen) -> bool:
    """Whether this box has runs that are to go on by themselves when it comes back."""
    if isinstance(seen.services, Services) and any(unit.is_enabled for unit in seen.services.units):
        return True
    content = seen.journal.content if isinstance(seen.journal, Journal) else None
    return content is not None and content.may_reboot


def of_reboots(kernel: Kernel | Unknown, systemd: Systemd | Unknown) -> list[Finding]:
    """What would hurt a run that may reboot the box."""
    watchdog = of_box.watchdog(systemd, not _is_container(kernel))
    return [one for one in (*of_box.kernel(kernel, True), watchdog, of_box.logs(systemd, True)) if one.is_trouble]


def _is_container(kernel: Kernel | Unknown) -> bool:
    """Its host is what hangs, and has the watchdog."""
    return isinstance(kernel, Kernel) and kernel.container is not None
