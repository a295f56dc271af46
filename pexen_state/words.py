"""How people write things down: durations such as `5m`, and words that are nearly right.

Pure functions on text. What a word means is known where it is used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}  # in the order in which they are written
_NUMBER = r"(?:\d+(?:\.\d+)?)"
_BARE = re.compile(_NUMBER, re.ASCII)
_DURATION = re.compile("".join(rf"(?:({_NUMBER}){unit})?" for unit in _UNITS), re.ASCII)


def seconds_of(duration: object) -> float:
    """The seconds of `90`, `1.5`, `"90"`, `"5m"`, `"1h30m"`, `"2d"`, `"250ms"`.

    Raises ValueError, whose message says what is wanted, for anything else and for what is not above zero.
    """
    seconds = math.nan
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        seconds = float(duration)
    elif isinstance(duration, str):
        text = duration.replace(" ", "").lower()
        if _BARE.fullmatch(text):
            seconds = float(text)
        elif match := _DURATION.fullmatch(text):
            seconds = sum(float(n) * size for n, size in zip(match.groups(), _UNITS.values(), strict=True) if n)
    if not (0 < seconds < math.inf):
        raise ValueError(f"{duration!r} is not a duration: write seconds above zero, or for example '5m' or '1h30m'")
    return seconds


_LETTERS = "KMGTP"  #: of powers of 1024
_SIZE = re.compile(rf"({_NUMBER})([kmgtp]?)(?:i?b)?", re.ASCII | re.IGNORECASE)


def bytes_of(size: object) -> int:
    """The bytes of `4096`, `"512K"`, `"4G"`, `"1.5GiB"`: every letter is a power of 1024.

    Raises ValueError, whose message says what is wanted, for anything else and for what is not above zero.
    """
    count = 0.0
    if isinstance(size, int) and not isinstance(size, bool):
        return _above_zero(size, size)
    if isinstance(size, str) and (match := _SIZE.fullmatch(size.replace(" ", ""))):
        count = float(match[1]) * 1024.0 ** (_LETTERS.index(match[2].upper()) + 1 if match[2] else 0)
    return _above_zero(int(count) if count < math.inf else 0, size)


def amount_text(amount: int) -> str:
    """How much of something, as `bytes_of` reads it: `2`, `4G`. Many of what is no round number are about `23.5G`."""
    power = min(max(amount.bit_length() - 1, 0) // 10, len(_LETTERS))
    while power and amount % 1024**power and amount < 1024**2:
        power -= 1
    if not power:
        return str(amount)
    unit = 1024**power
    said = str(amount // unit) if amount % unit == 0 else f"{amount / unit:.1f}"
    return said + _LETTERS[power - 1]


def _above_zero(count: int, said: object) -> int:
    if count <= 0:
        raise ValueError(f"{said!r} is not a size: write bytes above zero, or for example '512M' or '4G'")
    return count


def joined(*reasons: str | None) -> str | None:
    """Of what is said, each beside the others; None if nothing is."""
    return "; ".join(reason for reason in reasons if reason) or None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`" Did you mean 'requires'?"`, or nothing if no known word is near. To be put after a sentence."""
    # Imported here: it is needed on the way to an error only.
    from difflib import get_close_matches

    candidates = list(known)
    by_lower = {name.lower(): name for name in candidates}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""


def is_plain(text: str) -> bool:
    """Whether it can be said in a variable of the environment and kept in the journal: UTF-8, and no NUL."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
