"""Whether to colour, decided in one place: --ansi, NO_COLOR, and whether anybody sees it."""

from __future__ import annotations

import os
from typing import TextIO


def wants_colour(stream: TextIO, ansi: str = "auto") -> bool:
    if ansi in {"always", "never"}:
        return ansi == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
