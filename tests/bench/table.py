"""A table of measurements, and the one way to take them: a child process, its time and its peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Table:
    """`bars` are claims that the bench holds: words → whether it did."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    bars: dict[str, bool] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"## {self.title}", "", f"| {' | '.join(self.head)} |", "|" + "---|" * len(self.head)]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        lines += ["", *(f"- {'held' if held else 'NOT held'}: {bar}" for bar, held in self.bars.items())]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Measured:
    seconds: float
    peak_mib: float


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Measured:
    """One run of a command, its output thrown away. Raises RuntimeError with its last words when it fails."""
    with open(folder / ".stderr", "w+b") as words:
        started = time.monotonic()
        child = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            words.seek(0)
            raise RuntimeError(f"{' '.join(command)}: exit {child.returncode}: {words.read()[-300:]!r}")
    return Measured(seconds, usage.ru_maxrss / 1024)


def medians(*commands: Sequence[str], folder: Path, rounds: int = 5, warm: int = 1) -> list[Measured]:
    """The median of each command, all of them measured side by side, turn by turn, after a warm-up."""
    turns = [[run(command, folder) for command in commands] for _ in range(warm + rounds)][warm:]
    return [
        Measured(statistics.median(m.seconds for m in each), max(m.peak_mib for m in each))
        for each in zip(*turns, strict=True)
    ]
