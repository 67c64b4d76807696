"""A part of a volume or of an image, laid out for the runtime where nobody but the daemon can change the way to it.

The runtime mounts by path. A path into a volume is in the hands of every container that has the volume: between a look
and the mount it may lead elsewhere. So the part is opened within its root and bound, from the open file, to a place in
the bundle; in the hall, where the mount ends with its container.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from engine.api.errors import InvalidArgument
from engine.kit.overlay import view_at
from engine.kit.rooted import open_below
from engine.kit.syscalls import MS_BIND, MS_REC, mount

FOLDER = "parts"


@dataclass(frozen=True, slots=True)
class Part:
    """`lower`: the volume's folder, or an image's from the top down. `subpath` is a file or folder in it; "": all.

    `name` is its own among the container's parts, `said` what a fault calls it.
    """

    name: str
    lower: tuple[Path, ...]
    subpath: str
    said: str


def place_of(bundle: Path, name: str) -> Path:
    return bundle / FOLDER / name


def lay(part: Part, bundle: Path) -> None:
    """Mount it at its place, in the calling thread's mount namespace. Raises InvalidArgument where it isn't there."""
    target = place_of(bundle, part.name)
    target.parent.mkdir(exist_ok=True)
    root = part.lower[0]
    if len(part.lower) > 1:
        root = target.with_suffix(".view")
        root.mkdir()
        view_at(root, part.lower)
    try:
        handle = open_below(root, part.subpath, os.O_PATH)
    except OSError as error:
        raise InvalidArgument(f"cannot access path {part.said}/{part.subpath}: {error.strerror}") from None
    try:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            target.mkdir()
        else:
            target.touch()
        mount(f"/proc/self/fd/{handle}", str(target), "", MS_BIND | MS_REC)
    finally:
        os.close(handle)
