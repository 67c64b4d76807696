"""The room of containers, opened: its parts wired, its loops running. app.py opens it; the routes call its parts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from engine.api.containers import ContainerInspect, ContainersPruned, ContainerSummary, Port
from engine.api.errors import Conflict, EngineError, InvalidArgument, NotFound
from engine.api.networks import EndpointSettings
from engine.daemon.containers import filters as filtering
from engine.daemon.containers.archive import Archives
from engine.daemon.containers.attaching import Attaching
from engine.daemon.containers.committing import Committing
from engine.daemon.containers.creation import Creation
from engine.daemon.containers.execs import Execs
from engine.daemon.containers.health import Health
from engine.daemon.containers.host import read_host
from engine.daemon.containers.launching import Launching
from engine.daemon.containers.lifecycle import Lifecycle
from engine.daemon.containers.logs import Logs
from engine.daemon.containers.phase import Phase
from engine.daemon.containers.record import Container
from engine.daemon.containers.recovery import Recovery
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry, Shelf
from engine.daemon.containers.stats import Stats
from engine.daemon.containers.steps import Steps
from engine.daemon.containers.supervision import Supervision
from engine.daemon.containers.views import Surroundings, inspect_view, port_list, ports_view, summary_view
from engine.daemon.protocols import (
    Attached,
    ContainerUse,
    Events,
    ImageRecord,
    Images,
    Networks,
    Places,
    Snapshots,
    Store,
    Volumes,
)
from engine.daemon.runtime import cgroups
from engine.daemon.runtime.conmon import ConmonRuntime
from engine.kit.clock import Clock


class ContainerRoom:
    """Its parts by what they do; and the whole as the rooms beside it see it (protocols.Containers)."""

    def __init__(self, rooms: Rooms, tasks: TaskGroup) -> None:
        self.rooms = rooms
        self.shelf = rooms.shelf
        self.creation = Creation(rooms)
        launching = Launching(rooms)
        self.supervision = Supervision(rooms, launching, tasks)
        self.lifecycle = Lifecycle(rooms, launching, self.supervision)
        self.execs = Execs(rooms, tasks)
        self.health = Health(rooms, self.execs, tasks)
        self.supervision.begin_probes = self.health.begin
        self.logs = Logs(rooms)
        self.attaching = Attaching(rooms, self.logs)
        self.stats = Stats(rooms)
        self.archives = Archives(rooms)
        self.committing = Committing(rooms)
        self.steps = Steps(rooms, self.creation, self.lifecycle)
        self.recovery = Recovery(rooms, self.supervision, self.lifecycle)

    # --- what is shown
    def attached(self, container: Container) -> Attached | None:
        return self.rooms.networks.attached(container.id) if container.phase.alive else None

    async def inspect(self, entry: Entry, *, size: bool = False) -> ContainerInspect:
        rooms, container = self.rooms, entry.container
        mount: Mapping[str, Any] = {}
        with contextlib.suppress(EngineError):
            root = rooms.snapshots.root_mount(entry.id)
            lower = ":".join(str(layer) for layer in root.lower)
            mount = {"LowerDir": lower, "UpperDir": str(root.upper), "WorkDir": str(root.work), "MergedDir": ""}
        sizes = await self._sizes(container) if size else (None, None)
        around = Surroundings(
            self.attached(container), str(rooms.files_of(entry.id)), self.execs.ids_of(entry), mount, *sizes
        )
        return inspect_view(container, around)

    async def _sizes(self, container: Container) -> tuple[int, int]:
        own = await self.rooms.snapshots.usage(container.id)
        image = self.rooms.images.find(container.image)
        return own, own + (image.size if image is not None else 0)

    async def listed(
        self, filters: Mapping[str, Sequence[str]], *, all: bool, limit: int | None, size: bool
    ) -> list[ContainerSummary]:
        """The newest first. A limit shows stopped ones too, as dockerd has it."""
        wants_all = all or bool(limit and limit > 0) or filtering.shows_stopped(filters)
        fits = filtering.matcher(filters, self._lookups())
        found = [
            entry.container
            for entry in self.shelf
            if (wants_all or entry.phase.alive or entry.phase is Phase.RESTARTING) and fits(entry.container)
        ]
        if limit is not None and limit > 0:
            found = found[:limit]
        images: dict[str, ImageRecord | None] = {}
        return [await self._summary(container, images, size=size) for container in found]

    async def _summary(
        self, container: Container, images: dict[str, ImageRecord | None], *, size: bool
    ) -> ContainerSummary:
        sizes = await self._sizes(container) if size else (None, None)
        return summary_view(
            container,
            self.attached(container),
            self.rooms.now(),
            image_name=self._image_name(container, images),
            size_rw=sizes[0],
            size_root=sizes[1],
        )

    def _image_name(self, container: Container, images: dict[str, ImageRecord | None]) -> str:
        """The name that it was made of, while that still means its image; else the image's id."""
        name = container.config.get("Image") or container.image
        if name not in images:
            try:
                images[name] = self.rooms.images.find(name)
            except EngineError:
                images[name] = None
        found = images[name]
        return name if found is not None and found.id == container.image else container.image

    def _lookups(self) -> filtering.Lookups:
        rooms = self.rooms

        def created_of(word: str) -> int:
            return self.shelf.get(word).container.created

        def images_of(word: str) -> Collection[str]:
            found = rooms.images.find(word)
            if found is None:
                return ()
            # Descendants too: whose layers begin with the found image's.
            own = found.chain_ids
            ids = {entry.container.image for entry in self.shelf}
            records = [record for id in ids if (record := rooms.images.find(id)) is not None]
            return {found.id, *(r.id for r in records if r.chain_ids[: len(own)] == own)}

        def networks_of(container: Container) -> Collection[str]:
            ids = {settings.get("NetworkID", "") for settings in (self.endpoints(container)).values()}
            return {*container.endpoints, *ids} - {""}

        def ports_of(container: Container) -> Sequence[Port]:
            return port_list(ports_view(container, self.attached(container)))

        def exposed_of(container: Container) -> Collection[str]:
            return [f"{port['PrivatePort']}/{port['Type']}" for port in ports_of(container)]

        def published_of(container: Container) -> Collection[str]:
            return [f"{port['PublicPort']}/{port['Type']}" for port in ports_of(container) if port.get("PublicPort")]

        return filtering.Lookups(created_of, images_of, networks_of, exposed_of, published_of)

    def endpoints(self, container: Container) -> Mapping[str, EndpointSettings]:
        attached = self.attached(container)
        return attached.endpoints if attached is not None else container.endpoints

    async def prune(self, filters: Mapping[str, Sequence[str]]) -> ContainersPruned:
        fits = filtering.prune_matcher(filters, self.rooms.now())
        deleted: list[str] = []
        freed = 0
        for entry in list(self.shelf):
            if entry.phase in (Phase.CREATED, Phase.EXITED, Phase.DEAD) and fits(entry.container):
                # started or removed by somebody else meanwhile: then it is none of ours
                with contextlib.suppress(Conflict, NotFound):
                    size = await self.rooms.snapshots.usage(entry.id)
                    await self.lifecycle.remove(entry, force=False, volumes=False)
                    deleted.append(entry.id)
                    freed += size
        self.rooms.events.publish("container", "prune", "", {"reclaimed": str(freed)})
        return {"ContainersDeleted": deleted or None, "SpaceReclaimed": freed}

    # --- protocols.Containers
    def uses(self) -> Iterable[ContainerUse]:
        for entry in self.shelf:
            container = entry.container
            yield ContainerUse(container.id, container.name, container.image, container.phase.alive)

    def mounted_chains(self) -> Collection[str]:
        """The layers of images that containers mount: not to be collected."""
        mounts = [mount for entry in self.shelf for mount in entry.container.mounts if mount.kind == "image"]
        return {mount.source for mount in mounts if mount.source}

    def summaries(self, *, size: bool = False) -> list[ContainerSummary]:
        images: dict[str, ImageRecord | None] = {}
        return [
            summary_view(
                entry.container,
                self.attached(entry.container),
                self.rooms.now(),
                image_name=self._image_name(entry.container, images),
            )
            for entry in self.shelf
        ]

    def counts(self) -> Mapping[str, int]:
        phases = [entry.phase for entry in self.shelf]
        paused = phases.count(Phase.PAUSED)
        running = phases.count(Phase.RUNNING) + phases.count(Phase.RESTARTING)
        return {"running": running, "paused": paused, "stopped": len(phases) - running - paused}

    async def connect_network(self, network: str, container: str, endpoint: EndpointSettings) -> None:
        rooms = self.rooms
        entry = self.shelf.get(container)
        name = rooms.networks.name_of(network)
        if name is None:
            raise NotFound(f"network {network} not found")
        async with entry.lock:
            found = entry.container
            if entry.phase in (Phase.REMOVING, Phase.DEAD):
                raise Conflict(f"Container {entry.id} is marked for removal and cannot be connected to the network")
            if found.network_mode.startswith("container:"):
                raise InvalidArgument(
                    "container sharing network namespace with another container or host "
                    "cannot be connected to any other network"
                )
            before = dict(found.endpoints)
            found.endpoints = {**found.endpoints, name: endpoint}
            netns = Path(f"/proc/{found.pid}/ns/net") if entry.phase.alive else None
            try:
                await rooms.networks.connect(network, rooms.attachment(found), netns)
            except BaseException:
                found.endpoints = before
                raise
            self.shelf.save(entry)
            await self.lifecycle.renew_files(entry)

    async def disconnect_network(self, network: str, container: str) -> None:
        rooms = self.rooms
        entry = self.shelf.get(container)
        name = rooms.networks.name_of(network)
        async with entry.lock:
            await rooms.networks.disconnect(network, entry.id)
            entry.container.endpoints.pop(name or network, None)
            self.shelf.save(entry)
            await self.lifecycle.renew_files(entry)


