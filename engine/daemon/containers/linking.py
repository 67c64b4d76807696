"""What a link adds to the environment: Docker's old way for containers on the default bridge to know each other.

Source: dockerd's `links` package: NAME_PORT_80_TCP_ADDR and its like, NAME_NAME, NAME_ENV_*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.daemon.containers.record import Container
from engine.daemon.containers.rooms import Rooms

# The other container's own, which say nothing to this one.
LEFT_OUT = ("HOME", "PATH")


def link_environment(container: Container, rooms: Rooms) -> list[str]:
    """Of links on the default bridge, to containers that run now."""
    if container.network_mode not in ("default", "bridge"):
        return []
    made: list[str] = []
    for link in container.host.get("Links") or []:
        name, _, alias = link.partition(":")
        entry = rooms.shelf.find(name)
        attached = rooms.networks.attached(entry.id) if entry is not None and entry.phase.alive else None
        if entry is None or attached is None:
            continue
        address = (attached.endpoints.get("bridge") or {}).get("IPAddress") or ""
        said = f"/{container.name}/{(alias or name).rpartition('/')[2]}"
        made += link_variables(
            said, address, list(entry.container.config.get("ExposedPorts") or {}), environment(entry.container)
        )
    return made


def environment(container: Container) -> list[str]:
    return [entry for entry in container.config.get("Env") or [] if "=" in entry]


def link_variables(name: str, address: str, ports: Sequence[str], env: Sequence[str]) -> Iterator[str]:
    """`name` is /container/alias; `ports` as in ExposedPorts."""
    prefix = name.rpartition("/")[2].replace("-", "_").upper()
    ordered = sorted((port_of(port) for port in ports), key=lambda port: (port[1] != "tcp", port[0]))
    if ordered:
        yield f"{prefix}_PORT={ordered[0][1]}://{address}:{ordered[0][0]}"
    for number, kind in ordered:
        key = f"{prefix}_PORT_{number}_{kind.upper()}"
        yield f"{key}={kind}://{address}:{number}"
        yield f"{key}_ADDR={address}"
        yield f"{key}_PORT={number}"
        yield f"{key}_PROTO={kind}"
    yield f"{prefix}_NAME={name}"
    for entry in env:
        if entry.partition("=")[0] not in LEFT_OUT:
            yield f"{prefix}_ENV_{entry}"


def port_of(port: str) -> tuple[int, str]:
    number, _, kind = port.partition("/")
    return int(number.partition("-")[0]), kind or "tcp"
