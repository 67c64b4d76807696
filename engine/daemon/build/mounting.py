"""`RUN --mount`: what is mounted for one step, and taken away after it. Nothing of it gets into the layer."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import to_thread

from engine.daemon.build.configuring import Words, directory_of
from engine.daemon.build.faults import StepFault
from engine.daemon.build.laying import Manner, lay
from engine.daemon.build.picking import NotThere, Picking
from engine.daemon.build.rooms import BuildRooms
from engine.daemon.build.sources import Origin, Sources
from engine.dockerfile.durations import CantRead
from engine.dockerfile.instructions import Run
from engine.dockerfile.mounts import Mount, mount_of
from engine.kit import overlay
from engine.kit.syscalls import openat2, unmount


@dataclass(slots=True)
class Mounted:
    """As a create's HostConfig.Mounts, and the variables that some of them set."""

    mounts: list[dict[str, Any]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)

    @property
    def targets(self) -> list[str]:
        return [str(mount["Target"]) for mount in self.mounts]


def mounts_of(instruction: Run, words: Words) -> list[Mount]:
    """Expanded and judged. Raises DockerfileError."""
    found = []
    for raw in instruction.mounts:
        options = [(name, None if value is None else words.one(value)) for name, value in raw.options]
        try:
            found.append(mount_of(options))
        except CantRead as error:
            raise words.wrong("mount", str(error)) from None
    return found


class Mounting:
    """The mounts of one RUN. `scratch` is a folder of the build's on the disk, `run` one in memory."""

    def __init__(self, rooms: BuildRooms, sources: Sources, scratch: Path, run: Path) -> None:
        self._rooms = rooms
        self._sources = sources
        self._scratch = scratch
        self._run = run

    @asynccontextmanager
    async def mounted(self, mounts: Sequence[Mount], config: Mapping[str, Any]) -> AsyncIterator[Mounted]:
        """Raises StepFault."""
        made = Mounted()
        async with AsyncExitStack() as stack:
            for number, mount in enumerate(mounts):
                target = directory_of(config, mount.target) if mount.target else ""
                match mount.type:
                    case "bind":
                        source = await stack.enter_async_context(self._bind(mount))
                        made.mounts.append(bind(source, target, mount.read_only))
                    case "cache":
                        source = await stack.enter_async_context(self._cache(mount, target))
                        made.mounts.append(bind(source, target, mount.read_only))
                    case "tmpfs":
                        options = {"TmpfsOptions": {"SizeBytes": mount.size}} if mount.size else {}
                        made.mounts.append({"Type": "tmpfs", "Target": target, **options})
                    case "secret":
                        await self._secret(mount, target, made, stack)
                    case _:
                        self._ssh(mount, target, number, made)
            yield made

    @asynccontextmanager
    async def _bind(self, mount: Mount) -> AsyncIterator[Path]:
        origin = await self._sources.origin(mount.origin)
        async with self._real(origin, writable=not mount.read_only) as root:
            yield await to_thread.run_sync(inside, root, mount.source)

    @asynccontextmanager
    async def _real(self, origin: Origin, *, writable: bool) -> AsyncIterator[Path]:
        """A folder that other processes can bind: a mount in the host's table for the time of the step."""
        lower = (origin.folder,) if origin.folder is not None else tuple(self._rooms.layers.folders(origin.top))
        if not writable and len(lower) == 1:
            yield lower[0]
            return
        name = os.urandom(6).hex()
        target, upper, work = self._run / name, self._scratch / f"{name}.fs", self._scratch / f"{name}.work"
        for folder in (target, upper, work):
            folder.mkdir(parents=True)
        folder, short = self._rooms.layers.root, [path.name for path in lower]
        if origin.folder is not None:
            folder = origin.folder.parent
        await to_thread.run_sync(
            lambda: overlay.mount_at(target, lower, upper, work, folder=folder, short=short), abandon_on_cancel=False
        )
        try:
            yield target
        finally:
            unmount(str(target))

    @asynccontextmanager
    async def _cache(self, mount: Mount, target: str) -> AsyncIterator[Path]:
        id = mount.id or target
        async with AsyncExitStack() as stack:
            if mount.sharing == "locked":
                await stack.enter_async_context(self._rooms.cache.lock(id))
            folder, fresh = self._rooms.cache.mount(id, private=mount.sharing == "private")
            try:
                if fresh:
                    await self._fill(mount, folder)
                yield folder
            finally:
                self._rooms.cache.release(folder)

    async def _fill(self, mount: Mount, folder: Path) -> None:
        """What a new cache begins with: its mode and owner, and the content of `from` and `source`."""
        os.chmod(folder, 0o755 if mount.mode is None else mount.mode)
        os.chown(folder, mount.uid, mount.gid)
        if not mount.origin:
            return
        origin = await self._sources.origin(mount.origin)
        async with self._sources.opened(origin) as root:

            def copy() -> None:
                with Picking(root) as picking:
                    picking.pick(mount.source or "/")
                    lay(folder, Manner("/", keeps_owner=True), picking, {}, 0)

            try:
                await to_thread.run_sync(copy)
            except NotThere as error:
                raise StepFault(f"cache mount {mount.target}: {error}") from None

    async def _secret(self, mount: Mount, target: str, made: Mounted, stack: AsyncExitStack) -> None:
        content = self._sources.context.secrets.get(mount.id)
        if content is None:
            if mount.required:
                raise StepFault(f"secret {mount.id} not found: the request brought none, and the step requires it")
            return
        if mount.env:
            made.env[mount.env] = content.decode(errors="surrogateescape")
        if not target:
            return
        path = self._run / f"secret-{os.urandom(6).hex()}"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            stack.callback(path.unlink)
            file.write(content)
            os.fchown(handle, mount.uid, mount.gid)
            os.fchmod(handle, 0o400 if mount.mode is None else mount.mode)
        made.mounts.append(bind(path, target, True))

    def _ssh(self, mount: Mount, target: str, number: int, made: Mounted) -> None:
        socket = self._sources.context.extension.agents.get(mount.id)
        if socket is None:
            if mount.required:
                raise StepFault(f"no SSH key {mount.id} forwarded from the client, and the step requires it")
            return
        try:
            is_socket = stat.S_ISSOCK(os.stat(socket).st_mode)
        except OSError:
            is_socket = False
        if not is_socket:
            raise StepFault(f"ssh {mount.id}: {socket} is not an agent's socket on the engine's machine")
        place = target or f"/run/buildkit/ssh_agent.{number}"
        made.mounts.append(bind(Path(socket), place, False))
        made.env["SSH_AUTH_SOCK"] = place


