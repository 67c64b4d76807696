"""Plain tables: whole where a program reads, cut to the terminal where a person does; never wrapped."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import TextIO

GAP = 3
# The least room a column takes, its gap included, as Docker's tables have it; and how far a column may be cut.
NARROWEST, SHORTEST = 10, 6


def render_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """The lines without a newline at the end; `width` None cuts nothing."""
    cells = [[clean(cell) for cell in row] for row in (header, *rows)]
    sizes = [max(cell_width(row[i]) for row in cells) for i in range(len(header))]
    if width is not None:
        fit(sizes, width)
    lines = []
    for row in cells:
        parts = [padded(cut(cell, size), max(size + GAP, NARROWEST)) for cell, size in zip(row, sizes, strict=True)]
        lines.append("".join(parts).rstrip())
    return "\n".join(lines)


def terminal_width(stream: TextIO = sys.stdout) -> int | None:
    """Columns of the terminal behind `stream`; None where a file or a pipe reads."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def fit(sizes: list[int], width: int) -> None:
    """Cut the widest columns, one character at a time, until the table fits or nothing more can be cut."""
    while sum(max(size + GAP, NARROWEST) for size in sizes[:-1]) + sizes[-1] > width:
        widest = max(range(len(sizes)), key=lambda i: sizes[i])
        if sizes[widest] <= SHORTEST:
            return
        sizes[widest] -= 1


def cell_width(text: str) -> int:
    """Columns that the text takes on a terminal: CJK takes two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, size: int) -> str:
    if cell_width(text) <= size:
        return text
    kept = ""
    for character in text:
        if cell_width(kept + character) >= size:
            break
        kept += character
    return f"{kept}…"


def padded(text: str, size: int) -> str:
    return text + " " * (size - cell_width(text))


def clean(text: str) -> str:
    """One line, and nothing that moves the cursor."""
    return "".join(c if c.isprintable() else " " for c in text)
