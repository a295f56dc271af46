"""What is promised about speed, figure by figure: what it must be, what is aimed at, and what it is.

A figure that could not be measured as it is defined is taken at the largest size that was, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from scripts.benchmark.arithmetic import Measured, NotMeasured, growth_exponent
from scripts.benchmark.cases import Case

K = 1_000
M = 1_000_000


class Value(NamedTuple):
    value: float
    n: int  #: at which it was measured


class Figure(NamedTuple):
    number: str
    what: str
    must: float
    aim: float
    n: int  #: at which it is defined
    of: Callable[[Measured], Value]
    is_cost: bool = False  #: less is better

    def judged(self, value: float) -> str:
        for limit, word in ((self.aim, "aim reached"), (self.must, "reached")):
            if value <= limit if self.is_cost else value >= limit:
                return word
        return "missed"


class Judged(NamedTuple):
    figure: Figure
    value: float | None
    word: str  #: "aim reached", "reached", "missed", or why it was not measured


def judge(measured: Measured) -> list[Judged]:
    judged = []
    for figure in FIGURES:
        try:
            value = figure.of(measured)
        except NotMeasured as missing:
            judged.append(Judged(figure, None, f"not measured: {missing}"))
            continue
        word = figure.judged(value.value)
        where = f", at {value.n:,} tasks" if value.n != figure.n else ""
        judged.append(Judged(figure, value.value, word + where))
    return judged


def ratio(over: Case, under: Case, key: str = "seconds") -> Callable[[Measured], Value]:
    """Of tasks a second, `over` to `under`; both at one size, or each at its own if they differ on purpose."""

    def of(measured: Measured) -> Value:
        pair = measured.largest([over, under]) if over.n == under.n else [over, under]
        return Value(measured.rate(pair[0], key) / measured.rate(pair[1], key), pair[0].n)

    return of


def each(case: Case, key: str) -> Callable[[Measured], Value]:
    """What was counted in a whole run, for one task of it."""

    def of(measured: Measured) -> Value:
        (at,) = measured.largest([case])
        return Value(measured.median(at, key) / at.n, at.n)

    return of


def plain(case: Case, key: str) -> Callable[[Measured], Value]:
    def of(measured: Measured) -> Value:
        (at,) = measured.largest([case])
        return Value(measured.median(at, key), at.n)

    return of


def growth(case: Case, small: int) -> Callable[[Measured], Value]:
    def of(measured: Measured) -> Value:
        (large,) = measured.largest([case])
        if large.n <= small:
            raise NotMeasured(f"nothing larger than {small:,} tasks")
        sizes = [small, large.n]
        return Value(growth_exponent(sizes, [measured.median(case._replace(n=n)) for n in sizes]), large.n)

    return of


def resume_over_fetch(measured: Measured) -> Value:
    (at,) = measured.largest([Case("resume", "half", 200 * K)])
    return Value(measured.median(at) / measured.median(at, "raw_seconds"), at.n)


def slower(over: str, under: str) -> Callable[[Measured], Value]:
    """How many times as long one start takes as another."""

    def of(measured: Measured) -> Value:
        starts = measured.largest([Case(over, "start", 10 * K), Case(under, "start", 10 * K)])
        return Value(measured.median(starts[0]) / measured.median(starts[1]), starts[0].n)

    return of


def with_start_up(over: str, under: str) -> Callable[[Measured], Value]:
    return ratio(Case(over, "true", K), Case(under, "true", K))


def _against(peer: str, wanted: Sequence[tuple[str, int, float, float]]) -> list[Figure]:
    return [
        Figure(
            "3",
            f"journaled, threads / the original in memory: {shape}",
            must,
            aim,
            n,
            ratio(Case("ours-thread", shape, n), Case(peer, shape, n)),
        )
        for shape, n, must, aim in wanted
    ]


def _figures() -> list[Figure]:
    ours, memory, processes = "ours-thread", "ours-thread-memory", "ours-process"
    layered, independent = Case(ours, "layered", 100 * K), Case(ours, "independent", 100 * K)

    def sleeping(n: int, sleep_us: int) -> Callable[[Measured], Value]:
        return ratio(Case(ours, "independent", n, sleep_us, 5_000), Case(memory, "independent", n, sleep_us))

    return [
        Figure("1", "journaled / in memory: layered, threads", 0.10, 0.25, 100 * K,
               ratio(layered, layered._replace(peer=memory))),
        Figure("2", "workers kept busy, journaled / in memory: 1 ms tasks, flushes 5 ms slower", 0.90, 0.97, 10 * K,
               sleeping(10 * K, 1_000)),
        Figure("2", "the same with 10 ms tasks", 0.95, 0.98, K, sleeping(K, 10_000)),
        *_against("original", [("independent", 10 * K, 10, 40), ("layered", 10 * K, 2, 7), ("chain", 5 * K, 0.25, 0.6),
                               ("locks", K, 20, 80)]),
        Figure("4", "whole process, journaled / doit on sqlite3: layered", 1, 3, 10 * K, _doit(10 * K)),
        Figure("4", "the same, ten times as many", 3, 15, 100 * K, _doit(100 * K)),
        Figure("5", "journaled / huey with fsync: independent", 15, 80, 10 * K,
               ratio(Case(ours, "independent", 10 * K), Case("huey", "independent", 10 * K))),
        Figure("6", "chain / one-row commits of SQLite", 0.25, 0.5, 5 * K,
               ratio(Case(ours, "chain", 5 * K), Case("sqlite-one-row", "chain", 5 * K))),
        Figure("7", "independent / SQLite inserting 2 rows a task in commits of 1,000 rows", 0.2, 0.4, 100 * K,
               ratio(independent, independent._replace(peer="sqlite-two-rows"))),
        *(Figure("8", f"growth of the time from 10,000 tasks: {shape}; 1 is linear", 1.05, 1.0, M,
                 growth(Case(ours, shape, M), 10 * K), is_cost=True) for shape in ("independent", "layered", "locks")),
        Figure("8", "growth of the time from 10,000 tasks: locks that are paths, counted resources", 1.1, 1.0, 100 * K,
               growth(Case("racks", "racks", 100 * K), 10 * K), is_cost=True),
        Figure("9", "commits a task: layered", 0.015, 0.010, 100 * K, each(layered, "commits"), is_cost=True),
        Figure("9", "commits a task: independent", 0.005, 0.001, 100 * K, each(independent, "commits"), is_cost=True),
        Figure("10", "processes / threads, journaled: layered", 0.2, 0.5, 100 * K,
               ratio(layered._replace(peer=processes), layered)),
        Figure("11", "bytes of memory a pending task, beside the callable: layered", 1_500, 600, 100 * K,
               plain(layered, "rss_a_task"), is_cost=True),
        Figure("12", "resume half of a run, to the first task / fetching the same rows", 8, 3, 200 * K,
               resume_over_fetch, is_cost=True),
        Figure("12", "growth of the time of a resume from 20,000 tasks", 1.05, 1.0, M,
               growth(Case("resume", "half", M), 20 * K), is_cost=True),
        Figure("13", "bytes of the journal a task: independent", 200, 130, 100 * K,
               each(independent, "journal_bytes"), is_cost=True),
        Figure("13", "bytes of the journal a task: layered", 200, 130, 100 * K,
               each(layered, "journal_bytes"), is_cost=True),
        Figure("14", "/bin/true, journaled, with output files / a bare spawn loop", 0.4, 0.7, K,
               with_start_up("ours-true-api", "spawn")),
        Figure("14", "/bin/true: pexen run / GNU parallel --joblog, whole processes", 3, 8, K,
               with_start_up("ours-true-run", "parallel")),
        *(Figure("14", f"/bin/true: without our start-up / {tool}", 1, 2, K, with_start_up("ours-true-api", tool))
          for tool in ("ninja", "make")),
        Figure("15", "start-up: pexen --help / python -c pass", 6, 5, 10 * K, slower("start-help", "start-python"),
               is_cost=True),
        Figure("15", "start-up: pexen status, 10,000 tasks / python -c pass", 12, 8, 10 * K,
               slower("start-status", "start-python"), is_cost=True),
    ]  # fmt: skip


def _doit(n: int) -> Callable[[Measured], Value]:
    """Against the faster of its two ways."""

    def of(measured: Measured) -> Value:
        values = []
        for way in ("doit", "doit-thread"):
            try:
                values.append(
                    ratio(Case("ours-thread", "layered", n), Case(way, "layered", n), "process_seconds")(measured)
                )
            except NotMeasured:
                continue
        if not values:
            raise NotMeasured(f"doit with {n:,} tasks")
        return max(values, key=lambda value: (value.n, -value.value))

    return of


FIGURES = _figures()
