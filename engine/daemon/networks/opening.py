"""The room put together: what app.py opens, and closes when the daemon ends."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.daemon.networks.catalog import Catalog, Identity
from engine.daemon.networks.infrastructure import Infrastructure
from engine.daemon.networks.placements import Placements
from engine.daemon.networks.registry import NetworkRegistry
from engine.daemon.networks.room import NetworkRoom
from engine.daemon.networks.steward.client import StewardClient
from engine.daemon.protocols import Events, Places, Store
from engine.kit.clock import Clock

GROUP = 0x72710000


@dataclass(frozen=True, slots=True)
class OpenNetworks:
    """`room` is protocols.Networks; `registry` answers the routes. `room.supervise()` must run in a task."""

    room: NetworkRoom
    registry: NetworkRegistry
    steward: StewardClient
    infrastructure: Infrastructure


@asynccontextmanager
async def open_networks(
    places: Places, store: Store, events: Events, clock: Clock, apart: Sequence[Path] = ()
) -> AsyncIterator[OpenNetworks]:
    """`room.recover` comes next, once it is known which containers live. Links and look-ups stay when this ends.

    `apart`: the cgroups of what outlives the daemon (kit.apart).
    """
    folder = places.run / "networks"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    identity = identity_of(places)
    catalog = Catalog(store)
    infrastructure = Infrastructure(catalog, identity)
    steward = StewardClient(folder, apart)
    room = NetworkRoom(catalog, infrastructure, steward, events, Placements(folder / "containers"))
    registry = NetworkRegistry(catalog, infrastructure, room, events, clock)
    await registry.predefine(identity)
    try:
        yield OpenNetworks(room, registry, steward, infrastructure)
    finally:
        await room.close()


def identity_of(places: Places) -> Identity:
    """A daemon's own names; the usual root has the plain ones."""
    digest = hashlib.sha256(str(places.root.resolve()).encode()).digest()
    group = GROUP | int.from_bytes(digest[:2], "big")
    if not places.mark:
        return Identity(group=group)
    return Identity(bridge=f"rorqual-{places.mark[:6]}", table=f"rorqual_{places.mark}", group=group)
