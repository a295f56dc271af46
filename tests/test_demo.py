"""The demo does what it tells: for real, with the Python of these tests, without a network, and nothing left behind."""

from __future__ import annotations

import os
import pty
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from urllib.parse import quote

import pytest

from tests.examples import ROOT

DEMO = ROOT / "scripts/demo"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty directory for everything that the demo makes; and somebody's own journal, which it must not touch."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PEXEN_JOURNAL", str(tmp_path / "mine.db"))
    return tmp_path


def demo(*options):
    return subprocess.run(
        [DEMO, "--python", sys.executable, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_runner_is_killed_half_way_and_another_one_goes_on(place):
    done = demo("--keep")

    assert done.returncode == 0, done.stdout + done.stderr
    (journal,) = place.glob("pexen-demo-*/journal.db")
    with closing(sqlite3.connect(f"file:{quote(str(journal))}?mode=ro", uri=True)) as connection:
        sessions = connection.execute("SELECT how_ended FROM sessions ORDER BY id").fetchall()
        assert sessions == [("killed",), ("finished",)]
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
        left = "SELECT task FROM tasks WHERE state NOT IN ('succeeded', 'failed', 'timed_out', 'skipped')"
        assert connection.execute(left).fetchall() == []
        by_session = "SELECT session, count(*) FROM attempts GROUP BY session ORDER BY session"
        assert all(count > 5 for _, count in connection.execute(by_session)), "it was killed near the middle"
        bad = connection.execute("SELECT task, verdict FROM tasks WHERE verdict NOT IN ('pass', 'skip')").fetchall()
    # What the suite finds out about a box is its business, but a check that crashes or hangs is a bad example.
    assert {verdict for _, verdict in bad} <= {"fail"}, bad
    typed = re.findall(r"^\$ (.*)$", done.stdout, re.MULTILINE)
    assert [" ".join(words.split()[:2]) for words in typed][:7] == [
        *("pexen run", "kill -KILL", "pexen status", "pexen resume", "pexen show", "pexen why", "pexen sql")
    ]
    assert "none of them ran again" in done.stdout
    assert f"The journal is kept. To ask more: export PEXEN_JOURNAL={journal}" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr, "colours and bars are for terminals"
    assert "Traceback" not in done.stderr
    assert not (place / "mine.db").exists()


def test_on_a_terminal_it_tells_the_same_and_leaves_nothing_behind(place, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [DEMO, "--python", sys.executable], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:
            pass  # the other end was closed: it has ended
        os.close(ours)

    text = shown.decode()
    assert process.returncode == 0, text
    assert "none of them ran again" in text
    assert text.rindex("\x1b[?25h") > text.rfind("\x1b[?25l"), "the cursor of a killed runner's bar is shown again"
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--fast"], "there is no option '--fast'; try: scripts/demo --help"),
        (["--python", "/nonexistent"], "--python: /nonexistent is no Python that runs"),
        (["--python"], "--python: nothing is no Python that runs"),
    ],
)
def test_what_it_does_not_understand_is_said(options, sentence):
    done = subprocess.run([DEMO, *options], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    assert done.returncode == 2
    assert done.stderr.strip() == sentence


def test_a_python_without_pexen_is_refused_with_the_way_out(place):
    bare = place / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    done = subprocess.run(
        [DEMO, "--python", str(bare / "bin/python")], capture_output=True, text=True, check=False, cwd="/"
    )

    assert done.returncode == 2
    assert "does not have pexen and what it needs; leave --python out, and an environment is made" in done.stderr


def test_its_help_says_what_it_does():
    done = subprocess.run([DEMO, "--help"], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("Shows what pexen is for")
    assert "--keep" in done.stdout
    assert "set -u" not in done.stdout
