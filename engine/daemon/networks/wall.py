"""The firewall's state as we want it, and its way into the kernel: a change at a time, all anew when one is refused.

Somebody may flush our table; the next change, or `mend`, brings it back whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import anyio
import anyio.to_thread

from engine.api.errors import Unavailable
from engine.daemon.networks import rules
from engine.daemon.networks.kernel import nft
from engine.daemon.networks.kernel.nft import NftError
from engine.daemon.networks.rules import BridgeRules, Forward


class Wall:
    """Nothing of it is in the kernel before the first bridge is opened."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._bridges: dict[str, BridgeRules] = {}
        self._forwards: dict[str, Sequence[Forward]] = {}
        # Bridges of another engine's.
        self._others: frozenset[str] = frozenset()
        # Commands that aren't in the kernel yet, in their order.
        self._waiting: list[str] = []
        self._loaded = False
        self._turn = anyio.Lock()

    async def restore(self, bridges: Iterable[BridgeRules], forwards: Mapping[str, Sequence[Forward]]) -> None:
        """After a daemon's start: this is all there is."""
        async with self._turn:
            self._bridges = {bridge.bridge: bridge for bridge in bridges}
            self._forwards = {container: found for container, found in forwards.items() if found}
            if self._bridges:
                await self._load()

    async def open_bridge(self, bridge: BridgeRules) -> None:
        known = self._bridges.get(bridge.bridge)
        self._bridges[bridge.bridge] = bridge
        if known is not None and known != bridge:
            self._queue("delete", rules.bridge_elements(known))
        if known != bridge:
            self._queue("add", rules.bridge_elements(bridge))
        await self._flush()

    async def close_bridge(self, name: str) -> None:
        known = self._bridges.pop(name, None)
        if known is not None:
            self._queue("delete", rules.bridge_elements(known))
            await self._flush()

    async def publish(self, container: str, forwards: Sequence[Forward]) -> None:
        """The container's published ports are these, in one transaction; none takes them away."""
        known = self._forwards.pop(container, ())
        if forwards:
            self._forwards[container] = forwards
        old, new = rules.forward_elements(known), rules.forward_elements(forwards)
        self._queue("delete", [element for element in old if element not in new])
        self._queue("add", [element for element in new if element not in old])
        if old != new:
            await self._flush()

    async def keep_apart(self, others: frozenset[str]) -> None:
        """The other engine's bridges are these."""
        gone, come = self._others - others, others - self._others
        self._others = others
        self._queue("delete", rules.other_elements(gone))
        self._queue("add", rules.other_elements(come))
        if gone or come:
            await self._flush()

    def _queue(self, verb: str, elements: list[tuple[str, str]]) -> None:
        if elements:
            self._waiting.append(rules.change(self._table, verb, elements))

    async def _flush(self) -> None:
        """What waits goes in one transaction: taking an element away makes the kernel wait, once for all of them."""
        async with self._turn:
            commands, self._waiting = self._waiting, []
            if not self._loaded:
                await self._load()
                return
            if not commands:
                return
            try:
                await anyio.to_thread.run_sync(nft.run, "\n".join(commands) + "\n")
            except NftError:
                await self._load()

    async def _load(self) -> None:
        self._waiting = []
        forwards = [forward for found in self._forwards.values() for forward in found]
        text = rules.whole(self._table, self._bridges.values(), forwards, self._others)
        await anyio.to_thread.run_sync(nft.run, text)
        self._loaded = True

    async def take_down(self) -> bool:
        """No table of ours any more; → whether there was one. It may be of a daemon before us."""
        async with self._turn:
            self._bridges, self._forwards, self._others, self._waiting = {}, {}, frozenset(), []
            self._loaded = False
            try:
                there = await anyio.to_thread.run_sync(self._present)
            except Unavailable:
                return False  # without the library nothing of ours was ever made
            if there:
                await anyio.to_thread.run_sync(nft.run, f"delete table inet {self._table}\n")
            return there

    async def mend(self) -> bool:
        """Bring the table back if somebody took it away; → whether that was so."""
        async with self._turn:
            if not self._loaded or await anyio.to_thread.run_sync(self._present):
                return False
            await self._load()
            return True

    def _present(self) -> bool:
        tables = [found["table"]["name"] for found in nft.query("list tables inet") if "table" in found]
        return self._table in tables

    async def faults(self) -> list[str]:
        """How what the kernel has differs from what we want, in words; nothing before the first bridge."""
        async with self._turn:
            if not self._loaded or self._waiting:
                return []
            if not await anyio.to_thread.run_sync(self._present):
                return ["it is gone"]
            there = await anyio.to_thread.run_sync(nft.query, f"list table inet {self._table}")
            forwards = [forward for found in self._forwards.values() for forward in found]
            wanted = [element for bridge in self._bridges.values() for element in rules.bridge_elements(bridge)]
            wanted += [*rules.forward_elements(forwards), *rules.other_elements(self._others)]
            return rules.differences(there, wanted)

    async def renew(self) -> None:
        """Everything anew, in place of what the table holds."""
        async with self._turn:
            await self._load()

    @property
    def bridges(self) -> list[str]:
        return list(self._bridges)
