"""Exceptions as JSON: class, arguments, attributes, text and traceback; and the exception again.

What comes back is the real class if it can be imported and is made of its arguments again, else a ReplayedError.
It is proved by comparing the text. There is never a traceback object, only its text for people.
"""

from __future__ import annotations

import json
import traceback
from typing import Any

from pexen_state.journal.values import NotDecodable, NotEncodable, from_json, importable, to_json
from pexen_state.util import PexenError


class ReplayedError(PexenError):
    """Stands for an exception of an earlier session whose class could not be had again.

    `class_path` is `module:qualname`, `message` what `str()` said of it, `traceback` the text of its traceback.
    """

    def __init__(self, class_path: str, message: str, traceback: str = "") -> None:
        super().__init__(f"{class_path.partition(':')[2]}: {message}" if message else class_path.partition(":")[2])
        self.class_path = class_path
        self.message = message
        self.traceback = traceback

    def __reduce__(self) -> tuple[type[ReplayedError], tuple[str, str, str]]:
        return type(self), (self.class_path, self.message, self.traceback)


def encode_error(error: BaseException) -> str:
    """Never fails: what cannot be encoded exactly is left out, and the class is then not made again."""
    kind = type(error)
    kept: dict[str, Any] = {
        "class": f"{kind.__module__}:{kind.__qualname__}",
        "args": _exact_or_none(_arguments_of(error)),
        "text": _text_of(error),
        "traceback": _traceback_of(error),
    }
    attributes = {}
    for name, value in vars(error).items():
        exact = _exact_or_none([value])
        if exact is not None and not name.startswith("$"):
            attributes[name] = exact[0]
    if attributes:
        kept["attributes"] = attributes
    return json.dumps(kept, separators=(",", ":"), allow_nan=False)


def decode_error(text: str) -> BaseException:
    """The exception again, or a ReplayedError. Runs the constructor of the class, which may be anybody's."""
    try:
        kept = json.loads(text)
        place, message = kept["class"], kept["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotDecodable(f"the journal holds an error that cannot be read back: {text[:80]}") from error
    found = importable(place)
    if kept.get("args") is not None and isinstance(found, type) and issubclass(found, BaseException):
        made = _made_again(found, kept, message)
        if made is not None:
            return made
    return ReplayedError(place, message, kept.get("traceback", ""))


def _made_again(kind: type[BaseException], kept: dict[str, Any], message: str) -> BaseException | None:
    # First as its author meant it. If that fails, as unpickling would do it: an exception whose constructor
    # wants something else than it hands on to its base is common.
    for construct in (kind, lambda *args: kind.__new__(kind, *args)):
        try:
            args = tuple(map(from_json, kept["args"]))
            made: BaseException = construct(*args)
            vars(made).update({name: from_json(value) for name, value in kept.get("attributes", {}).items()})
            if type(made) is kind and str(made) == message:
                return made
        except Exception:  # noqa: BLE001 - whatever a foreign constructor raises, there is the text
            pass
    return None


def _arguments_of(error: BaseException) -> list[Any]:
    # The `args` of an OSError leave out its file names; what it would be pickled with has them.
    return list(OSError.__reduce__(error)[1] if isinstance(error, OSError) else error.args)


def _exact_or_none(values: list[Any]) -> list[Any] | None:
    try:
        return [to_json(value, "an argument") for value in values]
    except (NotEncodable, RecursionError):
        return None


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 - a foreign __str__ may raise anything
        return f"<its text failed with {type(failure).__name__}>"


def _traceback_of(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as failure:  # noqa: BLE001 - formatting calls foreign code, too
        return f"<its traceback failed with {type(failure).__name__}>"
