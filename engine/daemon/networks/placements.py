"""The places of every container that runs, in memory and on a tmpfs: true until a reboot, as the links are.

A record is whole or not there; one of a container that lives no more goes at the daemon's next start. Called by
`networks.room`, which alone changes it; the rooms beside it read.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import anyio

from engine.daemon.networks.endpoint import Endpoint, Placement, placement_of, record_of
from engine.kit.files import atomic_write

# So long the kernel may take to close a namespace and its interfaces; what is there afterwards is held by somebody.
LEAVING_SECONDS = 2.0


class Placements(Mapping[str, Placement]):
    """Container → its placement. What is `planned` only has no record yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Placement] = {}
        # Containers whose links are being made; and interfaces that go with their namespace, since when.
        self._unsettled: Counter[str] = Counter()
        self._leaving: dict[str, tuple[Endpoint, float]] = {}

    def __getitem__(self, container: str) -> Placement:
        return self._known[container]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def _record(self, container: str) -> Path:
        return self._folder / f"{container}.json"

    # --- changing
    def planned(self, placement: Placement) -> None:
        self._known[placement.container] = placement

    def keep(self, placement: Placement) -> None:
        self._known[placement.container] = placement
        atomic_write(self._record(placement.container), json.dumps(record_of(placement)).encode(), mode=0o600)

    def forget(self, container: str) -> bool:
        """Whether it was known. Its record goes in any case."""
        known = self._known.pop(container, None) is not None
        self._record(container).unlink(missing_ok=True)
        return known

    def read(self, alive: Mapping[str, Path]) -> None:
        """What the records say of the containers that live (→ their namespaces); the other records go."""
        self._known.clear()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._folder.iterdir():
            # A hidden one is the half of a record that was being written.
            placement = None if path.name.startswith(".") else read_record(path)
            if placement is None or placement.container not in alive:
                path.unlink(missing_ok=True)
                continue
            self._known[placement.container] = replace(placement, netns=str(alive[placement.container]))

    @contextmanager
    def unsettled(self, container: str) -> Iterator[None]:
        """Its links are being made: a check looks for them later."""
        self._unsettled[container] += 1
        try:
            yield
        finally:
            self._unsettled[container] -= 1

    def leave(self, endpoints: Iterable[Endpoint]) -> None:
        """Their interfaces go with the container's namespace, which the kernel closes when it comes to it."""
        now = anyio.current_time()
        self._leaving.update({one.link: (one, now) for one in endpoints if one.link})

    def left(self, links: Iterable[str]) -> None:
        """These interfaces are gone, or dumb."""
        for link in links:
            self._leaving.pop(link, None)

    # --- looking
    def in_network(self, network: str) -> dict[str, tuple[str, Endpoint]]:
        """Container → its name and its endpoint in the network (an id)."""
        found = {}
        for id, placement in self._known.items():
            if (endpoint := placement.in_network(network)) is not None:
                found[id] = placement.attachment.name, endpoint
        return found

    def leaving(self) -> list[str]:
        """Interfaces of containers that ended just now."""
        return list(self._leaving)

    def lingering(self) -> list[str]:
        """Those that the kernel should have taken away by now: somebody else is in the namespace."""
        since = anyio.current_time() - LEAVING_SECONDS
        return [link for link, (_, began) in self._leaving.items() if began < since]

    def in_the_way(self, endpoints: Iterable[Endpoint]) -> list[str]:
        """Interfaces that may still answer for an address that these endpoints have now."""
        taken = {(one.network, address) for one in endpoints for address in one.addresses}
        return [
            link
            for link, (before, _) in self._leaving.items()
            if any((before.network, address) in taken for address in before.addresses)
        ]

    def links(self, *, settled: bool = False) -> dict[str, tuple[str, str]]:
        """Interface on the host → whose it is, in which network (ids). `settled`: without those being made."""
        self._unsettled += Counter()
        placements = [one for id, one in self._known.items() if not settled or id not in self._unsettled]
        return {
            one.link: (placement.container, one.network)
            for placement in placements
            for one in placement.endpoints
            if one.link
        }

    def strays(self) -> list[Path]:
        """Records of containers that don't run."""
        known = {self._record(container).name for container in self._known}
        return [path for path in self._folder.glob("*.json") if path.name not in known]


def read_record(path: Path) -> Placement | None:
    try:
        return placement_of(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError) as error:
        words = f"rorqual: networks: {path}: not a record of a container's networks, set aside: {error}"
        print(words, file=sys.stderr, flush=True)
        return None
