"""The daemon put together: each room is opened with the protocols that it needs, and the routes are served.

Opened from the ground up (store, content, snapshots, volumes, images, networks, containers), closed the other way
round. No room knows this module.
"""

from __future__ import annotations

import gc
import os
import resource
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
from anyio import to_thread

from engine.daemon.build.cache import BuildCache
from engine.daemon.build.check import build_findings
from engine.daemon.build.room import open_builds
from engine.daemon.checking import Check
from engine.daemon.containers.check import container_findings
from engine.daemon.containers.room import open_containers
from engine.daemon.content.blobs import Blobs
from engine.daemon.events import EventBus
from engine.daemon.images.check import image_findings
from engine.daemon.images.images import LocalImages
from engine.daemon.images.index import ImageIndex
from engine.daemon.images.pull import Pulls
from engine.daemon.images.push import Pushes
from engine.daemon.lives import Activity, leave, sole_owner, tell_ready, until_idle
from engine.daemon.networks.check import network_findings
from engine.daemon.networks.opening import open_networks
from engine.daemon.protocols import Places, Store, Users
from engine.daemon.server import build as build_routes
from engine.daemon.server import check as check_routes
from engine.daemon.server import container_streams as container_stream_routes
from engine.daemon.server import containers as container_routes
from engine.daemon.server import exec as exec_routes
from engine.daemon.server import images as image_routes
from engine.daemon.server import networks as network_routes
from engine.daemon.server import registries as registry_routes
from engine.daemon.server import system as system_routes
from engine.daemon.server import unserved as unserved_routes
from engine.daemon.server import volumes as volume_routes
from engine.daemon.server.host import read_host
from engine.daemon.server.router import NEWEST, Route, Router
from engine.daemon.server.system import Facts
from engine.daemon.snapshots.check import layer_findings, snapshot_findings
from engine.daemon.snapshots.layers import Layers
from engine.daemon.snapshots.snapshots import OverlaySnapshots
from engine.daemon.store.check import record_findings
from engine.daemon.store.records import RecordStore
from engine.daemon.volumes.check import volume_findings
from engine.daemon.volumes.volumes import LocalVolumes
from engine.http.listen import serve
from engine.kit.apart import places_apart
from engine.kit.clock import Clock, SystemClock
from engine.kit.syscalls import share_one_heap
from engine.registry.client.policy import Policy
from engine.registry.client.registries import Registries
from engine.registry.server.serving import Serving, make_registry, serve_registry

CHECKPOINT_SECONDS = 30.0
SYNC_SECONDS = 10.0
META = "daemon"
Loop = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Settings:
    """`listeners` are bound already, and `secured` too, with its TLS. `idle_seconds` None: never ends by itself."""

    places: Places
    version: str
    listeners: Sequence[socket.socket]
    idle_seconds: float | None = None
    runtime: str | None = None
    secured: tuple[socket.socket, ssl.SSLContext] | None = None
    registries: Policy = field(default_factory=Policy)
    # A registry of one's own beside the API, over a store of the daemon's kind in its root.
    registry: Serving | None = None
    clock: Clock = field(default_factory=SystemClock)


@dataclass(frozen=True, slots=True)
class Opened:
    """`loops` are what must run as long as the daemon serves."""

    routes: list[Route]
    users: Users
    loops: Sequence[Loop]


async def run_daemon(settings: Settings) -> None:
    """Serve until a signal comes or nobody needs us any more. Raises Conflict when the root has a daemon."""
    os.umask(0o022)
    share_one_heap()
    raise_open_files_limit()
    # signals first: one that comes while the rooms open must end us in order too
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals, sole_owner(settings.places):
        store = RecordStore(settings.places.root / "records.db")
        try:
            async with opened(settings, store) as rooms:
                await serve_until_ended(settings, rooms, store, signals)
        finally:
            store.checkpoint()
            store.close()
            leave(settings.places)


