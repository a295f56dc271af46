"""`pexen fact NAME` in a task: one fact about the box, for a script. Few need it, so it is apart from the others."""

from __future__ import annotations

import json
import os
import sys


def said(name: str) -> str | None:
    """What is printed; None if there is no such fact here. Raises KeyError if there is none anywhere."""
    # Beside this file, which is run by its path, is the package; python is told to look nowhere for it.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from pexen_state.box.facts import MEANING, facts

    if name not in MEANING:
        raise KeyError(name)
    value = facts().get(name)
    if value is None:
        return None
    return value if isinstance(value, str) else json.dumps(value)
