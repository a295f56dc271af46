"""All reports agree on the worst run that there is: every verdict, retries, a reboot, crashes, tasks that never ran."""

from __future__ import annotations

from pathlib import Path

from tests.boots.box import Box, task
from tests.boots.machine import CRASHED, WENT_DOWN
from tests.cli.box import Box as Terminal
from tests.crash.sessions import Nursery
from tests.report.readers import agree, agree_with_the_journal, reports_of

#: By the exit codes of LTP, which have a status for each verdict.
TASKS = {
    "pass": task("pexen result one pass; pexen result two info --note 'a # SKIP'"),
    "info": task("exit 16"),
    "net/warn": task("exit 4"),
    "net/deep/fail": task("echo '</system-out>'; exit 1"),
    "net/deep/error": task("exit 2"),
    "skip": task("exit 32"),
    "timeout": task("sleep 60", timeout=1),
    "flaky": task("[ $(seen 'S flaky') -ge 2 ] || exit 1", retries=1),
    "fails twice": task("exit 1", retries=1),
    "never runs": task(requires=["lost"]),
    "loses it": task("exit 1", provides=["lost"]),
    "asks": task('[ "$PEXEN_REBOOT_COUNT" = 1 ] || reboot_marked one', priority=1),
    "panics": task("panic", priority=2, claims=["/box"], after=["asks"]),
    "locked out": task(priority=3, claims=["/box"]),
}


def test_reports_of_a_run_with_everything_in_it_agree(nursery: Nursery, disk: Path) -> None:
    box = Box(nursery, disk, TASKS)
    codes = box.run("--exit-codes", "ltp")
    assert (codes[-1], set(codes[:-1])) == (1, {CRASHED, WENT_DOWN})
    terminal = Terminal(disk)
    terminal.environment["PEXEN_JOURNAL"] = str(disk / "journal.db")

    reports = reports_of(terminal, 1)

    rows = terminal.sql("SELECT task, verdict, flaky FROM tasks", disk / "journal.db")
    verdicts = {verdict for _, verdict, _ in rows}
    assert verdicts == {"pass", "info", "warn", "fail", "error", "skip", "timeout", "crash", "not_run"}
    assert [task for task, _, flaky in rows if flaky] == ["flaky"]
    assert terminal.sql("SELECT reason FROM tasks WHERE task = 'panics'", disk / "journal.db") == [
        ("the box crashed or lost power while it alone ran",)
    ]
    agree(reports)
    agree_with_the_journal(reports, rows)