@asynccontextmanager
async def open_containers(
    places: Places,
    *,
    store: Store,
    events: Events,
    images: Images,
    snapshots: Snapshots,
    volumes: Volumes,
    networks: Networks,
    clock: Clock,
    runtime: str | None = None,
    apart: Sequence[Path] = (),
) -> AsyncIterator[ContainerRoom]:
    """Recover what is there, then serve until the block ends. Containers outlive it."""
    rooms = Rooms(
        store=store,
        events=events,
        images=images,
        snapshots=snapshots,
        volumes=volumes,
        networks=networks,
        runtime=ConmonRuntime(places.run, places.root / "seccomp", runtime, apart),
        shelf=Shelf(store),
        clock=clock,
        host=read_host(cgroups.version(), cgroups.hierarchies().keys()),
        cgroup_parent=places.cgroup,
        folder=places.root / "containers",
        run=places.run / "files",
    )
    rooms.runtime.open()
    rooms.folder.mkdir(parents=True, exist_ok=True, mode=0o710)
    rooms.shelf.load()
    async with anyio.create_task_group() as tasks:
        room = ContainerRoom(rooms, tasks)
        for entry in await room.recovery.recover():
            tasks.start_soon(room.supervision.restart_after_pause, entry)
        tasks.start_soon(room.logs.rotate_for_ever)
        yield room
        tasks.cancel_scope.cancel()
