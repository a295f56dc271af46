"""The order in which tasks of one priority come, in words that are typed and recorded."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from pexen_state.core.ordering import longest_first
from pexen_state.core.spec import TaskSpec
from pexen_state.sched.common import SchedulerError
from pexen_state.words import did_you_mean

DECLARED, LONGEST, RANDOM = "declared", "longest", "random"
WORDS = (DECLARED, LONGEST, RANDOM)

_MOST_SEED = 10**6


def checked_order(said: str) -> str:
    """`declared`, `longest`, `random:SEED`; a seed is drawn for `random` alone. Raises SchedulerError."""
    word, colon, seed = str(said).partition(":")
    if word == RANDOM and not colon:
        return f"{RANDOM}:{random.SystemRandom().randrange(_MOST_SEED)}"
    if (word == RANDOM and seed) or (word in (DECLARED, LONGEST) and not colon):
        return said
    hint = did_you_mean(word, WORDS)
    raise SchedulerError(f"there is no order {said!r}.{hint} There are: declared, longest, random, random:SEED.")


def numbers_in(order: str, specs: Sequence[TaskSpec], usual: Mapping[str, float]) -> list[int] | None:
    """Numbers of tasks, as they are to come; None: as they were declared. `usual` seconds by key.

    Who declares a weight lasts as long as that; who has neither, as long as the median of those that have a usual time.
    """
    word, _, seed = order.partition(":")
    if word == DECLARED or not specs:
        return None
    if word == RANDOM:
        numbers = list(range(1, len(specs) + 1))
        random.Random(seed).shuffle(numbers)
        return numbers
    known = sorted(usual[spec.key] for spec in specs if spec.key in usual)
    median = known[len(known) // 2] if known else 1.0
    seconds = [spec.weight if spec.weight is not None else usual.get(spec.key, median) for spec in specs]
    return longest_first(specs, seconds)
