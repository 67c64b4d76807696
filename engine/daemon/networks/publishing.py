"""The published ports of a container: which it wants, and their sockets bound, so that nobody else can have them."""

from __future__ import annotations

from dataclasses import replace

from engine.api.errors import SystemFailure
from engine.daemon.networks.catalog import Catalog
from engine.daemon.networks.endpoint import Placement
from engine.daemon.networks.kernel import reserve
from engine.daemon.networks.network import HOST_BINDING
from engine.daemon.networks.ports import ANY4, PortRequest, requests_of
from engine.daemon.networks.steward.client import Handle
from engine.daemon.protocols import Attachment


def requests_for(catalog: Catalog, attachment: Attachment) -> list[PortRequest]:
    """The ports that it wants, on the address that its first network binds to when none is said.

    Raises InvalidArgument.
    """
    address = ""
    for reference in attachment.endpoints:
        network = catalog.find(reference)
        if network is not None and (bound := network.options.get(HOST_BINDING, "")) not in {"", ANY4}:
            address = bound
    return requests_of(attachment.bindings, attachment.exposed, attachment.publish_all, address)


def reserve_ports(catalog: Catalog, placement: Placement) -> tuple[Placement, list[Handle]]:
    """Bind them, if any network leads out. The caller closes the handles. Raises SystemFailure in Docker's words."""
    requests = requests_for(catalog, placement.attachment)
    if not placement.target():
        unheard = f"no port is published: {placement.attachment.name} is in no network that leads out"
        return replace(placement, warnings=(unheard,) if requests and placement.endpoints else ()), []
    try:
        held = reserve.reserve(requests)
    except SystemFailure as error:
        way = placement.way_out(4) or placement.way_out(6)
        assert way is not None  # target() is its address
        where = f"{placement.attachment.name} ({way.id})"
        words = f"driver failed programming external connectivity on endpoint {where}: {error.message}"
        raise SystemFailure(words) from error
    target = placement.target()
    handles = [Handle(published.protocol, bound.detach(), target, published.port) for published, bound in held]
    return replace(placement, published=tuple(published for published, _ in held)), handles
