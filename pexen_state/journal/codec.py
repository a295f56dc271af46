"""The codec's face: values and exceptions as JSON text, and back. The rules are in `values` and `excinfo`."""

from pexen_state.journal.excinfo import ReplayedError, decode_error, encode_error
from pexen_state.journal.values import (
    NotDecodable,
    NotEncodable,
    Unrestorable,
    UnrestorableUsed,
    decode,
    encode,
    encode_or_text,
    is_text_only,
)

__all__ = [
    "NotDecodable",
    "NotEncodable",
    "ReplayedError",
    "Unrestorable",
    "UnrestorableUsed",
    "decode",
    "decode_error",
    "encode",
    "encode_error",
    "encode_or_text",
    "is_text_only",
]
