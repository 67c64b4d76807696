"""What a writable layer changed over its parents, for /changes: Docker's kinds. Reads only, in a thread."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.api.containers import FilesystemChange
from engine.daemon.snapshots.parents import find_below, is_opaque, is_whiteout

MODIFIED, ADDED, DELETED = 0, 1, 2


def changes_between(lower: Sequence[Path], upper: Path) -> list[FilesystemChange]:
    """Sorted by path. A folder in which something changed is modified, the root itself is not listed."""
    found = walk(lower, upper, "", covered=False)
    return [{"Path": path, "Kind": kind} for path, kind in sorted(found)]


def walk(lower: Sequence[Path], folder: Path, path: str, *, covered: bool) -> Iterator[tuple[str, int]]:
    """`covered`: an opaque folder above hides the parents' layers."""
    opaque = covered or is_opaque(folder)
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            names.add(entry.name)
            name, status = f"{path}/{entry.name}", entry.stat(follow_symlinks=False)
            before = None if covered else find_below(lower, os.fsencode(name))
            if is_whiteout(status):
                if before is not None:
                    yield name, DELETED
            else:
                yield name, ADDED if before is None else MODIFIED
                if stat.S_ISDIR(status.st_mode):
                    hidden = opaque or before is None or not stat.S_ISDIR(before.lstat().st_mode)
                    yield from walk(lower, folder / entry.name, name, covered=hidden)
    if opaque and not covered:
        yield from ((f"{path}/{name}", DELETED) for name in names_below(lower, path) - names)


def names_below(lower: Sequence[Path], path: str) -> set[str]:
    """What the parents show in the folder."""
    names: set[str] = set()
    for layer in lower:
        place = layer / path.lstrip("/")
        if place.is_dir() and not place.is_symlink():
            names |= {
                name for name in os.listdir(place) if find_below(lower, os.fsencode(f"{path}/{name}")) is not None
            }
    return names
