"""What explicit tags make of a scalar: `!!int "5"`, and our own !reset and !override."""

from __future__ import annotations

import binascii
from typing import Any

from specs.node import Timestamp
from specs.scalars import resolve


def custom_tag(tag: Any) -> str | None:
    word = None if tag is None else str(tag)
    return word if word in {"!reset", "!override"} else None


def cast(word: str, text: str) -> Any:
    """An explicit `!!word`; Ellipsis where the text is no such thing."""
    value = resolve(text)
    match word:
        case "str":
            return text
        case "null":
            return None if value is None else ...
        case "bool":
            return value if isinstance(value, bool) else ...
        case "int":
            return value if type(value) is int else ...
        case "float":
            return float(value) if type(value) in (int, float) else ...
        case "timestamp":
            return value if isinstance(value, Timestamp) else ...
        case "binary":
            try:
                return binascii.a2b_base64(text, strict_mode=True).decode("utf-8", "replace")
            except binascii.Error:
                return ...
        case _:
            return text
