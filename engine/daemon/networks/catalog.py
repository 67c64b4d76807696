"""Every network that there is, in memory and in the store; their pools of addresses. No kernel, no awaiting.

Names are not unique: what Docker calls ambiguous is ambiguous here. Called by `networks.room` and `networks.registry`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from engine.api.errors import Conflict, EngineError, Forbidden, InvalidArgument, NotFound
from engine.daemon.networks.ipam import (
    Address,
    Pool,
    Subnet,
    choose_subnet,
    default_subnets,
    gateway_of,
    overlapping,
    read_address,
)
from engine.daemon.networks.network import (
    BRIDGE_NAME,
    DEFAULT_BRIDGE,
    HOST_BINDING,
    ICC,
    MASQUERADE,
    MTU,
    Network,
    PoolRecord,
    network_of,
    record_of,
)
from engine.daemon.protocols import Store

KIND = "network"


@dataclass(frozen=True, slots=True)
class Identity:
    """What keeps daemons on one machine apart: the default bridge's name, the nft table, the links' group."""

    bridge: str = "rorqual0"
    table: str = "rorqual"
    group: int = 0x72710000


class Catalog:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._networks: dict[str, Network] = {}
        self._pools: dict[str, list[Pool]] = {}
        for id, record in store.list(KIND).items():
            try:
                self._keep(network_of(record))
            except (KeyError, TypeError, ValueError, EngineError) as error:
                print(f"rorqual: the record of network {id} means nothing: {error}", file=sys.stderr, flush=True)

    def _keep(self, network: Network) -> None:
        self._networks[network.id] = network
        self._pools[network.id] = [pool.pool() for pool in network.pools] if network.is_bridge else []

    def __iter__(self) -> Iterator[Network]:
        return iter(list(self._networks.values()))

    def add(self, network: Network) -> None:
        self._store.put(KIND, network.id, record_of(network))
        self._keep(network)

    def unrecorded(self) -> list[Network]:
        recorded = self._store.list(KIND)
        return [network for network in self if network.id not in recorded]

    def record_again(self, network: Network) -> None:
        if network.id in self._networks:
            self._store.put(KIND, network.id, record_of(network))

    def remove(self, network: Network) -> None:
        self._store.delete(KIND, network.id)
        self._networks.pop(network.id, None)
        self._pools.pop(network.id, None)

    # --- finding
    def find(self, reference: str) -> Network | None:
        """By id, name, or the beginning of an id. Raises InvalidArgument where that fits several."""
        if (exact := self._networks.get(reference)) is not None:
            return exact
        name = "bridge" if reference == "default" else reference
        for what, found in (
            ("name", [network for network in self if network.name == name]),
            ("ID prefix", [network for network in self if reference and network.id.startswith(reference)]),
        ):
            if len(found) > 1:
                raise InvalidArgument(f"network {reference} is ambiguous ({len(found)} matches found based on {what})")
            if found:
                return found[0]
        return None

    def get(self, reference: str) -> Network:
        """Raises NotFound, InvalidArgument."""
        found = self.find(reference)
        if found is None:
            raise NotFound(f"network {reference} not found")
        return found

    def named(self, name: str) -> list[Network]:
        return [network for network in self if network.name == name]

    def with_bridge(self, bridge: str) -> Network | None:
        return next((network for network in self if network.is_bridge and network.bridge == bridge), None)

    def check_bridge(self, network: Network) -> None:
        """Raises Conflict where another network has the bridge's name."""
        other = self.with_bridge(network.bridge) if network.is_bridge else None
        if other is not None:
            raise Conflict(
                f"network {network.name}: bridge name {network.bridge} is used by the network {other.name} already"
            )

    def subnets(self) -> list[Subnet]:
        return [subnet for network in self if network.is_bridge for subnet in network.subnets]

    def pools(self, network: Network) -> list[Pool]:
        return self._pools[network.id]

    def claim(self, network: Network, addresses: Iterable[str]) -> None:
        """Addresses that a container has already: after a daemon's start."""
        for text in addresses:
            address = read_address(text, "address")
            for pool in self._pools.get(network.id, ()):
                if address in pool.subnet:
                    # Two records of one address: a damaged one; the first keeps it.
                    with contextlib.suppress(Forbidden):
                        pool.allocate(address)

    def release(self, network: str, addresses: Iterable[str]) -> None:
        for text in addresses:
            address: Address = read_address(text, "address")
            for pool in self._pools.get(network, ()):
                if address in pool.subnet:
                    pool.release(address)

    # --- bridge, host, none
    def predefine(
        self, identity: Identity, created: str, ids: Iterator[str], routes: Collection[Subnet], *, bridged: bool
    ) -> None:
        """Make the three that always are, at the first start. `bridged`: the default bridge's link is there.

        Until it is, another program may take its subnet: it then moves to a free one.
        """
        known = next(iter(self.named("bridge")), None)
        if known is None or (not bridged and any(overlapping(subnet, routes) for subnet in known.subnets)):
            others = [subnet for one in self if one.is_bridge and one is not known for subnet in one.subnets]
            subnet = choose_subnet(default_subnets(), [*others, *routes])
            pool = PoolRecord(str(subnet), str(gateway_of(subnet, None, ())))
            id, born = (known.id, known.created) if known is not None else (next(ids), created)
            self.add(default_bridge(id, born, identity.bridge, pool))
        elif known.bridge != identity.bridge:
            self.add(replace(known, bridge=identity.bridge, options={**known.options, BRIDGE_NAME: identity.bridge}))
        for name, driver in (("host", "host"), ("none", "null")):
            if not self.named(name):
                self.add(Network(id=next(ids), name=name, driver=driver, created=created))


def default_bridge(id: str, created: str, bridge: str, pool: PoolRecord) -> Network:
    options = {
        DEFAULT_BRIDGE: "true",
        ICC: "true",
        MASQUERADE: "true",
        HOST_BINDING: "0.0.0.0",
        BRIDGE_NAME: bridge,
        MTU: "1500",
    }
    return Network(
        id=id, name="bridge", driver="bridge", created=created, pools=(pool,), options=options, bridge=bridge
    )
