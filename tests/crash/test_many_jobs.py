"""A long list of jobs, as docs/reliability.md shows it, only shorter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "many_jobs"


def test_of_a_long_list_whose_runner_is_killed_each_result_is_there_once(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--jobs", "2000", "--kills", "1", "--directory", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    assert told[0].startswith("run: killed ")
    assert told[1].startswith("resume: exit status 0 ")
    assert told[-1] == "every job's result is there, once"
    left = [path for path in (tmp_path / "journal.d").rglob("*") if path.is_file()]
    assert len(left) < 300, "silent jobs have left files"
