"""Networks made, shown, listed and removed: what the API's routes ask for. Containers are `networks.room`'s."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.to_thread

from engine.api.errors import Conflict, Forbidden, InvalidArgument, NotFound
from engine.api.networks import NetworkContainer, NetworkInspect, NetworksPruned
from engine.daemon.matching import found_in, has_label
from engine.daemon.networks import network as shape
from engine.daemon.networks.catalog import Catalog, Identity
from engine.daemon.networks.create import network_from
from engine.daemon.networks.endpoint import Endpoint
from engine.daemon.networks.infrastructure import Infrastructure
from engine.daemon.networks.kernel import bridges
from engine.daemon.networks.network import Network
from engine.daemon.networks.room import NetworkRoom
from engine.daemon.protocols import Events, Filters
from engine.kit.clock import Clock

LIST_FILTERS = frozenset({"dangling", "driver", "id", "label", "label!", "name", "scope", "type"})
PRUNE_FILTERS = frozenset({"label", "label!", "until"})
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class NetworkRegistry:
    def __init__(
        self, catalog: Catalog, infrastructure: Infrastructure, room: NetworkRoom, events: Events, clock: Clock
    ) -> None:
        self._catalog = catalog
        self._infrastructure = infrastructure
        self._room = room
        self._events = events
        self._clock = clock
        # One create at a time: two must not choose the same subnet.
        self._turn = anyio.Lock()

    async def predefine(self, identity: Identity) -> None:
        """bridge, host and none are there from the first start on."""

        def ids() -> Iterator[str]:
            while True:
                yield os.urandom(32).hex()

        routes = await anyio.to_thread.run_sync(bridges.host_subnets)
        bridged = await anyio.to_thread.run_sync(bridges.is_there, identity.bridge)
        self._catalog.predefine(identity, self._now(), ids(), routes, bridged=bridged)

    def _now(self) -> str:
        nanoseconds = int(self._clock.now() * 1e9)
        whole = datetime.fromtimestamp(nanoseconds // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{whole}.{nanoseconds % 10**9:09d}Z"

    async def create(self, body: Mapping[str, Any], *, twice: bool = False) -> tuple[str, str]:
        """→ the id, and a warning or none. `twice`: the name may be in use, which is warned of.

        Raises Conflict for a name in use, and what create.network_from raises.
        """
        async with self._turn:
            await self._infrastructure.departures.settled()
            routes = await anyio.to_thread.run_sync(bridges.host_subnets)
            network = network_from(
                body,
                id=os.urandom(32).hex(),
                created=self._now(),
                ours=self._catalog.subnets(),
                host=routes,
                seed=bytes.fromhex(self._catalog.get("bridge").id[:10]),
                config_of=lambda name: self._catalog.find(name),
            )
            known = self._catalog.named(network.name)
            if known and not twice:
                raise Conflict(f"network with name {network.name} already exists")
            self._catalog.check_bridge(network)
            with anyio.CancelScope(shield=True):
                await self._establish(network)
        self._tell("create", network)
        warnings = [f"Network with name {one.name} (id : {one.id}) already exists" for one in known[:1]]
        return network.id, "; ".join(filter(None, [*warnings, unknown_options(network)]))

    async def _establish(self, network: Network) -> None:
        """The record first: a daemon killed in between makes the bridge at its next start."""
        self._catalog.add(network)
        if not network.is_bridge:
            return
        try:
            await self._room.expect(network)
            await self._infrastructure.open(network)
        except BaseException:
            self._catalog.remove(network)
            await self._infrastructure.close(network)
            raise

    def _tell(self, action: str, network: Network) -> None:
        self._events.publish("network", action, network.id, {"name": network.name, "type": network.driver})

    # --- looking
    def inspect(self, reference: str, *, scope: str = "") -> NetworkInspect:
        """Raises NotFound, InvalidArgument for an ambiguous name."""
        network = self._catalog.get(reference)
        if scope and scope != "local":
            raise NotFound(f"network {reference} not found")
        members = self._room.placements.in_network(network.id)
        return shape.inspect(network, {id: member_of(name, endpoint) for id, (name, endpoint) in members.items()})

    def listed(self, filters: Filters | None = None) -> list[NetworkInspect]:
        found = [network for network in self._catalog if self._matches(network, filters or {})]
        return [shape.inspect(network, None) for network in found]

    def _matches(self, network: Network, filters: Filters) -> bool:
        return all(
            any(self._fits(network, name, value) for value in values)
            if name not in ALL_OF
            # Labels narrow each other.
            else all(self._fits(network, name, value) for value in values)
            for name, values in filters.items()
            if values
        )

    def _fits(self, network: Network, name: str, value: str) -> bool:
        match name:
            case "driver":
                return network.driver == value
            case "name":
                return found_in(value, network.name)
            case "id":
                return found_in(value, network.id)
            case "scope":
                return value == "local"
            case "label":
                return has_label(network.labels, value)
            case "label!":
                return not has_label(network.labels, value)
            case "type":
                return is_of_type(network, value)
            case "dangling":
                return self._dangling(network) is read_boolean("dangling", value)
        raise InvalidArgument(f"invalid filter '{name}'")

    def _dangling(self, network: Network) -> bool:
        return not network.predefined and not self._room.placements.in_network(network.id)

    # --- removing
    async def remove(self, reference: str) -> None:
        """Raises Forbidden while a container that runs is in it, and for bridge, host and none."""
        network = self._catalog.get(reference)
        if network.predefined:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        if users := self._users(network):
            raise Forbidden(
                f"error while removing network: network {network.name} id {network.id} has active endpoints: "
                f"{', '.join(users)}"
            )
        with anyio.CancelScope(shield=True):
            # Out of the catalog first: nobody can be attached to what is on its way out.
            self._catalog.remove(network)
            if network.is_bridge:
                await self._infrastructure.close(network)
        self._tell("destroy", network)

    def _users(self, network: Network) -> list[str]:
        users = [f"{name} ({id[:12]})" for id, (name, _) in self._room.placements.in_network(network.id).items()]
        if network.config_only:
            users += [f"network {other.name}" for other in self._catalog if other.config_from == network.name]
        return users

    async def prune(self, filters: Filters | None = None) -> NetworksPruned:
        """Every user's network without a running container in it."""
        filters = dict(filters or {})
        latest = min((read_moment(text, self._clock.now()) for text in filters.pop("until", ())), default=None)
        deleted = []
        for network in self._catalog:
            if network.predefined or self._users(network) or not self._matches(network, filters):
                continue
            if latest is not None and moment_of(network) > latest:
                continue
            await self.remove(network.id)
            deleted.append(network.name)
        self._events.publish("network", "prune", "", {"reclaimed": "0"})
        return {"NetworksDeleted": deleted or None}


