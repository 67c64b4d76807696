"""Writable snapshots: for each container's key a folder over a chain of layers.

A record per key names its parent; folders without a record are strays of a killed daemon, and go at the next start.
Called by containers and images through the Snapshots protocol.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread

from engine.api.containers import FilesystemChange
from engine.api.errors import Conflict, NotFound, SystemFailure
from engine.daemon.protocols import RootMount, Store
from engine.daemon.snapshots.changes import changes_between
from engine.daemon.snapshots.layers import EMPTY, Fresh, Layers, size_of
from engine.daemon.snapshots.tarwrite import layer_tar
from engine.kit import overlay
from engine.kit.bridge import pieces_from_thread
from engine.kit.syscalls import unmount

KIND = "snapshot"


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one snapshot."""

    root: Path

    @property
    def upper(self) -> Path:
        return self.root / "fs"

    @property
    def work(self) -> Path:
        return self.root / "work"


class OverlaySnapshots:
    def __init__(self, root: Path, run: Path, layers: Layers, store: Store) -> None:
        self._root = root
        self._run = run
        self._layers = layers
        self._store = store
        root.mkdir(parents=True, exist_ok=True)
        # The folders that are being removed.
        self._going: set[str] = set()
        self._parents: dict[str, str] = {key: record["parent"] for key, record in store.list(KIND).items()}
        for path in root.iterdir():
            if path.name not in self._parents:
                shutil.rmtree(path, ignore_errors=True)

    def _place(self, key: str) -> Place:
        if key not in self._parents:
            raise NotFound(f"no such snapshot: {key}")
        return Place(self._root / key)

    def keys(self) -> Collection[str]:
        return frozenset(self._parents)

    def parents(self) -> Collection[str]:
        """The ChainIDs that snapshots stand on: not to be collected."""
        return {parent for parent in self._parents.values() if parent}

    async def prepare(self, key: str, parent: str | None) -> None:
        if key in self._parents or not key or "/" in key or key.startswith("."):
            raise Conflict(f"there is a snapshot {key} already")
        below = self._layers.folders(parent)[0] if parent else None
        place = Place(self._root / key)
        # four calls, no sync: a millisecond at the worst, less than a thread costs
        try:
            make_folders(place, below)
            self._store.put(KIND, key, {"parent": parent or ""})
        except BaseException:
            shutil.rmtree(place.root, ignore_errors=True)
            raise
        self._parents[key] = parent or ""

    def root_mount(self, key: str) -> RootMount:
        place = self._place(key)
        lower = tuple(self._lower(key))
        return RootMount(lower, place.upper, place.work, self._layers.root, tuple(path.name for path in lower))

    def _lower(self, key: str) -> list[Path]:
        """An image without layers still needs one lower folder: an empty one."""
        parent = self._parents[key]
        if parent:
            return self._layers.folders(parent)
        return [self._empty()]

    def _empty(self) -> Path:
        empty = self._layers.root / EMPTY
        empty.mkdir(exist_ok=True)
        return empty

    def lower_of(self, parent: str) -> tuple[Path, ...]:
        """The folders of a chain, from the top down; "" is an image without layers. Raises NotFound."""
        return tuple(self._layers.folders(parent) if parent else [self._empty()])

    @asynccontextmanager
    async def mounted(self, key: str) -> AsyncIterator[Path]:
        mount = self.root_mount(key)
        async with self._mounted(mount.lower, mount) as path:
            yield path

    @asynccontextmanager
    async def view(self, parent: str) -> AsyncIterator[Path]:
        lower = tuple(self._layers.folders(parent))
        with self._layers.lease(parent):
            if len(lower) == 1:
                yield lower[0]
            else:
                async with self._mounted(lower, None) as path:
                    yield path

    @asynccontextmanager
    async def _mounted(self, lower: tuple[Path, ...], writable: RootMount | None) -> AsyncIterator[Path]:
        upper, work = (writable.upper, writable.work) if writable is not None else (None, None)
        try:
            handle = await to_thread.run_sync(overlay.detached, lower, upper, work)
        except OSError:
            async with self._mounted_the_old_way(lower, writable) as path:
                yield path
            return
        try:
            yield overlay.path_of(handle)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(os.close, handle)

    @asynccontextmanager
    async def _mounted_the_old_way(self, lower: tuple[Path, ...], writable: RootMount | None) -> AsyncIterator[Path]:
        """Before Linux 6.8. Raises SystemFailure."""
        target = self._run / "mounts" / os.urandom(6).hex()
        target.mkdir(parents=True)
        scratch = Place(target.with_suffix(".scratch"))
        try:
            place = Place(writable.upper.parent) if writable is not None else scratch
            place.upper.mkdir(parents=True, exist_ok=True)
            place.work.mkdir(parents=True, exist_ok=True)
            names = [path.name for path in lower]
            await to_thread.run_sync(
                overlay.mount_the_old_way, target, place.upper, place.work, self._layers.root, names
            )
            try:
                yield target
            finally:
                unmount(str(target))
        except OSError as error:
            raise SystemFailure(f"the container's file system can't be mounted: {error.strerror}") from error
        finally:
            shutil.rmtree(scratch.root, ignore_errors=True)
            target.rmdir()

    async def remove(self, key: str) -> None:
        if key not in self._parents:
            return
        # out of the way first: what a crash leaves of it is a stray
        gone = self._root / f".{key}.{os.urandom(4).hex()}"
        try:
            os.rename(self._root / key, gone)
        except FileNotFoundError:
            gone = self._root / key
        self._store.delete(KIND, key)
        del self._parents[key]
        if remove_bare(gone):
            return
        self._going.add(gone.name)
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(remove_folder, gone)
        self._going.discard(gone.name)

    # --- a check's
    def strays(self) -> list[Path]:
        """Folders without a snapshot."""
        known = self._parents.keys() | self._going
        return [path for path in self._root.iterdir() if path.name not in known]

    def lost(self) -> list[str]:
        """Snapshots without a folder."""
        return [key for key in self._parents if not (self._root / key / "fs").is_dir()]

    def unrecorded(self) -> list[str]:
        recorded = self._store.list(KIND)
        return [key for key in self._parents if key not in recorded]

    def record_again(self, key: str) -> None:
        if key in self._parents:
            self._store.put(KIND, key, {"parent": self._parents[key]})

    async def usage(self, key: str) -> int:
        return await to_thread.run_sync(size_of, self._place(key).upper)

    async def changes(self, key: str) -> list[FilesystemChange]:
        upper, lower = self._place(key).upper, self._lower(key)
        return await to_thread.run_sync(changes_between, lower, upper)

    def diff_tar(self, key: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        upper = self._place(key).upper

        def pieces() -> Iterator[bytes]:
            return layer_tar(upper)

        return pieces_from_thread(pieces)

    async def take(self, key: str, latest_ns: int | None = None) -> Fresh:
        """What the snapshot changed, moved into a layer that has no parent yet; the snapshot is as it began then.

        It must not be mounted. No time in the layer is later than `latest_ns`.
        """
        place = self._place(key)

        def work() -> Fresh:
            fresh = self._layers.adopt(place.upper, latest_ns)
            place.upper.mkdir(mode=0o755)
            return fresh

        return await to_thread.run_sync(work)

    def upper(self, key: str) -> Path:
        """The writable folder itself: for images.commit."""
        return self._place(key).upper

    def parent(self, key: str) -> str:
        return self._parents[key]


def make_folders(place: Place, below: Path | None) -> None:
    """The snapshot's folders; the root is as the layer below has it. Replaces what a killed daemon left."""
    try:
        place.root.mkdir(mode=0o700)
    except FileExistsError:
        shutil.rmtree(place.root)
        place.root.mkdir(mode=0o700)
    place.work.mkdir(mode=0o700)
    place.upper.mkdir(mode=0o755)
    if below is not None:
        status = below.stat()
        os.chown(place.upper, status.st_uid, status.st_gid)
        place.upper.chmod(stat.S_IMODE(status.st_mode))
    else:
        place.upper.chmod(0o755)


def remove_bare(path: Path) -> bool:
    """Whether it is gone: many containers write nothing, and a few calls are less than a thread costs."""
    try:
        for name in ("fs", "work/work", "work/index", "work", "."):
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(path / name)
    except OSError:
        return False
    return True


def remove_folder(path: Path) -> None:
    """overlayfs leaves work folders without any permission: for root they are none the less removable."""
    shutil.rmtree(path, ignore_errors=True)
