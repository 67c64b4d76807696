"""The archive API: a path in a container's file system as a tar, a tar into it, and what lies there.

A running container is looked into through its own mount namespace (/proc/PID/root), volumes and all; of a stopped one
the layers are mounted for the moment, and a path in a mount is looked for in the mount's source. Every name is
resolved by openat2 with the container's root as its root: no link leaves it. Source: Engine API v1.50, /archive.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import posixpath
import stat
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.to_thread

from engine.api.errors import Forbidden, InvalidArgument, NotFound
from engine.daemon.containers.moments import rfc3339
from engine.daemon.containers.record import MountRecord
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry
from engine.daemon.containers.sources import find_account
from engine.daemon.snapshots.placing import Placer
from engine.daemon.snapshots.streams import Pieces, unpacked
from engine.daemon.snapshots.tarread import TarFault, TarReader
from engine.daemon.snapshots.tarwrite import FOLDER, member, tree_tar, walk
from engine.kit.bridge import Feed, pieces_from_thread, run_on_stream
from engine.kit.rooted import RootedFolder, UnsafePath, open_below
from engine.kit.syscalls import openat2

# Go's os.FileMode: the type's bits stand high up.
GO_BITS = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
BLOCK = 512


@dataclass(frozen=True, slots=True)
class Root:
    """Where a path is looked for: a folder of the host as the root, and the path below it.

    `mounted` is what a container that runs would see elsewhere below the root: path → folder of the host, and a path
    within it.
    """

    folder: Path
    path: str
    read_only: bool = False
    mounted: Mapping[bytes, tuple[Path, str]] = field(default_factory=dict)
    # Whether a mount of the container's lies at the path or above it.
    in_mount: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """`stat` as the header has it; `parent` and `name` are where it lies, links resolved but for the last."""

    stat: dict[str, Any]
    is_folder: bool

    def header(self) -> dict[str, str]:
        text = json.dumps(self.stat, ensure_ascii=False, separators=(",", ":"))
        return {"X-Docker-Container-Path-Stat": base64.b64encode(text.encode()).decode()}


class Archives:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    @asynccontextmanager
    async def _root(self, entry: Entry, path: str) -> AsyncIterator[Root]:
        # two slashes in front would stay
        clean = posixpath.normpath(f"/{path.lstrip('/')}")
        keeps = path.endswith(("/", "/."))
        suffix = "/" if keeps and clean != "/" else ""
        container = entry.container
        handle = self._open_root(entry)
        if handle >= 0:
            try:
                place = Path(f"/proc/self/fd/{handle}")
                yield Root(place, clean + suffix, in_mount=mount_of(container.mounts, clean) is not None)
            finally:
                os.close(handle)
            return
        mount = mount_of(container.mounts, clean)
        if mount is not None and mount.kind in ("bind", "volume") and mount.source:
            rest = clean[len(mount.destination) :] or "/"
            try:
                handle = open_below(mount.source, mount.subpath, os.O_PATH | os.O_DIRECTORY)
            except OSError:
                handle = -1  # a file, or nothing
            if handle >= 0:
                try:
                    # held open: other containers may have the volume, and change where its subpath leads
                    yield Root(Path(f"/proc/self/fd/{handle}"), rest + suffix, mount.read_only)
                finally:
                    os.close(handle)
                return
        async with self._rooms.snapshots.mounted(entry.id) as folder:
            read_only = bool(container.host.get("ReadonlyRootfs"))
            yield Root(folder, clean + suffix, read_only, mounted_folders(container.mounts))

    def _open_root(self, entry: Entry) -> int:
        """The root that a running container sees; -1 for one that doesn't run (any more)."""
        pid = entry.container.pid
        if not (entry.phase.alive and pid):
            return -1
        try:
            handle = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return -1
        if self._rooms.runtime.pid(entry.id) == pid:
            return handle
        # The process ended, and the number may be another's by now: the host's own root.
        os.close(handle)
        return -1

    async def look(self, entry: Entry, path: str, said: str) -> Found:
        """`said` is what the client calls the container. Raises NotFound."""
        async with self._root(entry, path) as root:
            return await anyio.to_thread.run_sync(look, root, path, said)

    @asynccontextmanager
    async def read(self, entry: Entry, path: str, said: str) -> AsyncIterator[tuple[Found, AsyncIterator[bytes]]]:
        """What lies there and the tar of it, whose names begin with the path's last part."""
        async with self._root(entry, path) as root:
            found = await anyio.to_thread.run_sync(look, root, path, said)
            self._rooms.tell(entry, "archive-path", {"path": path})
            async with pieces_from_thread(lambda: tar_of(root, path)) as pieces:
                yield found, pieces

    async def write(
        self, entry: Entry, path: str, said: str, body: AsyncIterable[bytes], *, keep_kinds: bool, copy_owner: bool
    ) -> None:
        """Unpack a tar (packed or not) in a folder. `keep_kinds`: a folder and a file may not replace each other."""
        owner: tuple[int, int] | None = None
        # `cp -a`: what lies there is the container's user's; one that names none takes owners as the tar has them
        if copy_owner and (user := entry.container.config.get("User") or ""):
            root_mount = self._rooms.snapshots.root_mount(entry.id)
            account = await anyio.to_thread.run_sync(find_account, root_mount, user, [])
            owner = account.uid, account.gid
        async with self._root(entry, path) as root:
            if root.read_only:
                raise Forbidden("container rootfs is marked read-only")
            await run_on_stream(body, lambda feed: unpack(root, path, said, feed, keep_kinds, owner))
        self._rooms.tell(entry, "extract-to-dir", {"path": path})

    @asynccontextmanager
    async def export(self, entry: Entry) -> AsyncIterator[AsyncIterator[bytes]]:
        """The whole root file system, without what is mounted in it."""
        async with (
            self._rooms.snapshots.mounted(entry.id) as folder,
            pieces_from_thread(lambda: tree_tar(folder)) as pieces,
        ):
            self._rooms.tell(entry, "export")
            yield pieces


