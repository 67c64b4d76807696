"""kill -9 in the middle of attaches and detaches, again and again: afterwards all is as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time

import anyio
import pytest

from engine.daemon.networks.kernel import links
from engine.daemon.networks.kernel.netlink import Netlink
from engine.daemon.networks.opening import OpenNetworks, identity_of
from tests.engine.daemon.networks.churn import name_of
from tests.engine.daemon.networks.netns import LOOK_UP, Box, Host, id_of, shell

pytestmark = pytest.mark.root
ROUNDS, SEED, BOXES = 6, 20260101, 9


def test_no_link_rule_port_name_or_record_is_lost_or_left_over(host: Host) -> None:
    choose = random.Random(SEED)

    async def begin() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})

    anyio.run(begin)
    living: dict[int, Box] = {}
    for round_ in range(ROUNDS):
        while len(host.boxes) < BOXES:
            box = host.box()
            living[box.process.pid] = box
        attached, unsure = churned(host, list(living), round_, seconds=choose.uniform(0.05, 1.2))
        for pid in unsure:
            # Its start or stop was under way: the containers' room ends such a one.
            living[pid].end()
            host.boxes.remove(living.pop(pid))
        anyio.run(check, host, {pid: living[pid] for pid in attached - unsure})


def churned(host: Host, pids: list[int], seed: int, *, seconds: float) -> tuple[set[int], set[int]]:
    """Who is attached, and who was being attached or detached, when the process was killed."""
    command = [sys.executable, "-m", "tests.engine.daemon.networks.churn", str(host.places.root.parent), str(seed)]
    process = subprocess.Popen([*command, *map(str, pids)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [process.stdout.readline()]
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    said += process.communicate()[0].splitlines()
    folder = host.places.run / "networks" / "containers"
    attached, under_way = {pid for pid in pids if (folder / f"{id_of(name_of(pid))}.json").exists()}, set()
    for line in said:
        what, _, number = line.partition(" ")
        pid = int(number)
        if what == "begin":
            under_way.add(pid)
        else:
            under_way.discard(pid)
    return attached, under_way


async def check(host: Host, alive: dict[int, Box]) -> None:
    async with host.open({id_of(name_of(pid)): box.netns for pid, box in alive.items()}) as networks:
        names = {id_of(name_of(pid)) for pid in alive}
        assert {path.stem for path in (host.places.run / "networks" / "containers").iterdir()} == names
        assert await networks.steward.held() == names
        await check_kernel(host, networks, names)
        addresses = [address_of(networks, name) for name in names]
        assert len(set(addresses)) == len(addresses)
        for pid, box in alive.items():
            address = address_of(networks, id_of(name_of(pid)))
            assert f"inet {address}/" in box.run(["ip", "addr", "show", "eth0"]).stdout
            assert box.python(LOOK_UP, f"{name_of(pid)}/1") == f"{name_of(pid)} 0 {address}"


async def check_kernel(host: Host, networks: OpenNetworks, names: set[str]) -> None:
    """One link of ours a container, the bridge, and one element of the map a published port."""
    group = identity_of(host.places).group
    with Netlink() as netlink:
        ours = [link for link in links.all_links(netlink) if link.group == group]
    assert sum(link.kind == "veth" for link in ours) == len(names)
    assert sum(link.kind == "bridge" for link in ours) == 1
    table = identity_of(host.places).table
    rules = json.loads(shell(f"nft -j list map inet {table} any4"))
    elements = next(one["map"].get("elem", []) for one in rules["nftables"] if "map" in one)
    living = [found for name in names if (found := networks.room.attached(name)) is not None]
    assert len(living) == len(names)
    assert len(elements) == sum(bool(found.ports.get("80/tcp")) for found in living)


def address_of(networks: OpenNetworks, name: str) -> str:
    found = networks.room.attached(name)
    assert found is not None
    return found.endpoints["shop"]["IPAddress"]
