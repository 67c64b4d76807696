"""Projects grown from a seed: every service key in each of its forms, several files, every way to spell YAML.

Unlike the tables beside it nothing here is listed: a seed is a case.
`python -m tests.specs.oracle --grown FIRST:COUNT` compares them.
"""

from __future__ import annotations

from tests.specs.cases.grown.projects import grown

__all__ = ["grown"]
