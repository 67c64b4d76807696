"""What networks share on the host: bridges and the firewall, made when the first container or network needs them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import partial

import anyio
import anyio.to_thread

from engine.api.errors import NotFound
from engine.daemon.networks.catalog import Catalog, Identity
from engine.daemon.networks.departures import Departures
from engine.daemon.networks.endpoint import Endpoint, Placement, mac_of
from engine.daemon.networks.ipam import read_address, read_subnet
from engine.daemon.networks.kernel import bridges, conntrack, firewall
from engine.daemon.networks.kernel.bridges import Bridge
from engine.daemon.networks.kernel.wiring import Wire
from engine.daemon.networks.network import Network
from engine.daemon.networks.rules import BridgeRules
from engine.daemon.networks.wall import Wall

# How often other programs' firewalls are looked at: they may start, or reload, at any time.
LOOK_SECONDS = 5.0


class Infrastructure:
    def __init__(self, catalog: Catalog, identity: Identity) -> None:
        self._catalog = catalog
        self._identity = identity
        self.wall = Wall(identity.table)
        self.departures = Departures(identity.group)
        self._indexes: dict[str, int] = {}
        self._turn = anyio.Lock()
        self._next_look = 0.0
        # The firewalls that have rules of ours; at first any may, of a daemon before us.
        self._placed: set[str] = set(firewall.TOOLS)
        self._zone = firewall.TrustedZone()

    @property
    def group(self) -> int:
        return self._identity.group

    @property
    def table(self) -> str:
        return self._identity.table

    def is_open(self, network: Network) -> bool:
        """Whether its bridge should be there."""
        return network.id in self._indexes

    async def open(self, network: Network, *, anew: bool = False) -> int:
        """The network's bridge, up, with its rules; → its index."""
        if not anew and (known := self._indexes.get(network.id)) is not None:
            return known
        async with self._turn:
            if not anew and (known := self._indexes.get(network.id)) is not None:
                return known
            await self.departures.settled()
            index = await anyio.to_thread.run_sync(bridges.ensure, bridge_of(network, self._identity.group))
            await self.wall.open_bridge(rules_of(network))
            await self._let_through()
            self._indexes[network.id] = index
            return index

    async def close(self, network: Network) -> None:
        """Takes the bridge away, and the rules: the kernel is still busy with the bridge when this returns."""
        async with self._turn:
            self._indexes.pop(network.id, None)
            self.departures.begin(network.bridge)
            await self.wall.close_bridge(network.bridge)
            if self._placed:
                await self._let_through()

    async def wire(self, endpoint: Endpoint, *, anew: bool) -> Wire | None:
        """How to make the endpoint's interface; None for one that has none."""
        if not endpoint.link:
            return None
        network = self._catalog.find(endpoint.network)
        if network is None:
            raise NotFound(f"network {endpoint.network_name} not found")
        index = await self.open(network, anew=anew)
        addresses = [
            (read_address(text, "address"), read_subnet(f"{text}/{bits}"))
            for text, bits in ((endpoint.ipv4, endpoint.ipv4_bits), (endpoint.ipv6, endpoint.ipv6_bits))
            if text
        ]
        return Wire(
            link=endpoint.link,
            bridge=index,
            interface=endpoint.interface,
            mac=bytes.fromhex(endpoint.mac.replace(":", "")),
            mtu=network.mtu,
            addresses=tuple(addresses),
            group=self._identity.group,
            isolated=not network.icc,
        )

    async def publish(self, placement: Placement) -> None:
        await self.wall.publish(placement.container, placement.forwards())

    async def unpublish(self, placement: Placement) -> None:
        await self.wall.publish(placement.container, ())
        if any(one.protocol == "udp" for one in placement.published):
            addresses = [address for endpoint in placement.endpoints for address in endpoint.addresses]
            # Without it they time out; an end is not held up for that.
            with contextlib.suppress(OSError):
                await anyio.to_thread.run_sync(conntrack.forget_udp, addresses)

    async def restore(self, placements: Iterable[Placement]) -> None:
        """After a daemon's start: bridges for the networks that were made by users or are in use, nothing else."""
        living = list(placements)
        used = {endpoint.network for placement in living for endpoint in placement.endpoints if endpoint.link}
        wanted = [one for one in self._catalog if one.is_bridge and (one.user_defined or one.id in used)]
        links = [endpoint.link for placement in living for endpoint in placement.endpoints if endpoint.link]
        sweep = partial(bridges.sweep, self._identity.group, links, [network.bridge for network in wanted])
        await anyio.to_thread.run_sync(sweep)
        self._indexes.clear()
        forwards = {placement.container: placement.forwards() for placement in living}
        await self.wall.restore([rules_of(network) for network in wanted], forwards)
        for network in wanted:
            await self.open(network)

    async def take_down(self) -> None:
        """The daemon ends, and no container is in a network: neither table nor bridge nor rule of ours stays.

        The next start makes the bridges of users' networks again.
        """
        async with self._turn:
            self._indexes.clear()
            await self.departures.settled()
            if await self.wall.take_down():
                await self._let_through()
            await anyio.to_thread.run_sync(bridges.remove_all, self._identity.group)

    async def mend(self) -> None:
        """What others may have undone: our table flushed, a firewall of theirs started since."""
        if not self.wall.bridges or anyio.current_time() < self._next_look:
            return
        await self.wall.mend()
        async with self._turn:
            await self._let_through()

    async def _let_through(self) -> None:
        self._next_look = anyio.current_time() + LOOK_SECONDS
        look = partial(firewall.let_through, self.wall.bridges, self._identity.table, self._zone, placed=self._placed)
        self._placed = await anyio.to_thread.run_sync(look)
        if self._placed:
            group = self._identity.group
            await self.wall.keep_apart(await anyio.to_thread.run_sync(bridges.of_docker, group))


def bridge_of(network: Network, group: int) -> Bridge:
    gateways = tuple(network.gateways())
    first = next((address for address, _ in gateways if address.version == 4), None)
    seed = bytes.fromhex(network.id[:8])
    return Bridge(network.bridge, gateways, mac_of(first, seed), network.mtu, group)


def rules_of(network: Network) -> BridgeRules:
    return BridgeRules(
        network.bridge,
        tuple(network.subnets),
        internal=network.internal,
        masquerades=network.masquerades,
        icc=network.icc,
    )
