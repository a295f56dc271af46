"""Lines for GitHub Actions: the output of a failure is folded into a group, and an annotation names it.

These are the only lines that begin with `::`. Whatever comes from a task stands behind a margin, or is escaped as
the runner demands it, so that no text of a task can make another one.
"""

from __future__ import annotations

from pexen_state.core.states import BAD_WORDS
from pexen_state.report.display import Result
from pexen_state.report.display.entries import result_lines
from pexen_state.report.display.lines import Lines
from pexen_state.report.style import verdict_words
from pexen_state.report.text import safe


class GithubLines(Lines):
    def _show(self, result: Result) -> None:
        first, *output = result_lines(result, self._looks, self._counter())
        self._print(first)
        key = safe(result.key or "")
        if output:
            self._print(f"::group::{escaped(key)}")
            for line in output:
                self._print(line)
            self._print("::endgroup::")
        if result.verdict in BAD_WORDS or result.verdict == "warn":
            level = "warning" if result.verdict == "warn" else "error"
            reason = safe(result.reason) if result.reason else verdict_words(result.verdict)
            self._print(f"::{level} title={escaped_property(key)}::{escaped(reason)}")


def escaped(text: str) -> str:
    """The message of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escaped_property(text: str) -> str:
    """The value of a property of a workflow command."""
    return escaped(text).replace(":", "%3A").replace(",", "%2C")
