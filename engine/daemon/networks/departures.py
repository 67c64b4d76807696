"""Bridges on their way out. The kernel takes 30 to 60 ms for one: nobody is kept waiting who doesn't have to be.

They go one after another, in a thread of their own. Who makes a bridge, looks for a free subnet or looks for strays
waits until all are gone. A daemon killed meanwhile finds them as strays at its next start.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from engine.daemon.networks.kernel import bridges


class Departures:
    def __init__(self, group: int) -> None:
        """`group` marks the links that are ours."""
        self._group = group
        self._hands = ThreadPoolExecutor(1, thread_name_prefix="bridges")
        self._going: deque[tuple[str, Future[None]]] = deque()

    def begin(self, bridge: str) -> None:
        """The bridge's removal, if it is one of ours, begins."""
        self._going.append((bridge, self._hands.submit(bridges.remove, bridge, self._group)))

    async def settled(self) -> None:
        """Return when all are gone. One that the kernel keeps is said, and stays a stray."""
        while self._going:
            bridge, future = self._going[0]
            await asyncio.wait([asyncio.wrap_future(future)])
            if self._going and self._going[0][1] is future:
                self._going.popleft()
                if fault := future.exception():
                    print(f"rorqual: networks: the bridge {bridge} stays: {fault}", file=sys.stderr, flush=True)

    async def close(self) -> None:
        await self.settled()
        self._hands.shutdown(wait=False)
