"""The files of a container that speak of its surroundings: its own places, the containers it is linked to, the host's.

Reads the host's /etc files; writes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from engine.api.errors import Conflict
from engine.daemon.networks import files
from engine.daemon.networks.catalog import Catalog
from engine.daemon.networks.endpoint import SHORT, Placement
from engine.daemon.networks.files import Linked, ResolvConf, read_resolv_conf
from engine.daemon.protocols import Attachment

RESOLV_CONF = Path("/etc/resolv.conf")
# What systemd-resolved itself asks, where /etc/resolv.conf names only its stub.
BEHIND_THE_STUB = Path("/run/systemd/resolve/resolv.conf")
STUB = ("127.0.0.53",)
HOSTS = Path("/etc/hosts")


class Surroundings:
    def __init__(self, catalog: Catalog, placements: Mapping[str, Placement]) -> None:
        self._catalog = catalog
        self._placements = placements

    def with_files(self, placement: Placement) -> Placement:
        attachment = placement.attachment
        around = files.Surroundings(self._linked(attachment), self._host_gateway(placement))
        return replace(
            placement,
            files={
                "resolv.conf": files.resolv_conf(
                    attachment, host_resolv_conf(), own_resolver=bool(placement.resolver_port)
                ),
                "hosts": files.hosts(attachment, placement.endpoints, around),
            },
        )

    def host_files(self, attachment: Attachment) -> Mapping[str, bytes]:
        """Network mode host: the host's own files, and what was asked besides. None: as any, without places."""
        on_host = any(self._driver(reference) == "host" for reference in attachment.endpoints)
        base = text_of(HOSTS) if on_host else files.HOSTS
        around = files.Surroundings(base=base if not base or base.endswith("\n") else f"{base}\n")
        around = replace(around, host_gateway="127.0.0.1" if on_host else "")
        own = bool(attachment.dns or attachment.dns_search or attachment.dns_options)
        resolv = (
            text_of(RESOLV_CONF).encode()
            if on_host and not own
            else files.resolv_conf(attachment, host_resolv_conf(), own_resolver=False)
        )
        return {"resolv.conf": resolv, "hosts": files.hosts(attachment, (), around)}

    def _driver(self, reference: str) -> str:
        found = self._catalog.find(reference)
        return found.driver if found is not None else ""

    def _host_gateway(self, placement: Placement) -> str:
        """An address of the host's that the container reaches: its way out's gateway."""
        four, six = placement.way_out(4), placement.way_out(6)
        if four is not None:
            return four.gateway4
        if six is not None:
            return six.gateway6
        bridge = next(iter(self._catalog.named("bridge")), None)
        return bridge.pools[0].gateway if bridge is not None and bridge.pools else ""

    def _linked(self, attachment: Attachment) -> list[Linked]:
        """HostConfig.Links, as the default bridge has them: lines of the hosts file."""
        found = []
        for alias, other in files.links_asked(attachment).items():
            placement = self._running(other)
            if placement is None:
                raise Conflict(f"Cannot link to a non running container: /{other} AS /{attachment.name}/{alias}")
            name, id = placement.attachment.name, placement.container[:SHORT]
            names = tuple(dict.fromkeys((alias, id, name)))
            found += [Linked(address, names) for one in placement.endpoints for address in one.addresses]
        return found

    def _running(self, reference: str) -> Placement | None:
        for id, placement in self._placements.items():
            if placement.attachment.name == reference or (len(reference) >= SHORT and id.startswith(reference)):
                return placement
        return None


def host_resolv_conf() -> ResolvConf:
    found = read_resolv_conf(text_of(RESOLV_CONF))
    if found.servers == STUB and (behind := read_resolv_conf(text_of(BEHIND_THE_STUB))).servers:
        return replace(found, servers=behind.servers)
    return found


def text_of(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
