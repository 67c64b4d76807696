"""What a project can be called. Light: commands that only look check a name with it, and load no file."""

from __future__ import annotations

import re

ALLOWED = re.compile(r"[a-z0-9_-]")
RULE = "use lower-case letters, digits, - and _, and start with a letter or digit"


def normalized(name: str) -> str:
    """The name with what no name has left out; empty where nothing is left."""
    return "".join(ALLOWED.findall(name.lower())).lstrip("_-")


def refused(name: str, source: str) -> str:
    """The words for a name that is none, as `source` gives it."""
    return f"{name!r} (from {source}) can't be a project name"
