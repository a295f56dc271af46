"""Tables of what was measured, in Markdown that reads well on a terminal, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from scripts.benchmark.arithmetic import Measured, NotMeasured
from scripts.benchmark.cases import Case
from scripts.benchmark.catalogue import PEER, PEERS
from scripts.benchmark.figures import Judged
from scripts.benchmark.shapes import SHAPES

NOTHING = "-"

TITLES = {
    "independent": "Independent tasks",
    "layered": "Layers of 100, each task needs two of the layer above",
    "chain": "A chain: each task needs the one before",
    "locks": "10 locks, each task claims one",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column is text, all others are numbers or short words."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    out = [_line(lines[0], widths), "|" + "|".join(_rule(column, width) for column, width in enumerate(widths)) + "|"]
    return "\n".join([*out, *(_line(line, widths) for line in lines[1:])])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"


def _rule(column: int, width: int) -> str:
    return "-" * (width + 1) + ":" if column else "-" * (width + 2)


def number(value: float) -> str:
    """Three digits that count: 41,300; 0.0123."""
    if value == 0:
        return "0"
    text = f"{float(f'{value:.3g}'):,f}"
    return text.rstrip("0").rstrip(".")


def figures_table(judged: Iterable[Judged]) -> str:
    rows = [
        (
            f"{one.figure.number}. {one.figure.what}",
            ("at most " if one.figure.is_cost else "") + number(one.figure.must),
            number(one.figure.aim),
            NOTHING if one.value is None else number(one.value),
            f"**{one.word}**" if one.word.startswith("missed") else one.word,
        )
        for one in judged
    ]
    return table(("", "must", "aim", "is", ""), rows)


def no_op_tables(measured: Measured, left_out: Mapping[Case, str]) -> str:
    """One table a shape: tasks a second by peer and size."""
    parts = []
    for shape in SHAPES:
        cases = [case for case in measured.cases if case == Case(case.peer, shape, case.n)]
        sizes = sorted({case.n for case in cases})
        if not cases:
            continue
        rows = [
            (
                PEER[name].title,
                *(_cell(measured, Case(name, shape, n), left_out) for n in sizes),
                PEER[name].keeps,
            )
            for name in in_order({case.peer for case in cases})
        ]
        parts.append(f"{TITLES[shape]}:\n\n" + table((shape, *(f"{n:,}" for n in sizes), "a result is"), rows))
    return "\n\n".join(parts)


def slow_disk_table(measured: Measured) -> str:
    """Tasks a second on this disk and on slower ones, at whatever size each was measured there."""
    slowed = {(case.peer, case.shape) for case in measured.cases if case.flush_us and not case.sleep_us}
    delays = sorted({case.flush_us for case in measured.cases})
    rows = []
    for shape in SHAPES:
        for name in in_order({peer for peer, one in slowed if one == shape}):
            rates = measured.by_delay(name, shape)
            cells = (number(rates[delay]) if delay in rates else NOTHING for delay in delays)
            rows.append((f"{shape}: {PEER[name].title}", *cells))
    return table(("", *_delay_words(delays)), rows) if rows else ""


def sleeping_table(measured: Measured) -> str:
    """How busy two workers are with tasks that sleep; 1.0 is all of the time."""
    delays = sorted({case.flush_us for case in measured.cases})
    asleep = [case for case in measured.cases if case.sleep_us]
    rows = []
    for sleep_us in sorted({case.sleep_us for case in asleep}):
        for name in in_order({case.peer for case in asleep}):
            busy = []
            for delay in delays:
                some = [case for case in asleep if case[:2] + case[3:] == (name, "independent", sleep_us, delay)]
                busy.append(f"{utilisation(measured, some[0]):.3f}" if some else NOTHING)
            rows.append((f"{sleep_us / 1000:g} ms: {PEER[name].title}", *busy))
    return table(("", *_delay_words(delays)), rows) if rows else ""


def utilisation(measured: Measured, case: Case, workers: int = 2) -> float:
    """The part of the workers' time that tasks slept; a sleep that lasts longer than asked lowers it."""
    return measured.rate(case) * case.sleep_us / 1e6 / workers


def other_table(measured: Measured) -> str:
    """Executables, locks that are paths, resumes and starts."""
    rows = []
    for case in measured.cases:
        if case.shape == "true":
            what, per_second = f"{case.n:,} x /bin/true: {PEER[case.peer].title}", number(measured.rate(case))
        elif case.shape == "start":
            what, per_second = f"start: {PEER[case.peer].title}", NOTHING
        elif case.shape == "racks":
            what, per_second = (
                f"{case.n:,} tasks under locks that are paths, with resources",
                number(measured.rate(case)),
            )
        elif case.peer == "resume":
            what, per_second = f"resume half of {case.n:,} tasks, to the first that begins", NOTHING
        else:
            continue
        rows.append((what, number(measured.median(case) * 1000), per_second))
    return table(("", "ms", "a second"), rows) if rows else ""


def in_order(names: Iterable[str]) -> list[str]:
    wanted = set(names)
    return [peer.name for peer in PEERS if peer.name in wanted]


def _cell(measured: Measured, case: Case, left_out: Mapping[Case, str]) -> str:
    why = left_out.get(case, "")
    if "minute" in why or "60 seconds" in why:
        return "> 1 min"
    try:
        return number(measured.rate(case))
    except NotMeasured:
        return NOTHING


def _delay_words(delays: Iterable[int]) -> list[str]:
    return [f"+{delay / 1000:g} ms" if delay else "this disk" for delay in delays]