ALL_OF = frozenset({"label", "label!"})


def member_of(name: str, endpoint: Endpoint) -> NetworkContainer:
    return {
        "Name": name,
        "EndpointID": endpoint.id,
        "MacAddress": endpoint.mac,
        "IPv4Address": f"{endpoint.ipv4}/{endpoint.ipv4_bits}" if endpoint.ipv4 else "",
        "IPv6Address": f"{endpoint.ipv6}/{endpoint.ipv6_bits}" if endpoint.ipv6 else "",
    }


def is_of_type(network: Network, value: str) -> bool:
    if value not in {"custom", "builtin"}:
        raise InvalidArgument(f"invalid filter: 'type'='{value}'")
    return network.predefined is (value == "builtin")


def read_boolean(name: str, value: str) -> bool:
    if value not in {"true", "1", "false", "0"}:
        raise InvalidArgument(f'invalid value for filter \'{name}\', must be "true" (or "1"), or "false" (or "0")')
    return value in {"true", "1"}


def read_moment(text: str, now: float) -> float:
    """Unix seconds, RFC 3339, or a Go duration before now. Raises InvalidArgument."""
    if re.fullmatch(r"\d{1,11}(\.\d{1,9})?", text, re.ASCII):
        return float(text)
    parts = DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return now - sum(float(number) * SECONDS[unit] for number, unit in parts)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid filter 'until': {json.dumps(text)} is no time, and no duration") from error
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def moment_of(network: Network) -> float:
    return datetime.fromisoformat(f"{network.created[:19]}+00:00").timestamp()


KNOWN_OPTIONS = {
    shape.BRIDGE_NAME,
    shape.MASQUERADE,
    shape.ICC,
    shape.HOST_BINDING,
    shape.DEFAULT_BRIDGE,
    shape.MTU,
    shape.INTERFACE_PREFIX,
}


def unknown_options(network: Network) -> str:
    """What is kept and has no effect is said, not swallowed; options of the user's own program are its affair."""
    names = [name for name in network.options if name.startswith("com.docker.network.") and name not in KNOWN_OPTIONS]
    return f"network options without effect on this engine: {', '.join(sorted(names))}" if names else ""
