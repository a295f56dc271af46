"""The text of the units of a service, as a pure function of its values.

    pexen@NAME.service          goes on with what is unfinished in the journal; every run is run by it
    pexen-start@NAME.service    records a new run, and has the first one run it
    pexen-start@NAME.timer      when that happens

The first restricts nothing that tasks would inherit, unless it is hardened: a suite has the powers of whoever would run
it by hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from pexen_state.box import oom
from pexen_state.service import hardening, names
from pexen_state.service.values import Service, Starts, check

#: Which line of a unit says what it was made of.
MADE_OF = "Service="

_SECTION = "[X-Pexen]"  # systemd leaves sections alone that are called so
_HEAD = "# Written by `pexen service install`, which writes it anew. `pexen service remove` removes it."

# Results are no failures of the service; 2 and others will not be better the second time.
_ENDS_WELL = "1 4"
_NO_RESTART = "1 2 3 4 5 6"


def texts(service: Service) -> dict[str, str]:
    """By the name of its file, the text of each unit. Raises UnitError for what cannot be said in a unit."""
    check(service)
    found = {names.resumes(service.name): _resumes(service)}
    if service.starts is not None:
        found[names.starts(service.name)] = _starts(service, service.starts)
        found[names.start_timer(service.name)] = _timer(service, service.starts)
    return found


def _resumes(service: Service) -> str:
    resume = [*_pexen(service), "resume", "--all"]
    unattended = [*resume, "--unattended"]
    if service.allow_reboot:
        unattended.append("--allow-reboot")
    if service.boot_grace is not None:
        unattended += ["--boot-grace", service.boot_grace]
    lines = [
        _HEAD,
        "[Unit]",
        f"Description=pexen: goes on with what is unfinished of {_percent(service.name)}",
        f"RequiresMountsFor={quoted(os.path.dirname(service.journal))}",
        *_order(service),
        # Who comes to no end is parked by pexen itself; this is for what dies before it can look.
        "StartLimitIntervalSec=5min",
        "StartLimitBurst=20",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=all",
        f"ExecCondition={command([*resume, '--check'])}",
        f"ExecStart={command(unattended)}",
        "Restart=on-failure",
        "RestartSec=1s",
        f"RestartPreventExitStatus={_NO_RESTART}",
        f"SuccessExitStatus={'4' if service.failures_fail_unit else _ENDS_WELL}",
        "WatchdogSec=3min",
        "TimeoutStartSec=10min",
        "TimeoutStopSec=90s",
        "KillMode=mixed",
        "OOMPolicy=continue",
        "Delegate=yes",
        *_state_directory(service),
        *(_hardened(service) if service.harden else _unrestricted(service)),
        "",
        "[Install]",
        f"WantedBy={_scope_target(service)}",
        "",
        _SECTION,
        f"{MADE_OF}{service.as_json()}",
    ]
    return _joined(lines)


def _starts(service: Service, starts: Starts) -> str:
    run = [*_pexen(service), "run", "--detach", "--if-unfinished", starts.if_unfinished]
    if service.allow_reboot:
        run.append("--allow-reboot")
    if starts.on_finish is not None:
        run += ["--on-finish", starts.on_finish]
    lines = [
        _HEAD,
        "[Unit]",
        f"Description=pexen: begins a run of {_percent(service.name)}",
        f"RequiresMountsFor={quoted(starts.directory)} {quoted(os.path.dirname(service.journal))}",
        *_order(service),
        "",
        "[Service]",
        "Type=oneshot",
        f"WorkingDirectory={_percent(starts.directory)}",
        *(f"Environment={quoted(f'{name}={value}')}" for name, value in sorted(starts.environment.items())),
        f"ExecStart={command([*run, '--', *starts.targets])}",
        "TimeoutStartSec=10min",
        *_state_directory(service),
        *(_hardened(service) if service.harden else ()),
    ]
    return _joined(lines)


def _timer(service: Service, starts: Starts) -> str:
    lines = [
        _HEAD,
        "[Unit]",
        f"Description=pexen: when a run of {_percent(service.name)} begins",
        "",
        "[Timer]",
        f"OnCalendar={starts.calendar}",
        "AccuracySec=1s",
        "Persistent=yes",  # what was missed while the box was off is made up for
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return _joined(lines)


def _pexen(service: Service) -> list[str]:
    return [*service.python, "--journal", service.journal]


def _order(service: Service) -> Iterable[str]:
    if service.after:
        units = " ".join(service.after)
        yield f"Wants={units}"
        yield f"After={units}"


def _state_directory(service: Service) -> Iterable[str]:
    if service.has_state_directory:
        yield f"StateDirectory={quoted(f'pexen/{os.path.basename(os.path.dirname(service.journal))}')}"
        yield "StateDirectoryMode=0700"


def _unrestricted(service: Service) -> Iterable[str]:
    """What systemd would restrict by itself, and tasks would inherit."""
    yield "TasksMax=infinity"
    yield "IgnoreSIGPIPE=no"
    if not service.is_user:
        yield "KeyringMode=shared"
        yield f"OOMScoreAdjust={oom.OF_A_RUNNER}"  # not restricting: workers take it back for their tasks


def _hardened(service: Service) -> Iterable[str]:
    yield from hardening.LINES
    yield f"ReadWritePaths={quoted(os.path.dirname(service.journal))}"


def _scope_target(service: Service) -> str:
    return "default.target" if service.is_user else names.SYSTEM.wanted_by


def command(words: Iterable[str]) -> str:
    """A command line of a unit in which nothing has a meaning of its own: the colon is for `$`."""
    return ":" + " ".join(map(quoted, words))


def quoted(word: str) -> str:
    """One word, with nothing in it that systemd would take for something else."""
    text = _percent(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if not text or set(text) & set(" '\"\\;") else text


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
