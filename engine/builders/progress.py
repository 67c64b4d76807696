"""What a build says while it runs: one line value for every way to build, and the tail that a fault is told with."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
TAIL = 15


@dataclass(frozen=True, slots=True)
class BuildLine:
    """A line of progress; bytes done of bytes in all where something is moved, else None."""

    text: str
    current: int | None = None
    total: int | None = None


OnLine = Callable[[BuildLine], None]


def unheard(line: BuildLine) -> None:
    """For callers that don't listen."""


@dataclass(slots=True)
class Listener:
    """Splits a builder's output into lines, passes them on and keeps the last."""

    on_line: OnLine
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    rest: str = ""

    def text(self, piece: str) -> None:
        *lines, self.rest = (self.rest + piece).replace("\r\n", "\n").split("\n")
        for line in lines:
            self.line(line)

    def line(self, text: str, current: int | None = None, total: int | None = None) -> None:
        # of a line that was drawn over and over, the last state counts
        shown = ANSI.sub("", text).rstrip().rpartition("\r")[2]
        if shown:
            if total is None:
                self.tail.append(shown)
            self.on_line(BuildLine(shown, current, total))

    def end(self) -> None:
        if self.rest:
            self.line(self.rest)
            self.rest = ""

    def told(self, fault: str) -> str:
        """The fault and, below it, what the builder said last."""
        said = [line for line in self.tail if line != fault]
        return "\n  ".join([fault, *said]) if said else fault
