"""Room for recursion: YAML may be nested deeper than Python's default limit allows functions to call themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Python frames for YAML of the deepest nesting that read allows, at a few frames a level.
FRAMES = 8000


@contextmanager
def deep() -> Iterator[None]:
    """Raise the limit for a while."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
