"""All reports of a run say the same, to whoever reads them: counts, names, verdicts, times."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

from pexen_state.report.formats.kinds import KINDS
from tests.cli.box import Box
from tests.report.readers import BAD, GOOD, READERS, agree, agree_with_the_journal, contradictions, reports_of, tap


def test_every_format_has_a_reader():
    assert set(READERS) == set(KINDS)


@pytest.mark.parametrize("run", [1, 2, 4])
def test_reports_of_a_run_agree_pairwise_and_with_the_journal(nights: Box, run: int):
    reports = reports_of(nights, run)

    agree(reports)
    agree_with_the_journal(reports, nights.sql(f"SELECT task, verdict, flaky FROM tasks WHERE run = {run}"))


def test_reports_of_a_rerun_agree_on_the_newest_verdict_of_each_task(nights: Box):
    merged, alone = reports_of(nights, 3), reports_of(nights, 3, "--only")

    newest = {
        **dict(nights.sql("SELECT task, verdict FROM tasks WHERE run = 2")),
        **dict(nights.sql("SELECT task, verdict FROM tasks WHERE run = 3")),
    }
    own = {key for (key,) in nights.sql("SELECT task FROM tasks WHERE run = 3")}
    assert own < newest.keys()
    for kind in KINDS:
        assert dict.fromkeys(newest, True) == {
            key: newest[key] in case.verdicts for key, case in merged[kind].cases.items()
        }, kind
        assert alone[kind].cases.keys() == own
    agree(alone)
    for one, other in itertools.combinations(KINDS, 2):
        # JUnit has no word for failures of an earlier run but those for flaky tests.
        said = [line for line in contradictions(merged[one], merged[other]) if "flaky" not in line]
        assert said == [], (one, other)


def test_reports_of_a_run_in_the_middle_agree(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"one: true\ntwo: false\nthree: {gate.wait}\nfour: true\n")
    with box.started("run", "s.jobs", "-j1") as run:
        gate.reached()
        box.sql_until("SELECT count(*) FROM tasks WHERE verdict IS NOT NULL", 2)
        reports = reports_of(box, 1)
        agree(reports)
        assert reports["junit"].counts == {"tasks": 4, "bad": 1, "nothing": 2}
        run.process.kill()
        run.process.wait()
    gate.path.unlink()  # and not opened: what the keeper has not killed yet must not go on


def test_prove_counts_as_we_do(nights: Box, tmp_path: Path):
    prove = shutil.which("prove")
    if prove is None:
        pytest.skip("there is no prove here; it comes with perl")
    text = nights.pexen("report", "1", "--tap", "-").out
    # It reads all of it, but for the version: it knows of none after 13.
    file = tmp_path / "run.tap"
    file.write_text(text.replace("TAP version 14", "TAP version 13", 1))

    done = subprocess.run([prove, "--exec", "cat", str(file)], capture_output=True, text=True, check=False)

    cases = tap(text).cases
    bad = [number for number, case in enumerate(cases.values(), 1) if not case.verdicts & (GOOD | {"skip", "not_run"})]
    skipped = sum(case.verdicts <= {"skip", "not_run"} for case in cases.values())
    assert done.returncode == 1
    assert f"Tests: {len(cases)} Failed: {len(bad)})" in done.stdout
    assert f"(less {skipped} skipped subtests: {len(cases) - len(bad) - skipped} okay)" in done.stdout
    assert "Parse errors" not in done.stdout
    assert all(cases[name].verdicts <= BAD for name in list(cases) if list(cases).index(name) + 1 in bad)
