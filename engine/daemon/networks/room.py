"""The networks' room: containers attached and detached, networks made and removed. Implements protocols.Networks.

Order of an attach: addresses are claimed (in memory), ports bound, the record written (a tmpfs), then links, rules
and names made; a fault undoes them in reverse. A daemon killed at any point finds the record, or nothing, and
`recover` takes away what belongs to no living container.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from engine.api.errors import EngineError, InvalidArgument, NotFound, SystemFailure
from engine.api.networks import EndpointSettings
from engine.daemon.networks import plan
from engine.daemon.networks.catalog import Catalog
from engine.daemon.networks.endpoint import Endpoint, Placement, check_settings, read_mac, settings_of
from engine.daemon.networks.infrastructure import Infrastructure
from engine.daemon.networks.kernel import wiring
from engine.daemon.networks.kernel.netlink import NetlinkError
from engine.daemon.networks.network import Network
from engine.daemon.networks.placements import Placements
from engine.daemon.networks.publishing import requests_for, reserve_ports
from engine.daemon.networks.steward.client import Handle, StewardClient
from engine.daemon.networks.stewardship import Stewardship, close_all, report
from engine.daemon.networks.surroundings import Surroundings
from engine.daemon.protocols import Attached, Attachment, Events

CLEAN_UP_SECONDS = 20.0


class NetworkRoom:
    def __init__(
        self,
        catalog: Catalog,
        infrastructure: Infrastructure,
        steward: StewardClient,
        events: Events,
        placements: Placements,
    ) -> None:
        self.catalog = catalog
        self.placements = placements
        self._infrastructure = infrastructure
        self._events = events
        self._surroundings = Surroundings(catalog, placements)
        self.stewardship = Stewardship(catalog, steward, placements)

    # --- looking
    def name_of(self, network: str) -> str | None:
        found = self.catalog.find(network)
        return found.name if found is not None else None

    def attached(self, container: str) -> Attached | None:
        placement = self.placements.get(container)
        return placement.attached() if placement is not None else None

    def host_files(self, attachment: Attachment) -> Mapping[str, bytes]:
        return self._surroundings.host_files(attachment)

    def check(self, attachment: Attachment) -> None:
        for reference, settings in attachment.endpoints.items():
            # One that isn't there yet may be until the container starts: then its absence is the fault.
            if (network := self.catalog.find(reference)) is not None:
                check_settings(network, settings or {})
        requests_for(self.catalog, attachment)
        read_mac(attachment.mac_address)

    async def expect(self, network: Network) -> None:
        """Containers will come into the network: have ready what takes time."""
        if network.user_defined:
            await self.stewardship.warm()

    # --- start and end of a container
    async def attach(self, attachment: Attachment, netns: Path) -> Attached:
        if attachment.container in self.placements:
            await self.detach(attachment.container)
        placement = plan.plan(self.catalog, attachment, str(netns), os.urandom)
        self.placements.planned(placement)
        handles: list[Handle] = []
        with self.placements.unsettled(attachment.container):
            try:
                placement, handles = reserve_ports(self.catalog, placement)
                placement = self._surroundings.with_files(placement)
                self.placements.keep(placement)
                await self._make_way(placement.endpoints)
                await self._wire(placement, placement.endpoints)
                await self._infrastructure.publish(placement)
                await self._serve(placement, handles)
            except BaseException as error:
                close_all(handles)
                with anyio.move_on_after(CLEAN_UP_SECONDS, shield=True):
                    await self._undo(placement)
                raise words_of(error) from error
        for endpoint in placement.endpoints:
            self._publish_event("connect", endpoint, attachment.container)
        return placement.attached()

    async def _make_way(self, endpoints: Sequence[Endpoint]) -> None:
        """An interface that had one of these addresses a moment ago must not answer for it any more."""
        if names := self.placements.in_the_way(endpoints):
            await anyio.to_thread.run_sync(wiring.silence, names)
            self.placements.left(names)

    async def _wire(self, placement: Placement, endpoints: Sequence[Endpoint]) -> None:
        """Links for these endpoints, default routes for all. A bridge that somebody took away is made again."""
        netns, gateways = Path(placement.netns), gateways_of(placement)
        for last in (False, True):
            wires = [wire for one in endpoints if (wire := await self._infrastructure.wire(one, anew=last)) is not None]
            if not wires and not any(one.network_name == "none" for one in endpoints):
                return
            try:
                await anyio.to_thread.run_sync(wiring.plug, netns, wires, gateways)
                return
            except NetlinkError as error:
                if last or not wiring.is_missing_bridge(error):
                    raise
                await anyio.to_thread.run_sync(wiring.unplug, [wire.link for wire in wires])

    async def _serve(self, placement: Placement, handles: list[Handle]) -> None:
        """Names and ports by the steward, which has the handles from here on."""
        served = await self.stewardship.begin(placement, handles)
        if served is not placement:
            self.placements.keep(served)

    async def detach(self, container: str) -> None:
        placement = self.placements.get(container)
        if placement is None:
            self.placements.forget(container)
            return
        with anyio.move_on_after(CLEAN_UP_SECONDS, shield=True):
            # The kernel takes them away in its own time. Neither this nor that is waited for: see _make_way.
            self.placements.leave(placement.endpoints)
            await self._forget(placement)
        for endpoint in placement.endpoints:
            self._publish_event("disconnect", endpoint, container)

    async def _undo(self, placement: Placement) -> None:
        await anyio.to_thread.run_sync(wiring.unplug, [one.link for one in placement.endpoints if one.link])
        await self._forget(placement)

    async def _forget(self, placement: Placement) -> None:
        """Rules first, then the sockets, then the addresses: what is given to another leads to nobody else."""
        container = placement.container
        await self._infrastructure.unpublish(placement)
        if placement.resolver_port or placement.published:
            await self.stewardship.end(container)
        if self.placements.forget(container):
            plan.give_back(self.catalog, placement.endpoints)

    # --- changes of a running container
    async def connect(self, network: str, attachment: Attachment, netns: Path | None) -> EndpointSettings:
        found = self.catalog.get(network)
        settings: EndpointSettings = attachment.endpoints.get(found.name) or attachment.endpoints.get(network) or {}
        check_settings(found, settings)
        plan.check_company(self.catalog, attachment, found)
        before = self.placements.get(attachment.container)
        if netns is None or before is None:
            return settings_of(Endpoint("", found.id, found.name, settings))
        after = plan.plan_one(self.catalog, before, found.id, settings, os.urandom)
        endpoint = after.endpoints[-1]
        with self.placements.unsettled(attachment.container):
            try:
                self.placements.keep(self._surroundings.with_files(after))
                await self._make_way([endpoint])
                await self._wire(after, [endpoint])
                await self._follow(before, after)
            except BaseException as error:
                with anyio.move_on_after(CLEAN_UP_SECONDS, shield=True):
                    self.placements.keep(before)
                    plan.give_back(self.catalog, [endpoint])
                    await anyio.to_thread.run_sync(wiring.unplug, [endpoint.link])
                    await self._follow(after, before)
                raise words_of(error) from error
        self._publish_event("connect", endpoint, attachment.container)
        return settings_of(endpoint)

    async def _follow(self, before: Placement, after: Placement) -> None:
        """Rules and names after a change of networks."""
        await self._infrastructure.publish(after)
        if after.resolver_port and not before.resolver_port:
            served = await self.stewardship.begin_names(after)
            if served is not after:
                self.placements.keep(served)
        else:
            await self.stewardship.change(after)

    async def disconnect(self, network: str, container: str) -> None:
        found = self.catalog.get(network)
        if found.driver == "host":
            raise InvalidArgument(plan.HOST_STAYS)
        before = self.placements.get(container)
        endpoint = before.in_network(found.id) if before is not None else None
        if before is None or endpoint is None:
            if before is not None:
                raise SystemFailure(f"container {container} is not connected to the network {found.name}")
            return
        with anyio.CancelScope(shield=True):
            after = before.without(found.id)
            self.placements.keep(self._surroundings.with_files(after))
            await self._follow(before, after)
            if endpoint.link:
                await anyio.to_thread.run_sync(wiring.unplug, [endpoint.link])
                await anyio.to_thread.run_sync(wiring.reroute, Path(after.netns), gateways_of(after))
            plan.give_back(self.catalog, [endpoint])
        self._publish_event("disconnect", endpoint, container)

    async def rename(self, container: str, name: str) -> None:
        before = self.placements.get(container)
        if before is None:
            return
        self.placements.keep(plan.renamed(self.catalog, before, name))
        await self.stewardship.change(self.placements[container])

    async def relink(self, container: str, links: Sequence[str]) -> None:
        before = self.placements.get(container)
        if before is not None:
            self.placements.keep(self._surroundings.with_files(plan.linked(before, links)))

    # --- after a daemon's start, and while it runs
    async def recover(self, alive: Mapping[str, Path]) -> None:
        """What lives is known again with its addresses; every link, rule and socket of others is taken away."""
        self.placements.read(alive)
        for placement in self.placements.values():
            for endpoint in placement.endpoints:
                network = self.catalog.find(endpoint.network)
                if network is not None:
                    self.catalog.claim(network, endpoint.addresses)
        await self._infrastructure.restore(self.placements.values())
        await self.stewardship.recover()

    # --- a check's
    async def wire_again(self, container: str, network: str) -> None:
        """The endpoint's interface is made anew, if it is still wanted."""
        placement = self.placements.get(container)
        endpoint = placement.in_network(network) if placement is not None else None
        if placement is not None and endpoint is not None:
            await anyio.to_thread.run_sync(wiring.unplug, [endpoint.link])
            await self._wire(placement, [endpoint])

    async def open_again(self, network: Network) -> None:
        """The bridge is made anew, and the containers in it are connected to it."""
        await self._infrastructure.open(network, anew=True)
        for container in self.placements.in_network(network.id):
            await self.wire_again(container, network.id)

    async def supervise(self, *, every_seconds: float = 1.0) -> None:
        """A dead steward is replaced, a flushed firewall comes back, what outlived its container goes.

        Runs until cancelled.
        """
        while True:
            await anyio.sleep(every_seconds)
            try:
                await self.stewardship.look()
                await self._infrastructure.mend()
                await self._unplug_lingering()
            except (EngineError, OSError, RuntimeError) as error:  # the last one where no thread is to be had
                report(str(error))

    async def _unplug_lingering(self) -> None:
        """The kernel has closed the namespace by now, or another container is in it and would keep the address."""
        if names := self.placements.lingering():
            await anyio.to_thread.run_sync(wiring.unplug, names)
            self.placements.left(names)

    async def close(self) -> None:
        """The daemon ends; links, rules and the steward stay for the containers that run, and for nobody else."""
        await self.stewardship.close()
        await self._infrastructure.departures.close()
        if not self.placements.links():
            try:
                await self._infrastructure.take_down()
            except (EngineError, OSError) as error:
                report(str(error))

    def _publish_event(self, action: str, endpoint: Endpoint, container: str) -> None:
        network = self.catalog.find(endpoint.network)
        driver = network.driver if network is not None else "bridge"
        attributes = {"container": container, "name": endpoint.network_name, "type": driver}
        self._events.publish("network", action, endpoint.network, attributes)


def gateways_of(placement: Placement) -> list[wiring.Gateway]:
    found = []
    for version in (4, 6):
        way = placement.way_out(version)
        if way is not None:
            found.append(wiring.gateway(way.interface, way.gateway4 if version == 4 else way.gateway6))
    return found


def words_of(error: BaseException) -> BaseException:
    """A fault of the kernel's in words; others as they are."""
    if isinstance(error, NetlinkError):
        return SystemFailure(f"the kernel refused to {error.filename}: {error.strerror}")
    if isinstance(error, FileNotFoundError) and str(error.filename).endswith("ns/net"):
        return NotFound("the container's network namespace is gone: its process ended")
    return error
