"""What a factory may know of the run that it makes tasks for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pexen_state.box import facts


class Context:
    """`params` are the parameters of the run, `facts` what is known about the box. Both are for reading."""

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        self.params: Mapping[str, Any] = dict(params or {})

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        return facts.facts()
