"""What steps made, by the content of their inputs; and the folders of cache mounts. Kept until pruned.

A record names the layers that it needs, and the images' room keeps those. A record whose layers are gone finds
nothing. Called by the build's stages; counted in /system/df.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anyio

from engine.daemon.build.portable import PortableStep
from engine.daemon.build.state import State, key_of
from engine.daemon.protocols import Store
from engine.daemon.snapshots.layers import Layers, size_of
from engine.kit.clock import Clock

STEP, MOUNT, DIGEST = "build-step", "build-mount", "build-digest"
# More steps than this are not kept: the ones that were not used for longest go.
MOST_STEPS = 2000


@dataclass(slots=True)
class Entry:
    """One step's result. `parent` is the key before it; `size` that of its own layer. Times in Unix seconds."""

    key: str
    parent: str
    description: str
    state: Mapping[str, Any]
    size: int
    created: float
    used: float
    uses: int = 0

    @property
    def top(self) -> str:
        chains: Sequence[str] = self.state["chain_ids"]
        return chains[-1] if chains else ""


@dataclass(slots=True)
class MountFolder:
    """A folder that RUN --mount=type=cache keeps."""

    key: str
    id: str
    created: float
    used: float
    uses: int = 0


class BuildCache:
    def __init__(self, root: Path, store: Store, layers: Layers, clock: Clock) -> None:
        self._root = root
        self._store = store
        self._layers = layers
        self._clock = clock
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._steps = {key: Entry(**record) for key, record in store.list(STEP).items()}
        self._mounts = {key: MountFolder(**record) for key, record in store.list(MOUNT).items()}
        self._digests: dict[str, Mapping[str, str]] = dict(store.list(DIGEST))
        self._locks: dict[str, anyio.Lock] = {}
        self._busy: set[str] = set()
        # Folders that `forget` gave away to be removed.
        self._going: set[str] = set()
        for path in root.iterdir():
            if path.name not in self._mounts:
                shutil.rmtree(path, ignore_errors=True)

    # --- steps
    def tops(self) -> Collection[str]:
        """The chains that records need: for the collector."""
        return {entry.top for entry in self._steps.values() if entry.top}

    def find(self, key: str) -> State | None:
        entry = self._steps.get(key)
        if entry is None:
            return None
        if entry.top and not self._layers.has(entry.top):
            self._drop(key)
            return None
        entry.uses += 1
        entry.used = self._clock.now()
        self._store.put(STEP, key, asdict(entry))
        return State.from_json(entry.state)

    def keep(self, parent: str, state: State, description: str, size: int) -> None:
        now = self._clock.now()
        entry = Entry(state.key, parent, description, state.to_json(), size, now, now)
        self._steps[state.key] = entry
        self._store.put(STEP, state.key, asdict(entry))
        if len(self._steps) > MOST_STEPS:
            self._drop(min(self._steps, key=lambda key: self._steps[key].used))

    def trim(self, most_bytes: int) -> bool:
        """Drop the steps unused for longest, until the rest are no larger; True when there were some to drop.

        Their layers are for the collector.
        """
        size = sum(entry.size for entry in self._steps.values())
        before = len(self._steps)
        for key in sorted(self._steps, key=lambda key: self._steps[key].used):
            if size <= most_bytes:
                break
            size -= self._steps[key].size
            self._drop(key)
        return len(self._steps) < before

    def _drop(self, key: str) -> None:
        del self._steps[key]
        self._store.delete(STEP, key)

    def lineage(self, image: str) -> set[str]:
        """The keys of the steps that led to an image of this id; empty for one that was not built here."""
        found: set[str] = set()
        ends = [key for key, entry in self._steps.items() if State.from_json(entry.state).id == image]
        while ends:
            key = ends.pop()
            if key in self._steps and key not in found:
                found.add(key)
                ends.append(self._steps[key].parent)
        return found

    def line(self, key: str) -> list[PortableStep]:
        """The steps that led to this one, from the image on that they began with, itself last."""
        found: list[PortableStep] = []
        while (entry := self._steps.get(key)) is not None:
            state = State.from_json(entry.state)
            found.append(PortableStep(entry.parent, entry.description, entry.size, state))
            key = entry.parent
        return found[::-1]

    # --- digests of what was taken from layers that never change
    def known_digest(self, top: str, words: Any) -> str | None:
        found = self._digests.get(key_of(top, words))
        return found["digest"] if found is not None else None

    def know_digest(self, top: str, words: Any, digest: str) -> None:
        key = key_of(top, words)
        self._digests[key] = {"top": top, "digest": digest}
        self._store.put(DIGEST, key, self._digests[key])

    # --- cache mounts
    def mount(self, id: str, *, private: bool) -> tuple[Path, bool]:
        """The folder of a cache mount, and whether it is new. `private`: one that no other step has now."""
        number = 0
        while True:
            key = key_of("mount", id, number)[:32]
            if not private or key not in self._busy:
                break
            number += 1
        now, folder = self._clock.now(), self._root / key
        known = self._mounts.get(key)
        fresh = known is None or not folder.is_dir()
        entry = MountFolder(key, id, now, now) if known is None else known
        entry.used, entry.uses = now, entry.uses + 1
        self._mounts[key] = entry
        self._store.put(MOUNT, key, asdict(entry))
        folder.mkdir(exist_ok=True)
        self._busy.add(key)
        return folder, fresh

    def release(self, folder: Path) -> None:
        self._busy.discard(folder.name)

    def lock(self, id: str) -> anyio.Lock:
        """For sharing=locked."""
        return self._locks.setdefault(id, anyio.Lock())

    # --- shown and pruned
    def listed(self, used_tops: Collection[str]) -> list[dict[str, Any]]:
        """As /system/df has it. `used_tops` are images' chains: what they need is shared, and frees nothing."""
        found = [
            {
                "ID": entry.key[:25],
                "Parents": [entry.parent[:25]] if entry.parent in self._steps else None,
                "Type": "regular",
                "Description": entry.description,
                "InUse": False,
                "Shared": entry.top in used_tops,
                "Size": entry.size,
                "CreatedAt": entry.created,
                "LastUsedAt": entry.used,
                "UsageCount": entry.uses,
            }
            for entry in self._steps.values()
        ]
        found += [
            {
                "ID": entry.key[:25],
                "Parents": None,
                "Type": "exec.cachemount",
                "Description": f"cached mount {entry.id}",
                "InUse": entry.key in self._busy,
                "Shared": False,
                "Size": size_of(self._root / entry.key) if (self._root / entry.key).is_dir() else 0,
                "CreatedAt": entry.created,
                "LastUsedAt": entry.used,
                "UsageCount": entry.uses,
            }
            for entry in self._mounts.values()
        ]
        return found

    def forget(self, shown: Iterable[Mapping[str, Any]]) -> list[Path]:
        """Drop these entries (of `listed`) → the folders to remove. Layers are for the collector."""
        ids = {str(entry["ID"]) for entry in shown}
        folders = []
        for key in [key for key in self._steps if key[:25] in ids]:
            self._drop(key)
        for key in [key for key in self._mounts if key[:25] in ids and key not in self._busy]:
            del self._mounts[key]
            self._store.delete(MOUNT, key)
            folders.append(self._root / key)
            self._going.add(key)
        gone = [key for key, found in self._digests.items() if not self._layers.has(found["top"])]
        for key in gone:
            del self._digests[key]
            self._store.delete(DIGEST, key)
        return folders

    # --- a check's
    def strays(self) -> list[Path]:
        """Folders of no cache mount."""
        self._going = {name for name in self._going if (self._root / name).is_dir()}
        known = self._mounts.keys() | self._going
        return [path for path in self._root.iterdir() if path.name not in known]

    def unrecorded(self) -> list[str]:
        """Keys of steps and cache mounts that are known and have no record."""
        steps, mounts = self._store.list(STEP), self._store.list(MOUNT)
        return [*(key for key in self._steps if key not in steps), *(key for key in self._mounts if key not in mounts)]

    def record_again(self, key: str) -> None:
        if (step := self._steps.get(key)) is not None:
            self._store.put(STEP, key, asdict(step))
        if (mount := self._mounts.get(key)) is not None:
            self._store.put(MOUNT, key, asdict(mount))

    def lost(self) -> dict[str, str]:
        """Key → what is gone of it: a step's layers, a cache mount's folder."""
        steps = {key: entry.top for key, entry in self._steps.items() if entry.top}
        found = {key: "the layers of this step are gone" for key, top in steps.items() if not self._layers.has(top)}
        mounts = [key for key in self._mounts if key not in self._busy and not (self._root / key).is_dir()]
        return {**found, **dict.fromkeys(mounts, "the folder of this cache mount is gone")}

    def drop(self, key: str) -> None:
        """A step or a cache mount without its layers or folder: the next build makes it anew."""
        if key in self._steps:
            self._drop(key)
        if self._mounts.pop(key, None) is not None:
            self._store.delete(MOUNT, key)
