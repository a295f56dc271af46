"""Several words in a sentence, and not more of them than anybody reads."""

from __future__ import annotations

from collections.abc import Sequence

#: A sentence names this many; of the others it says how many they are.
NAMED = 3


def listed(words: Sequence[str]) -> str:
    """`a`, `a, b and c`, `a, b, c and 4 more`."""
    if len(words) > NAMED:
        return f"{', '.join(words[:NAMED])} and {len(words) - NAMED} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