def bind(source: Path, target: str, read_only: bool) -> dict[str, Any]:
    return {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": read_only}


def inside(root: Path, source: str) -> Path:
    """The real path of a source below a root, which it can't leave. Raises StepFault."""
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        handle = openat2(folder, source.lstrip("/") or ".", os.O_PATH)
    except OSError:
        raise StepFault(f"bind mount: {source}: not found") from None
    finally:
        os.close(folder)
    try:
        return Path(os.readlink(f"/proc/self/fd/{handle}"))
    finally:
        os.close(handle)


def missing_below(root: Path, targets: Sequence[str]) -> list[str]:
    """The paths that mounting will have to make in the root, the innermost first. Blocks for moments."""
    found: dict[str, None] = {}
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        for target in targets:
            parts = [part for part in target.split("/") if part]
            for length in range(len(parts), 0, -1):
                path = "/".join(parts[:length])
                try:
                    os.close(openat2(folder, path, os.O_PATH))
                    break
                except OSError:
                    found[path] = None
    finally:
        os.close(folder)
    return sorted(found, key=lambda path: -path.count("/"))


def remove_stubs(upper: Path, paths: Sequence[str]) -> None:
    """What mounting left of these paths in the layer: empty files and folders. Blocks for moments."""
    for path in paths:
        place = upper / path
        with suppress(OSError):
            status = place.lstat()
            if stat.S_ISDIR(status.st_mode):
                place.rmdir()
            elif stat.S_ISREG(status.st_mode) and not status.st_size:
                place.unlink()


def sweep(run: Path) -> None:
    """What a killed daemon left mounted below `run`, the innermost first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted((point for point in points if point.startswith(f"{run}/")), key=len, reverse=True):
        with suppress(OSError):
            unmount(point)
