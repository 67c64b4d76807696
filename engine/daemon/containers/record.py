"""Container: what is known of one, as it is kept in the store. Times are nanoseconds since the epoch, 0 for never."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from engine.api.container_config import ContainerConfig, HostConfig
from engine.api.networks import EndpointSettings
from engine.daemon.containers.phase import Phase


@dataclass(slots=True)
class MountRecord:
    """One mount that the user or the image asked for.

    `source` is a path on the host, of an image the ChainID that its name meant when the container was made; empty for
    a tmpfs.
    """

    kind: str  # bind, volume, tmpfs, image
    destination: str
    source: str = ""
    name: str = ""  # the volume's, or the image's
    driver: str = ""
    mode: str = ""
    read_only: bool = False
    propagation: str = ""
    recursive: bool = True
    subpath: str = ""
    no_copy: bool = False
    # The volume was made for this container and has no name of the user's: `rm -v` takes it.
    anonymous: bool = False
    options: list[str] = field(default_factory=list)
    # From HostConfig.Mounts and not Binds: a missing source is a fault, not a folder to make.
    strict: bool = False
    create_source: bool = False
    label: str = ""


@dataclass(slots=True)
class Probe:
    """One run of a health check."""

    start: int
    end: int
    code: int
    output: str


@dataclass(slots=True)
class HealthRecord:
    status: str = "starting"
    streak: int = 0
    log: list[Probe] = field(default_factory=list)


@dataclass(slots=True)
class Container:
    id: str
    name: str
    created: int
    image: str
    config: ContainerConfig
    host: HostConfig
    endpoints: dict[str, EndpointSettings] = field(default_factory=dict)
    mounts: list[MountRecord] = field(default_factory=list)
    phase: Phase = Phase.CREATED
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started: int = 0
    finished: int = 0
    restarts: int = 0
    # Stopped by the user: "unless-stopped" and "always" then wait for the user too.
    stopped_by_user: bool = False
    health: HealthRecord | None = None
    platform: str = "linux"
    # Made for a step of a build: gone with the build, and with the daemon that ran it.
    step: bool = False

    @property
    def command(self) -> list[str]:
        return [*(self.config.get("Entrypoint") or []), *(self.config.get("Cmd") or [])]

    @property
    def tty(self) -> bool:
        return bool(self.config.get("Tty"))

    @property
    def labels(self) -> dict[str, str]:
        return self.config.get("Labels") or {}

    @property
    def network_mode(self) -> str:
        mode = self.host.get("NetworkMode") or "default"
        return "bridge" if mode == "default" else mode

    def to_json(self) -> dict[str, Any]:
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        found["phase"] = self.phase.value
        found["mounts"] = [asdict(mount) for mount in self.mounts]
        found["health"] = asdict(self.health) if self.health is not None else None
        return found

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Container:
        """Raises KeyError, TypeError, ValueError for a record that is none."""
        made = dict(found)
        made["phase"] = Phase(made["phase"])
        made["mounts"] = [MountRecord(**mount) for mount in made["mounts"]]
        if made.get("health") is not None:
            made["health"] = HealthRecord(**{**made["health"], "log": [Probe(**p) for p in made["health"]["log"]]})
        return cls(**made)
