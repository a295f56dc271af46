"""The name of a lock as text, and the lock of that text: how people and command lines call it.

A name is any hashable value. A string is its own text; any other value is written as JSON, a tuple as a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from pexen_state.core.locks import normal_name
from pexen_state.core.spec import Name


def lock_text(name: Name) -> str:
    """`disk`, `/proc/sys/net`, `7`, `["disk", 1]`."""
    if isinstance(name, str):
        return name
    try:
        return json.dumps(name)
    except (TypeError, ValueError):  # only in memory: a journal takes no such name
        return repr(name)


def lock_of(text: str, names: Iterable[Name]) -> Name | None:
    """Which of the names the text means, None if none of them. A string goes before a value that looks like it."""
    known = [normal_name(name) for name in names]
    wanted = normal_name(text)
    if wanted in [name for name in known if isinstance(name, str)]:
        return wanted
    spoken = {lock_text(name): name for name in known if not isinstance(name, str)}
    if text in spoken:
        return spoken[text]
    try:
        return spoken.get(json.dumps(json.loads(text)))  # however it was spaced
    except (ValueError, RecursionError):
        return None
