"""What an engine can do, as a value that the planner is handed: it decides between `~` and `-/+` by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["docker", "podman", "rorqual"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`api_version` is the negotiated one. Each bool says that the call or key works, not that it is accepted."""

    engine: Kind
    engine_id: str
    engine_name: str
    version: str
    api_version: tuple[int, int]
    container_update: bool
    distribution: bool
    buildkit: bool
    network_mac: bool
    many_networks_at_create: bool
    start_interval: bool
    volume_subpath: bool
    image_mounts: bool
    stop_signal_at_stop: bool
    cgroup_version: Literal[1, 2]
    swarm_active: bool
    rootless: bool
    # Build requests may carry secrets, agents and named contexts (docs/build.md).
    build_extension: bool = False
    # … and contexts that the engine fetches by their URLs.
    build_remotes: bool = False
    # … and caches at registries.
    build_caches: bool = False

    @property
    def annotations(self) -> bool:
        return self.api_version >= (1, 43)

    @property
    def faithful_inspect(self) -> bool:
        """Whether a container's inspect repeats what was asked at create; Podman adds to it and rewrites it."""
        return self.engine != "podman"
