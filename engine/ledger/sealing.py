"""Sensitive values taken out of a document and put back: pure. What is written down holds digests in their place.

A value is sensitive where it stands (a secret's content, a marked variable), and wherever else it turns up: a command
line into which it was interpolated gives it away as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from engine.ledger.release import SENSITIVE
from engine.plan.sensitive import gives_away, telling

Seal = Callable[[str], str]


class Sealing:
    """One document being sealed. `found` maps each digest to the value behind it; `values` are those known to be
    sensitive, `is_marked` says whether the place at a path holds one.
    """

    def __init__(self, seal: Seal, values: Collection[str], is_marked: Callable[[tuple[str, ...]], bool]) -> None:
        self.found: dict[str, bytes] = {}
        self._seal = seal
        self._values = telling(values)
        self._is_marked = is_marked

    def sealed(self, value: Any, path: tuple[str, ...] = ()) -> Any:
        """A copy of the document without a sensitive value in it."""
        if isinstance(value, Mapping):
            return {key: self.sealed(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.sealed(item, (*path, str(place))) for place, item in enumerate(value)]
        if isinstance(value, str) and value and (self._is_marked(path) or gives_away(value, self._values)):
            digest = self._seal(value)
            self.found[digest] = value.encode()
            return {SENSITIVE: digest}
        return value


def digests_in(document: Any, path: tuple[str, ...] = ()) -> dict[str, str]:
    """Path → digest of every sensitive value of a sealed document; the path as a person writes it."""
    if isinstance(document, Mapping):
        if document.keys() == {SENSITIVE}:
            return {".".join(path): document[SENSITIVE]}
        return {p: d for key, item in document.items() for p, d in digests_in(item, (*path, str(key))).items()}
    if isinstance(document, list):
        return {p: d for n, item in enumerate(document) for p, d in digests_in(item, (*path, str(n))).items()}
    return {}


def unsealed(document: Any, values: Mapping[str, bytes]) -> Any:
    """The document with its values back. Raises KeyError for a digest that isn't in `values`."""
    if isinstance(document, Mapping):
        if document.keys() == {SENSITIVE}:
            return values[document[SENSITIVE]].decode()
        return {key: unsealed(item, values) for key, item in document.items()}
    return [unsealed(item, values) for item in document] if isinstance(document, list) else document
