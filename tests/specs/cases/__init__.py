"""The corpus of the differential test: tables of snippets, multiplied into cases by rules. No case is written twice.

A Case is a folder of files, flags, and an environment. `corpus()` yields all of them, in a fixed order.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.specs.cases.case import Case

__all__ = ["Case", "corpus"]


def corpus() -> Iterator[Case]:
    """Every case, ids unique. Importing the tables is left until they are asked for."""
    from tests.specs.cases import interpolation, layouts, merging, reuse, snippets, sweeps, syntax

    for module in (snippets, sweeps, merging, reuse, interpolation, syntax, layouts):
        yield from module.cases()
