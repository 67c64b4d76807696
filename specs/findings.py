"""The faults of one load as a person reads them: each once, from the top of the first file down."""

from __future__ import annotations

import re
from collections.abc import Sequence

from specs.source import Diagnostic, Span

ABOUT_KEYS = frozenset({"unknown-key", "bad-name"})
# Whose fault it is, at the start of a message: differs where several services share one anchor.
OWNER = re.compile(r'^(?:service "[^"]*"|[\w.-]+:) ')


def in_order(found: Sequence[Diagnostic], files: Sequence[str]) -> list[Diagnostic]:
    """Each fault once, in the order of reading: an anchor's fault is met at every alias, a file's at every use."""
    once: dict[tuple[Span | None, str, str], Diagnostic] = {}
    bad_keys = {each.span for each in found if each.code == "key-not-string"}
    for each in found:
        if each.code in ABOUT_KEYS and each.span in bad_keys:
            continue
        # the same value of the wrong type may be met by more than one rule, each with its own words
        about = "" if each.code == "wrong-type" else OWNER.sub("", each.message)
        once.setdefault((each.span, each.code, about if each.span else each.message), each)
    place = {file: number for number, file in enumerate(files)}

    def key(each: Diagnostic) -> tuple[int, str, int, int]:
        span = each.span
        return (-1, "", 0, 0) if span is None else (place.get(span.file, len(place)), span.file, span.line, span.column)

    return sorted(once.values(), key=key)
