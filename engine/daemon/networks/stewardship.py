"""What the steward holds for each container that runs: handed over, changed, taken back; fed anew when it died.

A steward that took another's place knows nothing: everything is fed to it as soon as that is seen, at the next change
or by `look`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from engine.api.errors import SystemFailure
from engine.daemon.networks import plan
from engine.daemon.networks.catalog import Catalog
from engine.daemon.networks.endpoint import Placement
from engine.daemon.networks.kernel import reserve, wiring
from engine.daemon.networks.ports import PortRequest
from engine.daemon.networks.steward.client import Handle, StewardClient, StewardGone
from engine.daemon.networks.steward.tenancy import NAMES_TCP, NAMES_UDP, PIDFD

PROCESS = re.compile(r"/proc/(\d+)/(?:task/\d+/)?ns/net")


class Stewardship:
    """`placements` are the room's, as they are now."""

    def __init__(self, catalog: Catalog, steward: StewardClient, placements: Mapping[str, Placement]) -> None:
        self._catalog = catalog
        self._steward = steward
        self._placements = placements
        # The steward that was fed everything: its process id.
        self._fed: int | None = None
        self._feeding = anyio.Lock()
        # Containers that end, for whoever has the next turn to tell.
        self._ending: set[str] = set()
        self._turn = anyio.Lock()

    async def close(self) -> None:
        """The daemon ends. For containers that run the steward goes on; without any it ends now."""
        if any(needs(one) for one in self._placements.values()):
            self._steward.close()
        else:
            await self._steward.end()

    async def warm(self) -> None:
        await self._steward.warm()

    # --- one container
    async def begin(self, placement: Placement, handles: list[Handle]) -> Placement:
        """The sockets of its ports (`handles`, empty afterwards) and of its look-ups become the steward's.

        The placement that is returned is another where the look-ups' port is.
        """
        if placement.resolver_port:
            placement = await open_resolver(placement, handles)
        if handles:
            given, handles[:] = [*handles, *pidfd_of(placement)], []
            try:
                await self._steward.put(self._record(placement), given)
            except StewardGone:
                self._fed = None
            await self._feed_a_new_one()
        return placement

    async def begin_names(self, placement: Placement) -> Placement:
        """It is in a user's network for the first time; its ports, if any, are with the steward already."""
        handles: list[Handle] = []
        try:
            if not placement.published:
                return await self.begin(placement, handles)
            placement = await open_resolver(placement, handles)
            given, handles = handles, []
            await self._steward.add(placement.container, given)
            await self._steward.names(self._record(placement))
        except StewardGone:
            self._fed = None
            await self._feed_a_new_one()
        finally:
            close_all(handles)
        return placement

    async def change(self, placement: Placement) -> None:
        """Its names or networks are others now."""
        if not needs(placement):
            return
        try:
            await self._steward.names(self._record(placement))
        except StewardGone:
            self._fed = None
        await self._feed_a_new_one()

    async def end(self, container: str) -> None:
        """Its look-ups and ports are given up when this returns. Many that end at once are told in one message."""
        self._ending.add(container)
        async with self._turn:
            if container not in self._ending:
                return
            ended, self._ending = self._ending, set()
            try:
                await self._steward.drop(sorted(ended))
            except SystemFailure as error:
                # A new one will know nothing of these containers.
                report(error.message)

    def _record(self, placement: Placement) -> Mapping[str, object]:
        return plan.steward_record(self._catalog, placement)

    # --- all of them
    async def recover(self) -> None:
        """After a daemon's start: one that was left behind keeps what lives, and nothing else."""
        if any(needs(one) for one in self._placements.values()) or self._steward.left_behind():
            await self.feed()

    async def look(self) -> None:
        """A steward that died is replaced."""
        if any(needs(one) for one in self._placements.values()):
            if self._steward.hung_up():
                self._fed = None
            await self._feed_a_new_one()

    async def strays(self) -> set[str]:
        """Containers whose sockets it has and that don't run; none where there is no steward."""
        if self._steward.hung_up() and not self._steward.left_behind():
            return set()
        return await self._steward.held() - self._placements.keys()

    async def missing(self) -> set[str]:
        """Containers that run and whose sockets it should have and has not."""
        needed = {id for id, placement in self._placements.items() if needs(placement)}
        return needed - await self._steward.held() if needed else set()

    async def _feed_a_new_one(self) -> None:
        if self._fed is None or self._steward.serving != self._fed:
            await self.feed()

    async def feed(self) -> None:
        """Give the steward everything that it lacks, and take from it what is no more."""
        async with self._feeding:
            held = await self._steward.held()
            serving = self._steward.serving
            if strays := held - self._placements.keys():
                await self._steward.drop(sorted(strays))
            for placement in list(self._placements.values()):
                if needs(placement) and placement.container not in held:
                    await self._feed_one(placement)
            self._fed = serving

    async def _feed_one(self, placement: Placement) -> None:
        """The sockets of one container, opened anew, and handed over. A port that was lost meanwhile is said."""
        handles: list[Handle] = []
        try:
            handles += bind_again(placement)
            if placement.resolver_port:
                placement = await open_resolver(placement, handles)
            given, handles = [*handles, *pidfd_of(placement)], []
            await self._steward.put(self._record(placement), given)
        except OSError as error:
            # Its namespace is gone: it is about to be detached.
            report(f"{placement.attachment.name}: no name server: {error}")
        finally:
            close_all(handles)


def needs(placement: Placement) -> bool:
    return bool(placement.resolver_port or placement.published)


def bind_again(placement: Placement) -> list[Handle]:
    handles = []
    for published in placement.published:
        port = published.host_port
        request = PortRequest(published.port, published.protocol, (published.address,), port, port)
        try:
            [(_, bound)] = reserve.reserve_one(request)
        except SystemFailure as error:
            report(f"{placement.attachment.name}: {error.message}")
        else:
            handles.append(Handle(published.protocol, bound.detach(), placement.target(), published.port))
    return handles


async def open_resolver(placement: Placement, handles: list[Handle]) -> Placement:
    """Adds the sockets behind 127.0.0.11 to `handles`; the placement says which port they have."""
    netns = Path(placement.netns)
    udp, tcp, port = await anyio.to_thread.run_sync(wiring.open_resolver, netns, placement.resolver_port)
    handles += [Handle(NAMES_UDP, udp.detach()), Handle(NAMES_TCP, tcp.detach())]
    return placement if port == placement.resolver_port else replace(placement, resolver_port=port)


def pidfd_of(placement: Placement) -> list[Handle]:
    """The container's process, if its namespace's path names one: the steward then knows its end by itself."""
    named = PROCESS.fullmatch(placement.netns)
    if named is None:
        return []
    try:
        return [Handle(PIDFD, os.pidfd_open(int(named[1])))]
    except OSError:
        return []


def close_all(handles: list[Handle]) -> None:
    for handle in handles:
        os.close(handle.fd)
    handles.clear()


def report(words: str) -> None:
    print(f"rorqual: networks: {words}", file=sys.stderr, flush=True)
