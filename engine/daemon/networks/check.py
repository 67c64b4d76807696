"""Networks: links and records without an endpoint, bridges and endpoints without their links, the firewall's table.

Containers' network namespaces have no name and no file: they end with their processes, and none can be left.
"""

from __future__ import annotations

from functools import partial

from anyio import to_thread

from engine.daemon.checking import Finding, in_thread
from engine.daemon.networks.infrastructure import Infrastructure
from engine.daemon.networks.kernel import bridges
from engine.daemon.networks.network import Network
from engine.daemon.networks.room import NetworkRoom


async def network_findings(room: NetworkRoom, infrastructure: Infrastructure) -> list[Finding]:
    group = infrastructure.group
    await infrastructure.departures.settled()
    there = set(await to_thread.run_sync(bridges.of_group, group))
    links, networks = room.placements.links(), [network for network in room.catalog if network.is_bridge]
    known = links.keys() | set(room.placements.leaving()) | {network.bridge for network in networks}
    found = []
    for name in sorted(there - known):
        remove = in_thread(bridges.remove, name, group)
        found.append(Finding("link", name, "no network and no container has this interface", "remove it", remove))
    for network in room.catalog.unrecorded():
        again = in_thread(room.catalog.record_again, network)
        found.append(Finding("network", network.name, "its record is gone", "write the record again", again))
    for network in networks:
        if (network.user_defined or infrastructure.is_open(network)) and not await is_there(network):
            opened = partial(room.open_again, network)
            fault = f"the bridge of the network {network.name} is gone"
            found.append(Finding("link", network.bridge, fault, "make it, and connect its containers again", opened))
    for name in sorted(room.placements.links(settled=True).keys() - there):
        container, network_id = room.placements.links()[name]
        fault = f"the interface of the container {container[:12]} is gone"
        found.append(Finding("link", name, fault, "make it again", partial(room.wire_again, container, network_id)))
    for path in await to_thread.run_sync(room.placements.strays):
        remove_record = in_thread(path.unlink, True)
        found.append(Finding("network", str(path), "a record of no container that runs", "remove it", remove_record))
    for words in await infrastructure.wall.faults():
        name = f"inet {infrastructure.table}"
        found.append(Finding("firewall", name, words, "load the table anew", infrastructure.wall.renew))
    return found + await steward_findings(room)


async def steward_findings(room: NetworkRoom) -> list[Finding]:
    """What the process that answers look-ups and holds ports has, against what it should have."""
    steward = room.stewardship
    # Asked first: who came since is settled, or not looked for.
    missing, strays = await steward.missing(), await steward.strays()
    settled = {container for container, _ in room.placements.links(settled=True).values()}
    found = []
    for id in sorted(strays - room.placements.keys()):
        fault = "its look-ups and ports are held, and it doesn't run"
        found.append(Finding("steward", id, fault, "let go of them", partial(steward.end, id)))
    for id in sorted(missing & settled):
        fault = "nobody holds its look-ups and ports"
        found.append(Finding("steward", id, fault, "open them again", steward.feed))
    return found


async def is_there(network: Network) -> bool:
    """Somebody else's bridge, too: the user may have named one."""
    return await to_thread.run_sync(bridges.is_there, network.bridge)
