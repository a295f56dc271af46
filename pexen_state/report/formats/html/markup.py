"""The one way by which anything gets into the page: text is escaped, and only what was made here is markup.

What is made is HTML and well-formed XML at once. There is no way to write a script, a style or an address that is not
relative.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from urllib.parse import quote

from pexen_state.journal.paths import key_bytes
from pexen_state.report.text import safe_markup, visible

#: Text in which nothing is to be escaped, as nearly all is.
_PLAIN = re.compile(r"[\w ,;.()\[\]{}+*/=@!?$%^~|-]*", re.ASCII)
_VOID = frozenset({"meta", "rect", "path", "line", "use"})


class Markup(str):
    """Text that may stand in the page as it is."""

    __slots__ = ()


def text(said: object) -> Markup:
    """Any text on one line, as text. What is invisible is shown as an escape."""
    if _PLAIN.fullmatch(words := str(said)):
        return Markup(words)
    return Markup(safe_markup(escape(visible(words))))


def lines_of(said: Iterator[str]) -> Markup:
    """Lines that are visible already."""
    return Markup(safe_markup(escape("\n".join(said))))


def begin(name: str, /, **attributes: object) -> Markup:
    """`class_` is `class`, `aria_label` is `aria-label`; an attribute that is None is left out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{said}>")


def end(name: str) -> Markup:
    return Markup(f"</{name}>")


def tag(name: str, /, *children: str, **attributes: object) -> Markup:
    """An element. Children that are no `Markup` are text."""
    opened = begin(name, **attributes)
    if name in _VOID and not children:
        return Markup(f"{opened[:-1]}/>")
    return Markup(f"{opened}{joined(*children)}</{name}>")


def joined(*children: str) -> Markup:
    return Markup("".join(one if isinstance(one, Markup) else text(one) for one in children))


def address(path: str) -> str:
    """A file's path, relative to the page, as an address: never of another kind, whatever the file is called."""
    quoted = quote(key_bytes(path))
    return quoted if quoted.startswith(("../", "./")) else f"./{quoted}"
