"""What a test written with beakerlib leaves: the file `TestResults` in its directory. Its exit code says nothing.

TESTRESULT_RESULT_STRING=PASS
TESTRESULT_STATE=complete           or started, or incomplete: it did not come to its end
"""

from __future__ import annotations

import re

from pexen_state.core.states import Verdict
from pexen_state.journal.records import SubResult
from pexen_state.subresults.lines import VERDICTS

FILE = "TestResults"

_LINE = re.compile(r"^(?:export )?TESTRESULT_(\w+)=[\"']?([^\"'\n]*)[\"']?\s*$", re.MULTILINE)


def result(text: str | None) -> SubResult:
    """The one result that the file tells of; an error if it tells of none, or if the file is not there (None)."""
    if text is None:
        return SubResult("beakerlib", Verdict.ERROR, f"it left no {FILE}: did it come to rlJournalStart?")
    said = dict(_LINE.findall(text))
    word, state = said.get("RESULT_STRING", ""), said.get("STATE", "")
    if state and state != "complete":
        return SubResult("beakerlib", Verdict.ERROR, f"its journal is {state}: it did not come to rlJournalEnd")
    verdict = VERDICTS.get(word.lower())
    if verdict is None:
        return SubResult(
            "beakerlib", Verdict.ERROR, f"{FILE} says no result" + (f" that is known: {word}" if word else "")
        )
    failed = said.get("ASSERTS_FAILED", "")
    return SubResult("beakerlib", verdict, f"{failed} asserts failed" if failed not in ("", "0") else None)
