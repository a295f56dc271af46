"""The two roots of everything that pexen raises and warns about. Nothing else belongs here."""

from __future__ import annotations


class PexenError(Exception):
    """The root of the errors that pexen raises. Its message says what, which, why, and the way out."""


class PexenWarning(UserWarning):
    """Something that a person should know, and that does not stop the run."""
