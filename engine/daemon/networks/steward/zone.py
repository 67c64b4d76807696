"""Who is called what, in which network, and who may know it. Pure; changed whole, a container at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any


@dataclass(frozen=True, slots=True)
class Member:
    """A container in a network: all its names there, the first of them its own; its packed addresses."""

    network: str
    network_name: str
    names: tuple[str, ...]
    addresses: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Resident:
    """A container. `links`: alias → name, for it alone. `upstreams` None: the host's. `forwards`: it may ask out."""

    id: str
    members: tuple[Member, ...]
    links: Mapping[str, str] = field(default_factory=dict)
    upstreams: tuple[str, ...] | None = None
    forwards: bool = True
    # `options ndots:` was asked for: a name without a dot is then never asked upstream.
    single_labels_stay: bool = False


def resident_of(record: Mapping[str, Any]) -> Resident:
    """From the channel's JSON. Raises ValueError, KeyError, TypeError for nonsense."""
    members = tuple(
        Member(
            member["network"],
            member["network_name"],
            tuple(name.lower() for name in member["names"]),
            tuple(ip_address(text).packed for text in member["addresses"]),
        )
        for member in record["members"]
    )
    upstreams = record.get("upstreams")
    return Resident(
        record["id"],
        members,
        {alias.lower(): name.lower() for alias, name in (record.get("links") or {}).items()},
        None if upstreams is None else tuple(upstreams),
        bool(record.get("forwards", True)),
        bool(record.get("single_labels_stay", False)),
    )


class Zone:
    def __init__(self) -> None:
        self.residents: dict[str, Resident] = {}
        # network → name → container → addresses
        self._names: dict[str, dict[str, dict[str, tuple[bytes, ...]]]] = {}
        # network → address → "name.network"
        self._addresses: dict[str, dict[bytes, str]] = {}

    def put(self, resident: Resident) -> None:
        self.drop(resident.id)
        self.residents[resident.id] = resident
        for member in resident.members:
            names = self._names.setdefault(member.network, {})
            for name in member.names:
                names.setdefault(name, {})[resident.id] = member.addresses
            addresses = self._addresses.setdefault(member.network, {})
            for address in member.addresses:
                if member.names:
                    addresses[address] = f"{member.names[0]}.{member.network_name}"

    def drop(self, id: str) -> None:
        resident = self.residents.pop(id, None)
        for member in resident.members if resident is not None else ():
            names = self._names[member.network]
            for name in member.names:
                owners = names.get(name, {})
                owners.pop(id, None)
                if not owners:
                    names.pop(name, None)
            addresses = self._addresses[member.network]
            own = {f"{member.names[0]}.{member.network_name}"} if member.names else set()
            for address in member.addresses:
                # The address may be another's by now.
                if addresses.get(address) in own:
                    del addresses[address]
            if not names:
                self._names.pop(member.network, None)
                self._addresses.pop(member.network, None)

    def look_up(self, asker: Resident, name: str) -> Sequence[bytes] | None:
        """Every address of the name as `asker` sees it; None for a name that is nobody's."""
        linked = asker.links.get(name)
        if linked is not None and (found := self._named(asker.members, linked)) is not None:
            return found
        found = self._named(asker.members, name)
        if found is None and "." in name:
            # "web.shop_default": a name and the network in which it is looked for
            for member in asker.members:
                if name.endswith(suffix := f".{member.network_name.lower()}"):
                    return self._named((member,), name.removesuffix(suffix))
        return found

    def _named(self, members: Iterable[Member], name: str) -> list[bytes] | None:
        found: list[bytes] = []
        known = False
        for member in members:
            owners = self._names.get(member.network, {}).get(name)
            if owners is not None:
                known = True
                for addresses in owners.values():
                    found += addresses
        return found if known else None

    def reverse(self, asker: Resident, address: bytes) -> str | None:
        for member in asker.members:
            if (name := self._addresses.get(member.network, {}).get(address)) is not None:
                return name
        return None
