"""The benchmark: its sums, tables and picture, and one tiny run of ours that is measured for real. Nothing is timed."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from scripts.benchmark import cases
from scripts.benchmark.arithmetic import Measured, NotMeasured, growth_exponent
from scripts.benchmark.cases import Case
from scripts.benchmark.catalogue import PEER
from scripts.benchmark.environments import Environments
from scripts.benchmark.figures import FIGURES, judge
from scripts.benchmark.page import Results, parts, rewritten
from scripts.benchmark.picture import picture
from scripts.benchmark.runs import Runs
from scripts.benchmark.shapes import SHAPES, shape_of
from scripts.benchmark.tables import number, table, utilisation
from scripts.benchmark.witness import Witness
from tests.examples import ROOT

OURS = Case("ours-thread", "layered", 1_000)


def measured_as(seconds_of):
    """Every case of the full benchmark, as if it had taken what `seconds_of` says."""
    runs = {}
    for contest in cases.full():
        for case in contest.cases:
            more = {
                "commits": case.n // 1000,
                "journal_bytes": case.n * 100,
                "rss_a_task": 500.0,
                "raw_seconds": 0.5,
            }
            runs[case] = [{"seconds": seconds_of(case), "process_seconds": seconds_of(case) + 1.0, **more}]
    return runs


def results_of(runs, left_out=()):
    return Results(runs, dict(left_out), {"date": "2026-11-22"}, {"huey": "3"}, "scripts/bench", 5)


def test_the_median_of_the_repetitions_counts_and_not_their_mean():
    measured = Measured({OURS: [{"seconds": 1.0}, {"seconds": 9.0}, {"seconds": 2.0}]})

    assert measured.median(OURS) == 2.0
    assert measured.rate(OURS) == 500.0


def test_what_was_not_measured_says_what_is_missing():
    with pytest.raises(NotMeasured, match=r"no seconds of ours-thread/layered 1,000"):
        Measured({}).median(OURS)


def test_a_time_that_grows_with_the_square_has_the_exponent_two():
    assert growth_exponent([10, 1000], [0.5, 5000.0]) == pytest.approx(2.0)
    assert growth_exponent([10, 1000], [0.5, 50.0]) == pytest.approx(1.0)


def test_two_busy_workers_are_used_wholly():
    case = Case("ours-thread", "independent", 1_000, 1_000)

    assert utilisation(Measured({case: [{"seconds": 0.5}]}), case) == pytest.approx(1.0)


def test_every_figure_is_measured_by_the_full_benchmark():
    judged = judge(Measured(measured_as(lambda case: case.n / 1e4)))

    assert [one.word for one in judged if one.value is None or ", at " in one.word] == []
    assert {one.figure.number for one in judged} == {str(number) for number in range(1, 16)}
    growths = [one.value for one in judged if "growth" in one.figure.what]
    assert growths == pytest.approx([1.0] * len(growths))


def test_a_figure_is_missed_reached_or_better_than_that():
    speed = next(figure for figure in FIGURES if not figure.is_cost)
    cost = next(figure for figure in FIGURES if figure.is_cost)

    assert [speed.judged(value) for value in (speed.must * 0.99, speed.must, speed.aim)] == [
        *("missed", "reached", "aim reached")
    ]
    assert [cost.judged(value) for value in (cost.must * 1.01, cost.must, cost.aim)] == [
        *("missed", "reached", "aim reached")
    ]


def test_a_figure_of_which_a_peer_needed_too_long_is_taken_at_a_smaller_size_and_says_so():
    runs = measured_as(lambda case: case.n / 1e4)
    del runs[Case("doit", "layered", 100_000)]

    against_doit = [one for one in judge(Measured(runs)) if one.figure.number == "4"]

    assert [", at 10,000 tasks" in one.word for one in against_doit] == [False, True]


def test_three_digits_count():
    assert [number(value) for value in (41_312, 0.012345, 1.0, 0, 987_654)] == ["41,300", "0.0123", "1", "0", "988,000"]


def test_a_table_has_a_head_a_rule_and_equal_columns():
    lines = table(("shape", "1,000"), [("chain", "5"), ("independent", "12,345")]).splitlines()

    assert lines == [
        "| shape       |  1,000 |",
        "|-------------|-------:|",
        "| chain       |      5 |",
        "| independent | 12,345 |",
    ]


def test_the_picture_is_well_formed_and_shows_every_peer():
    svg = picture(Measured(measured_as(lambda case: case.n / 1e4)), 10_000, "2 cores & <nothing> else")

    root = ElementTree.fromstring(svg)
    words = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Independent tasks", "huey, SQLite with fsync", "2 cores & <nothing> else"} <= words


def test_the_page_keeps_what_people_wrote_and_can_be_made_again():
    page = (ROOT / "docs/performance.md").read_text()
    results = results_of(measured_as(lambda case: case.n / 1e4), {OURS: "there is no disk"})

    once = rewritten(page, Results.from_json(json.loads(json.dumps(results.to_json()))))

    assert rewritten(once, results) == once
    assert re.findall(r"^#.*", once, re.MULTILINE) == re.findall(r"^#.*", page, re.MULTILINE)
    assert set(re.findall(r"^<!-- bench: (.*) -->", once, re.MULTILINE)) == set(parts(results))
    assert "there is no disk" in once


def test_a_part_of_it_can_be_asked_for_and_what_fits_nothing_is_refused():
    asked = cases.only(cases.full(), ["huey", "ours-thread/chain"])

    left = {(case.peer, case.shape) for contest in asked for case in contest.cases}
    assert left == {("huey", "independent"), ("ours-thread", "chain")}
    with pytest.raises(ValueError, match="nothing is called 'make/chain'"):
        cases.only(cases.full(), ["make/chain"])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_task_needs_only_tasks_before_it(shape):
    parents, locks = shape_of(shape, 350)

    assert all(len(set(needed)) == len(needed) and max(needed, default=-1) < n for n, needed in enumerate(parents))
    assert len(parents) == len(locks) == 350


def test_the_witness_sees_what_is_against_the_rules():
    witness = Witness(shape_of("chain", 3))
    for wrong in (1, 0, 0):
        witness.bodies[wrong]()

    assert witness.complaints() == [
        "1 of 3 tasks did not run",
        "a task ran before one that it needs",
        "a task ran twice",
    ]


@pytest.fixture
def runs(tmp_path):
    return Runs(Environments(tmp_path / "cache", str), tmp_path, 2, str)


def test_a_run_of_ours_is_a_child_that_is_checked_and_measured(runs, tmp_path):
    case = Case("ours-process", "layered", 250)
    runs.run_all([cases.Contest([case])])

    assert runs.left_out == {}
    first, second = runs.of[case]
    assert first["seconds"] < first["process_seconds"]
    assert min(first["journal_bytes"], second["journal_bytes"]) > 250 * 20
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_leaves_its_case_out_and_says_why(runs):
    case = Case("ours-thread", "pyramid", 10)
    runs.run_all([cases.Contest([case])])

    assert runs.of == {}
    assert "there is no shape 'pyramid'" in runs.left_out[case]


def test_who_would_need_more_than_a_minute_is_not_even_tried(runs):
    slow = Case("original", "independent", 100_000)
    for n, seconds in ((1_000, 2.0), (10_000, 50.0)):
        runs.of[slow._replace(n=n)] = [{"process_seconds": seconds}]

    assert runs.expected_seconds(slow) == pytest.approx(50 * 25)
    runs.run_all([cases.Contest([slow])])
    assert "more than a minute" in runs.left_out[slow]
    assert math.isinf(runs.expected_seconds(slow._replace(n=1_000_000)))


def test_a_peer_that_is_not_there_is_told_and_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    environments = Environments(tmp_path / "cache", str)
    environments.make([PEER["parallel"]])

    assert environments.missing == {"parallel": "there is no `parallel` here: apt-get install parallel"}
    assert "there is no C compiler" in environments.no_shim
