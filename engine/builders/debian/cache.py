"""Unpacked layers kept on this machine, one folder per spec, one below it per set of package versions.

A folder appears whole (written aside, then renamed) and a file lock lets one process build a spec at a time. Anything
here may be deleted at any time; the next build makes it again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anyio

from engine.builders.debian.finish import Folder
from engine.builders.debian.layer import LayerMade
from engine.builders.sources import DebianImage
from engine.oci.digest import Digest

# Part of the key here, never of an image's identity: raise it when the finish step changes what it writes.
RECIPE = 1
KEEP_DAYS = 30


@dataclass(frozen=True, slots=True)
class CachedLayer:
    """A finished layer on disk and what later layers must know of it."""

    path: Path
    diff_id: Digest
    size: int
    newest: int
    packages: Mapping[str, str]
    folders: Mapping[str, Folder]
    links: Mapping[str, str]
    users: Mapping[str, tuple[int, int]]
    groups: Mapping[str, int]


def root() -> Path:
    """$XDG_CACHE_HOME/rorqual; without it /var/cache/rorqual for root, ~/.cache/rorqual for others."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "rorqual"
    return Path("/var/cache/rorqual") if os.geteuid() == 0 else Path.home() / ".cache" / "rorqual"


def folder_of(image: DebianImage) -> Path:
    """The folder of all builds of this spec: what decides the packages, not what is laid over them."""
    spec = {
        "recipe": RECIPE,
        "suite": image.suite,
        "packages": sorted(set(image.packages)),
        "variant": image.variant,
        "architecture": image.architecture or os.uname().machine,
        "epoch": os.environ.get("SOURCE_DATE_EPOCH", ""),
    }
    return root() / "debian" / hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:32]


def name_of(packages: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()[:32]


@asynccontextmanager
async def locked(folder: Path) -> AsyncIterator[None]:
    """One builder of a spec at a time, over all processes; waits for the other without holding a thread."""
    await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
    async with await anyio.open_file(folder / "lock", "w") as lock:
        while True:
            try:
                fcntl.flock(lock.wrapped.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await anyio.sleep(0.1)
        yield


def newest(folder: Path) -> CachedLayer | None:
    """The layer that was made last, whatever its versions."""
    made = [path for path in folder.glob("*/layer.json") if (path.parent / "layer.tar").is_file()]
    for path in sorted(made, key=lambda path: path.stat().st_mtime, reverse=True):
        if (layer := read(path.parent)) is not None:
            return layer
    return None


def read(folder: Path) -> CachedLayer | None:
    try:
        noted: dict[str, Any] = json.loads((folder / "layer.json").read_text(encoding="utf-8"))
        os.utime(folder.parent)
        return CachedLayer(
            folder / "layer.tar",
            Digest.parse(noted["diff_id"]),
            noted["size"],
            noted["newest"],
            noted["packages"],
            {path: Folder(*owner) for path, owner in noted["folders"].items()},
            noted["links"],
            {name: (ids[0], ids[1]) for name, ids in noted["users"].items()},
            noted["groups"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def workplace(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix="making-", dir=folder))


def discard(work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)


def keep(folder: Path, work: Path, made: LayerMade, packages: Mapping[str, str]) -> CachedLayer:
    """Put the layer that lies in `work` in its place; older versions and specs unused for a month go."""
    noted = {
        "diff_id": str(made.diff_id),
        "size": made.size,
        "newest": made.newest,
        "packages": dict(sorted(packages.items())),
        "folders": {path: list(asdict(owner).values()) for path, owner in sorted(made.tree.folders.items())},
        "links": dict(sorted(made.tree.links.items())),
        "users": {user.name: [user.uid, user.gid] for user in made.accounts.users.values()},
        "groups": made.accounts.groups,
    }
    (work / "layer.json").write_text(json.dumps(noted), encoding="utf-8")
    place = folder / name_of(packages)
    shutil.rmtree(place, ignore_errors=True)
    work.rename(place)
    sweep(folder, place)
    layer = read(place)
    assert layer is not None, f"{place} was written a moment ago"
    return layer


def sweep(folder: Path, kept: Path) -> None:
    for other in folder.iterdir():
        if other.is_dir() and other != kept:
            shutil.rmtree(other, ignore_errors=True)
    oldest = time.time() - KEEP_DAYS * 86400
    for spec in folder.parent.iterdir():
        if spec != folder and spec.is_dir() and spec.stat().st_mtime < oldest:
            shutil.rmtree(spec, ignore_errors=True)
