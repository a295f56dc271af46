"""Which journal a command is about.

In this order: `--journal`; `$PEXEN_JOURNAL`; the setting `journal` of the suite, which is the one that is run, or the
one that somebody who looks stands in; `journal.db` in systemd's `$STATE_DIRECTORY`; the nearest `.pexen/journal.db`,
here or upwards; and, for a new run only, `.pexen/` in the suite's root. A run that is started by a task of another run
has a journal of its own, in the directory that is kept for that task, unless another one is named: all others may be
taken, by the run that the task belongs to.

`@NAME`, wherever one is named, is the journal of a service.

What is found upwards is only taken if it is our own: `pexen resume` runs the commands that a journal holds, and
anybody can put one into /tmp. From below a home directory nobody looks above it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from pexen_state.cli.errors import UsageError
from pexen_state.report.text import safe

DIRECTORY = ".pexen"
FILE = "journal.db"


@dataclass(frozen=True, slots=True)
class Found:
    """`path` is absolute. `is_named`: a person, a setting, or the environment said which one."""

    path: str
    is_named: bool


def find(
    option: str | None,
    here: str | None = None,
    setting: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Found | None:
    """The journal that is there or was named; None if there is none in `here`, or in the current directory.

    `setting` is what the suite that is run says, an absolute path; if it says nothing, the suite counts that `here` is
    in. `environ` is that of whoever looks: ours may be that of a run's tasks by now.
    """
    for said, where in ((option, "--journal"), (environ.get("PEXEN_JOURNAL"), "$PEXEN_JOURNAL")):
        if said:
            return Found(_usable(said, where), True)
    if environ.get("PEXEN_ATTEMPT_ID") and (data := environ.get("PEXEN_DATA")):
        return Found(os.path.join(data, DIRECTORY, FILE), False)
    at = here or current_directory()
    home = home_in(environ)
    if (said := setting or _setting_here(at, home)) is not None:
        return Found(_usable(said, "the setting `journal`"), True)
    state = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if state:
        return Found(os.path.join(os.path.abspath(state), FILE), True)
    while True:
        path = os.path.join(at, DIRECTORY, FILE)
        if _is_ours(path):
            return Found(path, False)
        above = os.path.dirname(at)
        if at in (above, home):
            return None
        at = above


def home_in(environ: Mapping[str, str]) -> str:
    """The home directory of whoever has this environment."""
    return os.path.realpath(environ.get("HOME") or os.path.expanduser("~"))


def _is_ours(path: str) -> bool:
    try:
        owner = os.lstat(path).st_uid
    except OSError:
        return False
    # Who became root by sudo still is who owns the project.
    return owner == os.geteuid() or (os.geteuid() == 0 and str(owner) == os.environ.get("SUDO_UID"))


def _setting_here(at: str, home: str) -> str | None:
    """What the suite says that this directory is in. Looks for its file first: reading takes time."""
    above = at
    while not any(os.path.isfile(os.path.join(above, name)) for name in ("pexen.toml", "pyproject.toml")):
        if above == (above := os.path.dirname(above)):
            return None
    from pexen_state.cli.settings import journal_here

    return journal_here(at, home)


def for_run(option: str | None, root: str, setting: str | None = None) -> str:
    """The journal of a new run. Nothing is made yet (`prepare`)."""
    found = find(option, setting=setting)
    return found.path if found is not None else os.path.join(root, DIRECTORY, FILE)


def prepare(path: str) -> None:
    """Make the directory of a journal, if it is ours to make. Raises JournalReadOnly."""
    directory = os.path.dirname(path)
    if os.path.basename(directory) == DIRECTORY:
        _make(directory)


def existing(option: str | None) -> str:
    """The journal that a looking verb is to look at. Raises JournalMissing."""
    from pexen_state.journal.errors import JournalMissing

    found = find(option)
    if found is None:
        raise JournalMissing(
            f"there is no journal here: neither {safe(current_directory())} nor a directory above it has "
            f"{DIRECTORY}/{FILE}. `pexen run` makes one; another one is named with --journal.{_services_in_words()}"
        )
    if not os.path.lexists(found.path):
        raise JournalMissing(
            f"there is no journal {safe(found.path)}. `pexen run` makes one; an existing one is named with --journal."
        )
    return found.path


def option_for(path: str, option: str | None, here: str, environ: Mapping[str, str] = os.environ) -> str:
    """What has to follow `pexen` in a command that is to be typed next in `here`: ` --journal PATH`, or nothing.

    `environ` is that of whoever will type it.
    """
    import shlex

    if option is None:
        found = find(None, here, environ=environ)
        if found is not None and found.path == path:
            return ""
    return f" --journal {shlex.quote(shown(path, here))}"


def shown(path: str, here: str) -> str:
    """A journal's path as short as it is clear to somebody who is in `here`."""
    is_below = here != os.sep and path.startswith(os.path.join(here, ""))
    return safe(os.path.relpath(path, here) if is_below else path)


def link_latest(path: str, run_directory: str) -> None:
    """`.pexen/latest` leads to the newest run's output. A convenience: what goes wrong here goes unsaid."""
    directory = os.path.dirname(path)
    if os.path.basename(directory) != DIRECTORY:
        return
    partial = os.path.join(directory, f".latest.{os.getpid()}")
    with contextlib.suppress(OSError):
        os.symlink(os.path.relpath(run_directory, directory), partial)
        os.replace(partial, os.path.join(directory, "latest"))


def _usable(said: str, where: str) -> str:
    if said.startswith("@"):
        return _of_service(said[1:])
    path = os.path.abspath(said)
    if os.path.isdir(path):
        raise UsageError(
            f"{where} names a directory: {safe(said)}. Name a file in it: {safe(os.path.join(said, FILE))}"
        )
    return path


def _of_service(name: str) -> str:
    """Raises UnitError if there is no service of that name."""
    from pexen_state.service.installed import named, on_this_box

    return named(name, on_this_box(os.environ)).service.journal


def _services_in_words() -> str:
    """Whose journals could have been meant."""
    from pexen_state.service.installed import on_this_box

    found = [f"@{safe(one.service.name)} ({safe(one.service.journal)})" for one in on_this_box(os.environ)]
    return f" Services of this box have: {', '.join(found)}." if found else ""


def current_directory() -> str:
    """Raises UsageError if there is none any more."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise UsageError("the directory that you are in was deleted. Change to another one.") from None


def _make(directory: str) -> None:
    """For its owner alone, and out of the sight of version control."""
    from pexen_state.journal.errors import JournalReadOnly

    ignore = os.path.join(directory, ".gitignore")
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)
        if not os.path.lexists(ignore):
            file = os.open(ignore, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with open(file, "w", encoding="ascii") as out:
                out.write("*\n")
    except OSError as error:
        raise JournalReadOnly(
            f"no journal can be made in {safe(directory)}: {error.strerror}. Give yourself the right to write there, "
            "or name a file elsewhere with --journal."
        ) from error