@asynccontextmanager
async def opened(settings: Settings, store: RecordStore) -> AsyncIterator[Opened]:
    """Every room, recovered from whatever end the daemon before had."""
    places, clock = settings.places, settings.clock
    events, users = EventBus(clock, places.root / "events"), Users()
    blobs = Blobs(places.root / "content")
    layers = Layers(places.root / "layers", store)
    snapshots = OverlaySnapshots(places.root / "snapshots", places.run, layers, store)
    volumes = LocalVolumes(places.root / "volumes", store, events, clock)
    images = LocalImages(ImageIndex(store, blobs, layers), layers, blobs, snapshots, events, users, clock)
    registries = Registries(settings.registries)
    pulls = Pulls(images.index, layers, blobs, store, events, clock, registries)
    pushes = Pushes(images.index, layers, blobs, pulls.sources, events, clock, registries)
    facts = Facts(engine_id(store), settings.version, places, await to_thread.run_sync(read_host, places.root))
    facts.more.append(lambda: {"RegistryConfig": registry_routes.registry_config(settings.registries)})
    cache = BuildCache(places.root / "build-cache", store, layers, clock)
    images.also_kept += [pulls.kept, cache.tops]
    outliving = places_apart(places.monitors_cgroup)
    async with (
        open_networks(places, store, events, clock, outliving) as networks,
        open_containers(
            places,
            store=store,
            events=events,
            images=images,
            snapshots=snapshots,
            volumes=volumes,
            networks=networks.room,
            clock=clock,
            runtime=settings.runtime,
            apart=outliving,
        ) as containers,
    ):
        users.containers = containers
        images.also_kept.append(containers.mounted_chains)
        await images.collect()
        builds = open_builds(
            places,
            cache=cache,
            images=images,
            layers=layers,
            snapshots=snapshots,
            steps=containers.steps,
            pulls=pulls,
            pushes=pushes,
            events=events,
            clock=clock,
        )
        runtime = containers.rooms.runtime
        facts.runtimes = {name: found.path for name, found in runtime.available.items()}
        facts.default_runtime = runtime.preferred.name
        check = Check(
            {
                "images": partial(image_findings, images),
                "layers": partial(layer_findings, layers),
                "snapshots": partial(snapshot_findings, snapshots),
                "volumes": partial(volume_findings, volumes, containers.shelf.ids),
                "containers": partial(container_findings, containers.rooms),
                "builds": partial(build_findings, builds),
                "networks": partial(network_findings, networks.room, networks.infrastructure),
                # last: it tells what the others found damaged and set aside
                "records": partial(record_findings, store),
            }
        )
        routes = [
            *container_routes.routes(containers),
            *container_stream_routes.routes(containers),
            *exec_routes.routes(containers),
            *system_routes.routes(facts, images, volumes, users, builds, events, clock),
            *image_routes.routes(images, pulls, events, clock),
            *registry_routes.routes(pulls, pushes),
            *build_routes.routes(builds, clock),
            *volume_routes.routes(volumes),
            *network_routes.routes(networks.registry, users),
            *check_routes.routes(check),
            *unserved_routes.routes(),
        ]
        yield Opened(
            routes,
            users,
            [networks.room.supervise, pulls.downloads.run, partial(now_and_then, layers.sync, SYNC_SECONDS)],
        )


async def serve_until_ended(
    settings: Settings, rooms: Opened, store: RecordStore, signals: AsyncIterator[signal.Signals]
) -> None:
    activity = Activity(Router(rooms.routes, common=common_headers(settings.version)), settings.clock)
    async with anyio.create_task_group() as tasks:
        for listener in settings.listeners:
            tasks.start_soon(serve, listener, activity)
        if settings.secured is not None:
            listener, context = settings.secured
            tasks.start_soon(partial(serve, listener, activity, tls=context))
        loops: list[Loop] = [*rooms.loops, partial(now_and_then, store.checkpoint, CHECKPOINT_SECONDS)]
        for loop in loops:
            tasks.start_soon(loop)
        if settings.registry is not None:
            content = Blobs(settings.places.root / "registry" / "content")
            tasks.start_soon(serve_registry, settings.registry, make_registry(settings.registry, content, store))
        if settings.idle_seconds is not None:
            tasks.start_soon(end_when_idle, activity, rooms.users, settings, tasks.cancel_scope)
        # What is there now stays: the collector needn't look at it again.
        gc.collect()
        gc.freeze()
        tell_ready()
        await anext(signals)
        tasks.cancel_scope.cancel()


async def end_when_idle(activity: Activity, users: Users, settings: Settings, scope: anyio.CancelScope) -> None:
    assert settings.idle_seconds is not None
    await until_idle(activity, users, settings.idle_seconds, settings.clock)
    scope.cancel()


async def now_and_then(work: Callable[[], None], every_seconds: float) -> None:
    """Again and again, in a thread: nobody waits for it. What fails is told, and the next turn tries again."""
    while True:
        await anyio.sleep(every_seconds)
        try:
            await to_thread.run_sync(work)
        except (OSError, RuntimeError) as error:  # the second where no thread is to be had
            print(f"rorqual: {error}", file=sys.stderr, flush=True)


def engine_id(store: Store) -> str:
    """Made once; the ledger knows engines by it."""
    known = store.get(META, "id")
    if not isinstance(known, str):
        known = secrets.token_hex(16)
        store.put(META, "id", known)
    return known


def common_headers(version: str) -> dict[str, str]:
    return {
        "Api-Version": f"{NEWEST[0]}.{NEWEST[1]}",
        "Docker-Experimental": "false",
        "Ostype": "linux",
        "Server": f"Rorqual/{version} (linux)",
    }


def raise_open_files_limit() -> None:
    """A hundred containers with followers need more than the usual 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
