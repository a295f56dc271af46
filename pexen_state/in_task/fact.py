"""`pexen fact NAME` in a task: one fact about the box, for a script. Few need it, so it is apart from the others."""

from __future__ import annotations

import json
import os
import sys


def said(name: str) -> str | None:
    """What is printed; None if there is no such fact here. Raises KeyError if there is none anywhere."""
    # The file alone, and not the package that it is in: this is to be quick.
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "box"))
    box = __import__("facts")
    if name not in box.MEANING:
        raise KeyError(name)
    value = box.facts().get(name)
    if value is None:
        return None
    if isinstance(value, list):
        return "\n".join(value)
    return value if isinstance(value, str) else json.dumps(value)
