"""Finding out what an engine can do: from what it says of itself, and by asking it for what it doesn't say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.api.capabilities import Capabilities, Kind
from engine.api.errors import EngineError, NotFound, NotImplementedByEngine
from engine.client.calls import Calls

if TYPE_CHECKING:
    # For annotations only, as in the rooms.
    from engine.api.system import Info, Ping, Version

# No container or image has this name; a route that is there says so in its own words.
NOBODY = "rorqual-asks-whether-this-call-is-served"


def kind_of(version: Version) -> Kind:
    names = " ".join(component.get("Name", "") for component in version.get("Components") or []).lower()
    return "podman" if "podman" in names else "rorqual" if "rorqual" in names else "docker"


def extends(version: Version, extension: str) -> bool:
    """Whether the engine serves one of Rorqual's own additions to the API, in the form that we know."""
    parts = version.get("Components") or []
    return any(part.get("Name") == extension and part.get("Version") == "1" for part in parts)


def reckon(
    version: Version, info: Info, ping: Ping, api: tuple[int, int], *, update: bool, distribution: bool
) -> Capabilities:
    """The capability set from what the engine said and what was tried (`update`, `distribution`)."""
    kind, name = kind_of(version), info.get("Name", "")
    # Podman says 1.41 whatever it serves, and keeps to that version's shapes: the API's version decides for it too.
    return Capabilities(
        engine=kind,
        # Podman makes up a new ID for every answer; where it keeps its containers is what stays.
        engine_id=f"podman:{name}:{info.get('DockerRootDir', '')}" if kind == "podman" else info.get("ID", ""),
        engine_name=name,
        version=version.get("Version", ""),
        api_version=api,
        container_update=update,
        distribution=distribution,
        buildkit=kind == "docker" and ping["builder"] == "2",
        network_mac=api >= (1, 44),
        many_networks_at_create=api >= (1, 44) or kind == "podman",
        start_interval=api >= (1, 44),
        volume_subpath=api >= (1, 45),
        image_mounts=api >= (1, 48),
        stop_signal_at_stop=api >= (1, 42),
        cgroup_version=2 if info.get("CgroupVersion") == "2" else 1,
        swarm_active=(info.get("Swarm") or {}).get("LocalNodeState") == "active",
        build_extension=extends(version, "rorqual-build"),
        build_caches=extends(version, "rorqual-build-caches"),
        build_remotes=extends(version, "rorqual-build-remotes"),
        rootless=any("rootless" in option for option in info.get("SecurityOptions") or []),
    )


async def serves(calls: Calls, method: str, path: str) -> bool:
    """Whether the engine has the route: one that hasn't answers 404 without naming what was asked for."""
    try:
        await calls.json(method, path, body={} if method == "POST" else None)
    except NotFound as error:
        return NOBODY in error.message
    except NotImplementedByEngine:
        return False
    except EngineError:
        return True
    return True


async def serves_update(calls: Calls) -> bool:
    return await serves(calls, "POST", f"/containers/{NOBODY}/update")


async def serves_distribution(calls: Calls) -> bool:
    return await serves(calls, "GET", f"/distribution/localhost:1/{NOBODY}/json")
