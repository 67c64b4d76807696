"""The networks' room: containers attached and detached, networks made and removed. Implements protocols.Networks.

Order of an attach: addresses are claimed (in memory), ports bound, the record written (a tmpfs), then links, rules
and names made; a fault undoes them in reverse. A daemon killed at any point finds the record, or nothing, and
`recover` takes away what belongs to no living container.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from engine.api.errors import EngineError, InvalidArgument, NotFound, SystemFailure
from engine.api.networks import EndpointSettings
from engine.daemon.networks import plan
from engine.daemon.networks.catalog import Catalog
from engine.daemon.networks.endpoint import (
    Endpoint,
    Placement,
    check_settings,
    placement_of,
    read_mac,
    record_of,
    settings_of,
)
from engine.daemon.networks.infrastructure import Infrastructure
from engine.daemon.networks.kernel import reserve, wiring
from engine.daemon.networks.kernel.netlink import NetlinkError
from engine.daemon.networks.network import HOST_BINDING, Network
from engine.daemon.networks.ports import ANY4, PortRequest, requests_of
from engine.daemon.networks.steward.client import Handle, StewardClient
from engine.daemon.networks.stewardship import Stewardship, close_all, report
from engine.daemon.networks.surroundings import Surroundings
from engine.daemon.protocols import Attached, Attachment, Events
from engine.kit.files import atomic_write

CLEAN_UP_SECONDS = 20.0


class NetworkRoom:
    """`folder` is on a tmpfs: what it holds is true until a reboot, as the links are."""

    def __init__(
        self,
        catalog: Catalog,
        infrastructure: Infrastructure,
        steward: StewardClient,
        events: Events,
        folder: Path,
    ) -> None:
        self.catalog = catalog
        self._infrastructure = infrastructure
        self._events = events
        self._folder = folder
        self._placements: dict[str, Placement] = {}
        # Containers whose links are being made, and links that go with their namespace: since when.
        self._unsettled: Counter[str] = Counter()
        self._leaving: dict[str, float] = {}
        self._surroundings = Surroundings(catalog, self._placements)
        self._stewardship = Stewardship(catalog, steward, self._placements)

    # --- looking
    def name_of(self, network: str) -> str | None:
        found = self.catalog.find(network)
        return found.name if found is not None else None

    def attached(self, container: str) -> Attached | None:
        placement = self._placements.get(container)
        return placement.attached() if placement is not None else None

    def endpoints_in(self, network: str) -> dict[str, tuple[str, Endpoint]]:
        """Container → its name and its endpoint in the network (an id), of those that run."""
        found = {}
        for id, placement in self._placements.items():
            if (endpoint := placement.in_network(network)) is not None:
                found[id] = placement.attachment.name, endpoint
        return found

    def host_files(self, attachment: Attachment) -> Mapping[str, bytes]:
        return self._surroundings.host_files(attachment)

    def check(self, attachment: Attachment) -> None:
        for reference, settings in attachment.endpoints.items():
            # One that isn't there yet may be until the container starts: then its absence is the fault.
            if (network := self.catalog.find(reference)) is not None:
                check_settings(network, settings or {})
        self._requests(attachment)
        read_mac(attachment.mac_address)

    def _requests(self, attachment: Attachment) -> list[PortRequest]:
        """The ports that it wants, on the address that its first network binds to when none is said."""
        address = ""
        for reference in attachment.endpoints:
            network = self.catalog.find(reference)
            if network is not None and (bound := network.options.get(HOST_BINDING, "")) not in {"", ANY4}:
                address = bound
        return requests_of(attachment.bindings, attachment.exposed, attachment.publish_all, address)

    async def expect(self, network: Network) -> None:
        """Containers will come into the network: have ready what takes time."""
        if network.user_defined:
            await self._stewardship.warm()

    # --- start and end of a container
    async def attach(self, attachment: Attachment, netns: Path) -> Attached:
        if attachment.container in self._placements:
            await self.detach(attachment.container)
        placement = plan.plan(self.catalog, attachment, str(netns), os.urandom)
        self._placements[attachment.container] = placement
        handles: list[Handle] = []
        self._unsettled[attachment.container] += 1
        try:
            placement, handles = self._reserve(placement)
            placement = self._surroundings.with_files(placement)
            self._keep(placement)
            await self._wire(placement, placement.endpoints)
            await self._infrastructure.publish(placement)
            await self._serve(placement, handles)
        except BaseException as error:
            close_all(handles)
            with anyio.move_on_after(CLEAN_UP_SECONDS, shield=True):
                await self._undo(placement)
            raise words_of(error) from error
        finally:
            self._unsettled[attachment.container] -= 1
        for endpoint in placement.endpoints:
            self._publish_event("connect", endpoint, attachment.container)
        return placement.attached()

    def _reserve(self, placement: Placement) -> tuple[Placement, list[Handle]]:
        """Bind the published ports, if any network leads out."""
        if not placement.target():
            requests = self._requests(placement.attachment)
            unheard = f"no port is published: {placement.attachment.name} is in no network that leads out"
            return replace(placement, warnings=(unheard,) if requests and placement.endpoints else ()), []
        try:
            held = reserve.reserve(self._requests(placement.attachment))
        except SystemFailure as error:
            way = placement.way_out(4) or placement.way_out(6)
            assert way is not None  # target() is its address
            where = f"{placement.attachment.name} ({way.id})"
            raise SystemFailure(
                f"driver failed programming external connectivity on endpoint {where}: {error.message}"
            ) from error
        handles = [
            Handle(published.protocol, bound.detach(), placement.target(), published.port) for published, bound in held
        ]
        return replace(placement, published=tuple(published for published, _ in held)), handles

    def _keep(self, placement: Placement) -> None:
        self._placements[placement.container] = placement
        atomic_write(self._record(placement.container), json.dumps(record_of(placement)).encode(), mode=0o600)

    def _record(self, container: str) -> Path:
        return self._folder / f"{container}.json"

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
        served = await self._stewardship.begin(placement, handles)
        if served is not placement:
            self._keep(served)

    async def detach(self, container: str) -> None:
        placement = self._placements.get(container)
        if placement is None:
            self._record(container).unlink(missing_ok=True)
            return
        with anyio.move_on_after(CLEAN_UP_SECONDS, shield=True):
            names = [endpoint.link for endpoint in placement.endpoints if endpoint.link]
            if names:
                self._leaving = {**self.leaving(), **dict.fromkeys(names, anyio.current_time())}
                await anyio.to_thread.run_sync(wiring.silence, names)
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
            await self._stewardship.end(container)
        if self._placements.pop(container, None) is not None:
            plan.give_back(self.catalog, placement.endpoints)
        self._record(container).unlink(missing_ok=True)

    # --- changes of a running container
    async def connect(self, network: str, attachment: Attachment, netns: Path | None) -> EndpointSettings:
        found = self.catalog.get(network)
        settings: EndpointSettings = attachment.endpoints.get(found.name) or attachment.endpoints.get(network) or {}
        check_settings(found, settings)
        plan.check_company(self.catalog, attachment, found)
        before = self._placements.get(attachment.container)
        if netns is None or before is None:
            return settings_of(Endpoint("", found.id, found.name, settings))
        after = plan.plan_one(self.catalog, before, found.id, settings, os.urandom)
        endpoint = after.endpoints[-1]
        self._unsettled[attachment.container] += 1
        try:
            self._keep(self._surroundings.with_files(after))
            await self._wire(after, [endpoint])
            await self._follow(before, after)
        except BaseException as error:
            with anyio.move_on_after(CLEAN_UP_SECONDS, shield=True):
                self._keep(before)
                plan.give_back(self.catalog, [endpoint])
                await anyio.to_thread.run_sync(wiring.unplug, [endpoint.link])
                await self._follow(after, before)
            raise words_of(error) from error
        finally:
            self._unsettled[attachment.container] -= 1
        self._publish_event("connect", endpoint, attachment.container)
        return settings_of(endpoint)

    async def _follow(self, before: Placement, after: Placement) -> None:
        """Rules and names after a change of networks."""
        await self._infrastructure.publish(after)
        if after.resolver_port and not before.resolver_port:
            served = await self._stewardship.begin_names(after)
            if served is not after:
                self._keep(served)
        else:
            await self._stewardship.change(after)

    async def disconnect(self, network: str, container: str, *, force: bool = False) -> None:
        found = self.catalog.get(network)
        if found.driver == "host":
            raise InvalidArgument(plan.HOST_STAYS)
        before = self._placements.get(container)
        endpoint = before.in_network(found.id) if before is not None else None
        if before is None or endpoint is None:
            if before is not None and not force:
                raise SystemFailure(f"container {container} is not connected to the network {found.name}")
            return
        with anyio.CancelScope(shield=True):
            after = before.without(found.id)
            self._keep(self._surroundings.with_files(after))
            await self._follow(before, after)
            if endpoint.link:
                await anyio.to_thread.run_sync(wiring.unplug, [endpoint.link])
                await anyio.to_thread.run_sync(wiring.reroute, Path(after.netns), gateways_of(after))
            plan.give_back(self.catalog, [endpoint])
        self._publish_event("disconnect", endpoint, container)

    async def rename(self, container: str, name: str) -> None:
        before = self._placements.get(container)
        if before is None:
            return
        self._keep(plan.renamed(self.catalog, before, name))
        await self._stewardship.change(self._placements[container])

    # --- after a daemon's start, and while it runs
    async def recover(self, alive: Mapping[str, Path]) -> None:
        """What lives is known again with its addresses; every link, rule and socket of others is taken away."""
        self._placements.clear()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._folder.iterdir():
            # A hidden one is the half of a record that was being written.
            placement = None if path.name.startswith(".") else read_record(path)
            if placement is None or placement.container not in alive:
                path.unlink(missing_ok=True)
                continue
            placement = replace(placement, netns=str(alive[placement.container]))
            self._placements[placement.container] = placement
            for endpoint in placement.endpoints:
                network = self.catalog.find(endpoint.network)
                if network is not None:
                    self.catalog.claim(network, endpoint.addresses)
        await self._infrastructure.restore(self._placements.values())
        await self._stewardship.recover()

    # --- a check's
    def leaving(self) -> dict[str, float]:
        """Interfaces of containers that ended just now: the kernel takes them away with their namespaces."""
        since = anyio.current_time() - CLEAN_UP_SECONDS
        return {name: began for name, began in self._leaving.items() if began > since}

    def links(self, *, settled: bool = False) -> dict[str, tuple[str, str]]:
        """Interface on the host → whose it is, in which network (ids). `settled`: without those being made."""
        self._unsettled += Counter()
        placements = [one for id, one in self._placements.items() if not settled or id not in self._unsettled]
        return {
            one.link: (placement.container, one.network)
            for placement in placements
            for one in placement.endpoints
            if one.link
        }

    def stray_records(self) -> list[Path]:
        known = {self._record(container).name for container in self._placements}
        return [path for path in self._folder.glob("*.json") if path.name not in known]

    async def wire_again(self, container: str, network: str) -> None:
        """The endpoint's interface is made anew, if it is still wanted."""
        placement = self._placements.get(container)
        endpoint = placement.in_network(network) if placement is not None else None
        if placement is not None and endpoint is not None:
            await anyio.to_thread.run_sync(wiring.unplug, [endpoint.link])
            await self._wire(placement, [endpoint])

    async def open_again(self, network: Network) -> None:
        """The bridge is made anew, and the containers in it are connected to it."""
        await self._infrastructure.open(network, anew=True)
        for container in self.endpoints_in(network.id):
            await self.wire_again(container, network.id)

    async def supervise(self, *, every_seconds: float = 1.0) -> None:
        """A dead steward is replaced, a flushed firewall comes back. Runs until cancelled."""
        while True:
            await anyio.sleep(every_seconds)
            try:
                await self._stewardship.look()
                await self._infrastructure.mend()
            except (EngineError, OSError) as error:
                report(str(error))

    async def close(self) -> None:
        """The daemon ends; links, rules and the steward stay for the containers that run."""
        await self._stewardship.close()

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


def read_record(path: Path) -> Placement | None:
    try:
        return placement_of(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError) as error:
        report(f"{path}: not a record of a container's networks, set aside: {error}")
        return None


def words_of(error: BaseException) -> BaseException:
    """A fault of the kernel's in words; others as they are."""
    if isinstance(error, NetlinkError):
        return SystemFailure(f"the kernel refused to {error.filename}: {error.strerror}")
    if isinstance(error, FileNotFoundError) and str(error.filename).endswith("ns/net"):
        return NotFound("the container's network namespace is gone: its process ended")
    return error
