"""Places in a Dockerfile, and what is wrong there. A fault is a value; all of a text's faults are collected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, both from 1, the column in code points."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` is stable; `hint` says what to do, or what was probably meant. `warning`: it builds all the same."""

    code: str
    message: str
    place: Place
    hint: str = ""
    warning: bool = False

    def told(self, file: str = "Dockerfile") -> str:
        """`Dockerfile:3:1: error[unknown-instruction]: … (did you mean RUN?)`."""
        hint = f" ({self.hint})" if self.hint else ""
        kind = "warning" if self.warning else "error"
        return f"{file}:{self.place.line}:{self.place.column}: {kind}[{self.code}]: {self.message}{hint}"


class DockerfileError(ValueError):
    """A text that can't be built. `faults` are all that was found, in the order of the text; never empty."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(fault.told() for fault in faults))


def meant(word: str, known: Sequence[str]) -> str:
    """The hint for a word that nobody knows; empty where nothing is near it."""
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""
