"""Colours for words that say it all without them, and how numbers and times are written for people."""

from __future__ import annotations

from dataclasses import dataclass

#: The words of verdicts, in the order in which they are counted for people.
COUNTED = ("pass", "info", "warn", "skip", "fail", "error", "timeout", "crash", "not_run")

_CODES = {
    "pass": "32",
    "info": "36",
    "skip": "36",
    "warn": "33",
    "fail": "1;31",
    "error": "1;31",
    "timeout": "1;31",
    "crash": "1;31",
    "not run": "33",
    "flaky": "33",
    "slow": "33",
}


@dataclass(frozen=True, slots=True)
class Style:
    """Whether words are coloured."""

    colour: bool = False

    def word(self, word: str) -> str:
        """A verdict as it stands at the begin of a line, as wide as all of them."""
        word = verdict_words(word)
        padded = f"{word.upper():<7}"
        code = _CODES.get(word)
        return f"\x1b[{code}m{padded}\x1b[0m" if self.colour and code else padded

    def strong(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.colour else text


PLAIN = Style()


def verdict_words(verdict: str | None) -> str:
    """`not_run` -> `not run`; nothing for a task that has no verdict yet."""
    return (verdict or "").replace("_", " ")


def took(seconds: float | None) -> str:
    """How long a task took, in a column: `  2.10s`, ` 4m12s`."""
    if seconds is None:
        return "      -"
    if seconds < 999.995:
        return f"{seconds:6.2f}s"
    return f"{duration(seconds):>7}"


def duration(seconds: float) -> str:
    """A span for people: `3.2s`, `4m12s`, `1h`, `2d04h`."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m" if minutes else f"{hours}h"
    if minutes:
        return f"{minutes}m{rest:02}s" if rest else f"{minutes}m"
    return f"{rest}s"


def when(iso: str | None) -> str:
    """A time of the journal, which is UTC, in seconds and in the time zone of whoever looks."""
    if not iso:
        return ""
    from datetime import datetime

    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def count(number: int, thing: str) -> str:
    """`1 task`, `2 tasks`, `214 results`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
