"""How filters of lists and prunes match: what Docker does alike for every kind of object. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

LONGEST_PATTERN = 255


def found_in(value: str, text: str) -> bool:
    """A part of the text, or a regular expression that is found in it."""
    if value in text:
        return True
    try:
        return len(value) <= LONGEST_PATTERN and re.search(value, text) is not None
    except re.error:
        return False


def has_label(labels: Mapping[str, str] | None, wanted: str) -> bool:
    """`KEY` or `KEY=VALUE`."""
    key, equals, value = wanted.partition("=")
    return labels is not None and key in labels and (not equals or labels[key] == value)
