"""The sums that the page rests on: medians of repetitions, their ratios, how a time grows with the size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from scripts.benchmark.cases import Case

SLOWED_UP_TO = 10_000


class NotMeasured(Exception):
    """Says what is missing."""


class Measured:
    """Medians over the repetitions of each case."""

    def __init__(self, runs: Mapping[Case, Sequence[Mapping[str, Any]]]) -> None:
        self._runs = runs

    @property
    def cases(self) -> list[Case]:
        return list(self._runs)

    def median(self, case: Case, key: str = "seconds") -> float:
        """Raises NotMeasured."""
        values = [run[key] for run in self._runs.get(case, ()) if key in run]
        if not values:
            raise NotMeasured(f"no {key} of {case.label}")
        return float(median(values))

    def rate(self, case: Case, key: str = "seconds") -> float:
        """Tasks a second."""
        return case.n / self.median(case, key)

    def by_delay(self, peer: str, shape: str) -> dict[int, float]:
        """Flushes slowed by so many microseconds -> tasks a second, at the largest size up to SLOWED_UP_TO."""
        cases = [case for case in self._runs if case[:2] == (peer, shape) and not case.sleep_us]
        largest: dict[int, Case] = {}
        for case in sorted(cases, key=lambda case: case.n):
            if case.n <= SLOWED_UP_TO:
                largest[case.flush_us] = case
        return {delay: self.rate(largest[delay]) for delay in sorted(largest)}

    def largest(self, cases: Sequence[Case]) -> list[Case]:
        """The same cases at the largest size, of theirs and below, at which all of them were measured."""
        sizes = [{one.n for one in self._runs if one._replace(n=case.n) == case and one.n <= case.n} for case in cases]
        common = set.intersection(*sizes)
        if not common:
            raise NotMeasured("no runs of one size of " + " and ".join(case.label for case in cases))
        return [case._replace(n=max(common)) for case in cases]


def growth_exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """e of seconds = c * size ** e, by the first and the last: 1 is linear, 2 quadratic."""
    return math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0])
