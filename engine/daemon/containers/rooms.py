"""What the room of containers is given: the other rooms by their protocols, and where its own files lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from engine.daemon.containers.limits import Host
from engine.daemon.containers.record import Container
from engine.daemon.containers.shelf import Entry, Shelf
from engine.daemon.protocols import Attachment, Events, Images, Networks, Snapshots, Store, Volumes
from engine.daemon.runtime.conmon import ConmonRuntime
from engine.kit.clock import Clock

Bindings = Mapping[str, Sequence[Mapping[str, str]] | None]


@dataclass(frozen=True, slots=True)
class Rooms:
    store: Store
    events: Events
    images: Images
    snapshots: Snapshots
    volumes: Volumes
    networks: Networks
    runtime: ConmonRuntime
    shelf: Shelf
    clock: Clock
    host: Host
    cgroup_parent: str  # of containers that name none: this daemon's own
    folder: Path  # of the containers' logs: <root>/containers
    run: Path  # of what is made anew at each start: <run>/files

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        return int(self.clock.now() * 1e9)

    def home_of(self, id: str) -> Path:
        return self.folder / id

    def files_of(self, id: str) -> Path:
        """Where its resolv.conf, hosts and hostname lie."""
        return self.run / id

    def log_of(self, id: str) -> Path:
        return self.folder / id / "log"

    def tell(self, entry: Entry, action: str, attributes: Mapping[str, str] | None = None) -> None:
        """An event about a container: its labels, image and name go with each."""
        container = entry.container
        known = {**container.labels, "image": container.config.get("Image", ""), "name": container.name}
        self.events.publish("container", action, container.id, {**known, **(attributes or {})})

    def attachment(self, container: Container) -> Attachment:
        """What the networks' room is told of it."""
        host, config = container.host, container.config
        return Attachment(
            container=container.id,
            name=container.name,
            hostname=config.get("Hostname") or container.id[:12],
            domainname=config.get("Domainname") or "",
            endpoints=container.endpoints,
            bindings=cast(Bindings, host.get("PortBindings") or {}),
            exposed=list(config.get("ExposedPorts") or {}),
            publish_all=bool(host.get("PublishAllPorts")),
            dns=host.get("Dns") or [],
            dns_options=host.get("DnsOptions") or [],
            dns_search=host.get("DnsSearch") or [],
            extra_hosts=host.get("ExtraHosts") or [],
            links=host.get("Links") or [],
            mac_address=config.get("MacAddress") or "",
        )
