"""The corpus of the differential test: tables of snippets, multiplied into cases by rules. No case is written twice.

A Case is a folder of files, flags, and an environment. `corpus()` yields all of them, in a fixed order.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.specs.cases.case import Case

__all__ = ["Case", "corpus"]


def corpus(*, whole: bool = False) -> Iterator[Case]:
    """Every case, ids unique; `whole`: every value at every place."""
    from tests.specs.cases import composed, extensions, interpolation, layouts, merging, reuse, snippets, sweeps, syntax

    yield from snippets.cases()
    yield from sweeps.cases(stride=1 if whole else sweeps.STRIDE)
    yield from composed.cases(count=4000 if whole else 900)
    for module in (merging, reuse, interpolation, syntax, layouts, extensions):
        yield from module.cases()
