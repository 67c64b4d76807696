"""Projects grown from a seed: every service key in each of its forms, several files, every way to spell YAML; and what
stands around them: env files, templates, layers, folders.

Unlike the tables beside it nothing here is listed: a seed is a case.
`python -m tests.specs.oracle --grown FIRST:COUNT [--kind KIND]` compares them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from tests.specs.cases.case import Case
from tests.specs.cases.grown.dotenv import dotenv
from tests.specs.cases.grown.folders import folders
from tests.specs.cases.grown.layers import layers
from tests.specs.cases.grown.projects import Project
from tests.specs.cases.grown.templates import templates

# `grown` has the whole projects; the others look closely at one side of the language each.
KINDS: dict[str, Callable[[random.Random, str], Case]] = {
    "grown": lambda chance, id: Project(chance).case(id),
    "dotenv": dotenv,
    "templates": templates,
    "layers": layers,
    "folders": folders,
}


def grown(first: int, count: int, kind: str = "grown") -> Iterator[Case]:
    """The cases of `count` seeds from `first` on."""
    for seed in range(first, first + count):
        id = f"{kind}/{seed}"
        yield KINDS[kind](random.Random(id), id)