def mount_of(mounts: list[MountRecord], path: str) -> MountRecord | None:
    """The innermost mount that holds the path."""
    holding = [m for m in mounts if path == m.destination or path.startswith(f"{m.destination}/")]
    return max(holding, key=lambda m: len(m.destination), default=None)


def mounted_folders(mounts: list[MountRecord]) -> dict[bytes, tuple[Path, str]]:
    """The volumes that may be written to, by their places below the root."""
    return {
        os.fsencode(mount.destination.strip("/")): (Path(mount.source), mount.subpath)
        for mount in mounts
        if mount.kind == "volume" and mount.source and not mount.read_only
    }


def missing(path: str, name: str) -> NotFound:
    return NotFound(f"Could not find the file {path} in container {name}")


def go_mode(mode: int) -> int:
    made = mode & 0o777 | GO_BITS.get(stat.S_IFMT(mode), 0)
    for bit, go in ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20)):
        if mode & bit:
            made |= go
    return made


def open_parent(root: Root) -> tuple[int, str]:
    """A descriptor of the folder that holds the path, and the path's last name ("." where a link is to be followed)."""
    folder = os.open(root.folder, os.O_PATH | os.O_DIRECTORY)
    try:
        clean = root.path.rstrip("/")
        if root.path.endswith("/") or not clean:
            return openat2(folder, root.path, os.O_PATH | os.O_DIRECTORY), "."
        parent, name = posixpath.split(clean)
        return openat2(folder, parent or "/", os.O_PATH | os.O_DIRECTORY), name
    finally:
        os.close(folder)


def look(root: Root, asked: str, container: str) -> Found:
    try:
        parent, name = open_parent(root)
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            target = os.readlink(name, dir_fd=parent) if stat.S_ISLNK(found.st_mode) else ""
        finally:
            os.close(parent)
    except NotADirectoryError:
        raise NotFound(f"the path {asked} in container {container} goes through what is no directory") from None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.EXDEV):
            raise missing(asked, container) from None
        raise
    if target:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(root.path), target))
    made = {
        "name": last_name(asked),
        "size": found.st_size,
        "mode": go_mode(found.st_mode),
        "mtime": rfc3339(found.st_mtime_ns),
        "linkTarget": target,
    }
    return Found(made, stat.S_ISDIR(found.st_mode))


def last_name(asked: str) -> str:
    if asked.endswith("/."):
        return "."
    return posixpath.basename(asked.rstrip("/")) or "/"


def tar_of(root: Root, asked: str) -> Iterator[bytes]:
    """The tar; names begin with what was asked for ("." for a folder's content)."""
    parent, name = open_parent(root)
    inner = -1
    try:
        prefix = last_name(asked).strip("/")
        links: dict[tuple[int, int], str] = {}
        if prefix:
            inner = yield from member(parent, name, prefix, links)
        else:
            inner = os.open(name, FOLDER, dir_fd=parent)
        if inner >= 0:
            yield from walk(inner, f"{prefix}/" if prefix else "", links, layer=False)
        yield bytes(2 * BLOCK)
    finally:
        for handle in (parent, inner):
            if handle >= 0:
                os.close(handle)


# --- into the container -------------------------------------------------------------------------------------------
def unpack(root: Root, asked: str, container: str, feed: Feed, keep_kinds: bool, owner: tuple[int, int] | None) -> None:
    prefix = real_folder(root, asked, container)
    try:
        reader = TarReader(Pieces(unpacked(Pieces(feed.next))))
        with RootedFolder(root.folder) as folder:
            placed = Placer(folder, reader, prefix, keep_kinds, owner, root.mounted).run()
        if placed.missing:
            raise TarFault(f"a hard link names {os.fsdecode(placed.missing[0][1])}, which is not there")
    except (TarFault, UnsafePath) as error:
        raise InvalidArgument(f"Error processing tar file: {error}") from None
    except OSError as error:
        if error.errno == errno.EROFS:
            what = "mounted volume" if root.in_mount else "container rootfs"
            raise Forbidden(f"{what} is marked read-only") from None
        raise


def real_folder(root: Root, asked: str, container: str) -> bytes:
    """The folder to unpack in, its links resolved, below the root. Raises NotFound, InvalidArgument."""
    folder = os.open(root.folder, os.O_PATH | os.O_DIRECTORY)
    try:
        handle = openat2(folder, root.path, os.O_PATH)
        try:
            if not stat.S_ISDIR(os.fstat(handle).st_mode):
                raise InvalidArgument("extraction point is not a directory")
            base = os.readlink(f"/proc/self/fd/{folder}")
            real = os.readlink(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.EXDEV):
            raise missing(asked, container) from None
        if error.errno == errno.ENOTDIR:
            raise InvalidArgument("extraction point is not a directory") from None
        raise
    finally:
        os.close(folder)
    if base == "/" or not real.startswith(base):
        return os.fsencode(real.strip("/"))
    return os.fsencode(real[len(base) :].strip("/"))
