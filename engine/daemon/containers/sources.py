"""What a start needs of the machine: its mounts' sources, its account, its files. Makes folders; mounts nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import anyio
import anyio.to_thread

from engine.api.errors import InvalidArgument
from engine.daemon.containers.record import Container, MountRecord
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.spec import Source
from engine.daemon.containers.users import Account, account_of
from engine.daemon.protocols import RootMount
from engine.daemon.runtime.parts import Part
from engine.kit.syscalls import openat2

LARGEST_ACCOUNTS = 4 << 20


async def find_sources(rooms: Rooms, container: Container) -> tuple[list[Source], list[Part]]:
    """What to mount, and what of it must be laid out first. Raises InvalidArgument for a source that is gone."""
    parts: list[Part] = []
    return [await find_source(rooms, container, mount, parts) for mount in container.mounts], parts


async def find_source(rooms: Rooms, container: Container, mount: MountRecord, parts: list[Part]) -> Source:
    if mount.kind == "tmpfs":
        return Source(mount.destination, "tmpfs", read_only=mount.read_only, options=tuple(mount.options))
    if mount.kind == "volume":
        path = await rooms.volumes.path_of(mount.name)
        mount.source = str(path)
        if mount.subpath:
            part = Part(str(len(parts)), (path,), mount.subpath, str(path))
            return part_source(rooms, container, mount, part, parts)
        return Source(mount.destination, "bind", str(path), mount.read_only)
    if mount.kind == "image":
        part = Part(str(len(parts)), rooms.snapshots.lower_of(mount.source), mount.subpath, mount.name)
        return part_source(rooms, container, mount, part, parts)
    if mount.kind == "bind":
        await anyio.to_thread.run_sync(make_source, mount)
        return Source(
            mount.destination, "bind", mount.source, mount.read_only, mount.propagation or "rprivate", mount.recursive
        )
    raise InvalidArgument(f"mounts of type {mount.kind} are not served by this engine")


def part_source(rooms: Rooms, container: Container, mount: MountRecord, part: Part, parts: list[Part]) -> Source:
    parts.append(part)
    place = rooms.runtime.part_place(container.id, part.name)
    return Source(mount.destination, "bind", str(place), mount.read_only)


def make_source(mount: MountRecord) -> None:
    path = Path(mount.source)
    if path.exists():
        return
    if not mount.create_source:
        raise InvalidArgument(f'invalid mount config for type "bind": bind source path does not exist: {mount.source}')
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(
            f"error while creating mount source path '{mount.source}': mkdir {error.filename}: {error.strerror}"
        ) from None


def find_account(root: RootMount, user: str, added: list[str]) -> Account:
    """The user by the image's accounts, as the container's own layer has changed them. Blocks for moments."""
    return account_of(user, added, read_layered(root, "etc/passwd"), read_layered(root, "etc/group"))


def read_layered(root: RootMount, name: str) -> str:
    """A file of a container's root without mounting it: the topmost layer that has it. "" for none."""
    for layer in (root.upper, *root.lower):
        folder = os.open(layer, os.O_PATH | os.O_DIRECTORY)
        try:
            with contextlib.suppress(OSError):
                handle = openat2(folder, name, os.O_RDONLY | os.O_NONBLOCK)
                with os.fdopen(handle, "rb") as file:
                    return file.read(LARGEST_ACCOUNTS).decode(errors="replace")
            # A character device 0:0 here hides the file below.
            with contextlib.suppress(OSError):
                found = os.stat(f"/proc/self/fd/{folder}/{name}", follow_symlinks=False)
                if found.st_rdev == 0 and found.st_mode & 0o170000 == 0o020000:
                    return ""
        finally:
            os.close(folder)
    return ""


def write_files(folder: Path, contents: Mapping[str, bytes]) -> dict[str, str]:
    """In place, so that a bind mount of an old one sees the new content. → name → path."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o710)
    made = {}
    for name, content in contents.items():
        path = folder / name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.ftruncate(handle, 0)
            os.write(handle, content)
        finally:
            os.close(handle)
        made[name] = str(path)
    return made
