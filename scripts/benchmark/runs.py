"""Runs cases, each in a child process of its own, and keeps what they said.

A peer that would need more than a minute for a size does not get it, nor any larger one: how its time has grown so
far says so beforehand, or a deadline does.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

from scripts.benchmark.arithmetic import growth_exponent
from scripts.benchmark.cases import Case, Contest
from scripts.benchmark.catalogue import PEER
from scripts.benchmark.environments import ROOT, Environments

PATIENCE_S = 60.0  #: for one run of somebody else, from start to end
SOON_S = 1.0  #: a run that ends within this says nothing about how its time grows: most of it is start-up
DEADLINE_S = 300.0  #: ours has to end within this, or the benchmark is broken

Run = dict[str, Any]


class Failed(Exception):
    """A run that ended without a result, or against the rules."""


class Runs:
    """`of` is what was measured: case -> one Run for each repetition."""

    def __init__(self, environments: Environments, directory: Path, repeat: int, say: Callable[[str], None]) -> None:
        self.of: dict[Case, list[Run]] = {}
        self.left_out: dict[Case, str] = {}
        self._environments = environments
        self._directory = directory
        self._repeat = repeat
        self._say = say

    def run_all(self, contests: Iterable[Contest]) -> None:
        for contest in contests:
            for case, variant in contest.before:
                self._run(case, variant)
            able = [case for case in contest.cases if self._is_able(case)]
            for repetition in range(self._repeat):
                for case in able:
                    if case in self.left_out:
                        continue
                    try:
                        run = self._run(case, PEER[case.peer].variant)
                    except Failed as failed:
                        self.left_out[case] = str(failed)
                        self.of.pop(case, None)
                        self._say(f"{case.label}: {failed}")
                        continue
                    self.of.setdefault(case, []).append(run)
                    self._say(
                        f"{case.label}: {case.n / run['seconds']:,.0f} a second ({repetition + 1}/{self._repeat})"
                    )

    def _is_able(self, case: Case) -> bool:
        why = self._environments.missing.get(case.peer)
        if why is None and case.flush_us and self._environments.shim is None:
            why = self._environments.no_shim
        if why is None and not PEER[case.peer].is_ours and self.expected_seconds(case) > PATIENCE_S:
            why = "it would take more than a minute"
        if why is not None:
            self.left_out[case] = why
            self._say(f"{case.label}: left out, because {why}")
        return why is None

    def expected_seconds(self, case: Case) -> float:
        """By how its time grew over the smaller sizes; at least proportionally. 0.0 if nothing is known."""
        if any(one._replace(n=case.n) == case and one.n < case.n for one in self.left_out):
            return math.inf
        sizes = sorted(one.n for one in self.of if one._replace(n=case.n) == case and one.n < case.n)
        seconds = [median(run["process_seconds"] for run in self.of[case._replace(n=n)]) for n in sizes]
        if not sizes or seconds[-1] < SOON_S:
            return 0.0
        exponent = growth_exponent(sizes[-2:], seconds[-2:]) if len(sizes) > 1 else 1.0
        return float(seconds[-1] * (case.n / sizes[-1]) ** max(exponent, 1.0))

    def _run(self, case: Case, variant: str) -> Run:
        peer = PEER[case.peer]
        directory = tempfile.mkdtemp(prefix="run-", dir=self._directory)
        asked = {"variant": variant, "shape": case.shape, "n": case.n, "sleep_us": case.sleep_us}
        words = [
            self._environments.python_of(peer),
            *("-m", f"scripts.benchmark.peers.{peer.module}"),
            json.dumps({**asked, "directory": directory}),
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.pop("PEXEN_JOURNAL", None)
        # Whoever has installed a package, peers included, has it compiled; a checkout is compiled by its first run.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if self._environments.shim is not None:
            environment |= {"LD_PRELOAD": str(self._environments.shim), "SLOW_DISK_US": str(case.flush_us)}
        began = time.perf_counter()
        try:
            answer = _answer(words, environment, directory, DEADLINE_S if peer.is_ours else PATIENCE_S)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        run: Run = {**answer, "process_seconds": time.perf_counter() - began}
        if run["complaints"]:
            raise Failed("; ".join(run["complaints"]))
        return run


def _answer(words: list[str], environment: dict[str, str], directory: str, deadline: float) -> Run:
    with subprocess.Popen(
        words,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            out, err = child.communicate(timeout=deadline)
        except subprocess.TimeoutExpired:
            raise Failed(f"it took more than {deadline:.0f} seconds") from None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    lines = out.splitlines()
    if child.returncode or not lines:
        raise Failed(f"exit status {child.returncode}: {(err.strip() or 'no message').splitlines()[-1]}")
    answer: Run = json.loads(lines[-1])
    return answer
