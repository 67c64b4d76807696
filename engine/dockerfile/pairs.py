"""The arguments of ENV and LABEL: `a=b c="d e"`, or the old form `name the whole rest`. Pure."""

from __future__ import annotations

import re

from engine.dockerfile.flags import Wrong
from engine.dockerfile.lex import BLANKS, placed_words


def pairs_of(keyword: str, rest: str, start: int, escape: str) -> tuple[tuple[tuple[str, str], ...], bool]:
    """(pairs, whether it was the old form). `rest` begins at the offset `start` of its line. Raises Wrong."""
    words = placed_words(rest, escape)
    if "=" not in words[0][1]:
        match = re.match(rf"(\S+)[{BLANKS}]+(.*)", rest.strip(), re.DOTALL)
        if match is None:
            raise Wrong("arguments", f"{keyword} must have two arguments", start, "write name=value")
        return ((match[1], match[2]),), True
    pairs = []
    for offset, word in words:
        name, equals, value = word.partition("=")
        if not equals:
            message = f'syntax error - can\'t find = in "{word}": must be of the form: name=value'
            raise Wrong("pair", message, start + offset)
        if not name:
            raise Wrong("pair", f"{keyword} names can not be blank", start + offset)
        pairs.append((name, value))
    return tuple(pairs), False
