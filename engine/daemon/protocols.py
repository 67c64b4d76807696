"""What the daemon's rooms may ask of each other. app.py hands each room the protocols that it needs, nothing more.

Pure: shapes and signatures, no code that acts. Faults are those of engine.api.errors, with the words that the user
reads. A method without `async` doesn't block: it may be called on the event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from engine.api.container_config import ContainerConfig
from engine.api.containers import ContainerSummary, FilesystemChange
from engine.api.networks import EndpointSettings
from engine.api.system import Event
from engine.api.volumes import VolumeCreate, VolumeInspect, VolumesPruned

Json = Any
# A filter's name → its values, any of which may match: what engine.daemon.server.query makes of `?filters=`.
Filters = Mapping[str, Sequence[str]]
USUAL_ROOT = "/var/lib/rorqual"
MONITORS = "monitors"


@dataclass(frozen=True, slots=True)
class Places:
    """Where a daemon lives: `root` stays over a reboot, `run` (a tmpfs) does not. Rooms make folders of their own."""

    root: Path
    run: Path
    socket: Path

    @property
    def mark(self) -> str:
        """In the names of what daemons on one machine must not share; empty for the usual root. 12 hex digits."""
        root = str(self.root.resolve())
        return "" if root == USUAL_ROOT else sha256(root.encode()).hexdigest()[:12]

    @property
    def cgroup(self) -> str:
        """The parent of this daemon's cgroups, in every hierarchy."""
        return f"/rorqual-{self.mark}" if self.mark else "/rorqual"

    @property
    def monitors_cgroup(self) -> str:
        """Of what must outlive the daemon's own cgroup, should it have one."""
        return f"{self.cgroup}/{MONITORS}"


# --- store ---------------------------------------------------------------------------------------------------------
class Store(Protocol):
    """Records by kind and id; each is on its way to the disk, whole and in order, when a call returns.

    A killed daemon loses nothing; a machine that loses power may lose the last moments, never the order.
    """

    def put(self, kind: str, id: str, record: Json) -> None: ...

    def get(self, kind: str, id: str) -> Json | None: ...

    def list(self, kind: str) -> dict[str, Json]: ...

    def delete(self, kind: str, id: str) -> None:
        """Take the record away; none is no fault."""

    def transaction(self) -> AbstractContextManager[None]:
        """All the writes within, or none. Hold it for moments only, never over an await."""


# --- events --------------------------------------------------------------------------------------------------------
class Events(Protocol):
    def publish(self, kind: str, action: str, id: str, attributes: Mapping[str, str] | None = None) -> None:
        """Tell everybody. `kind` is the API's Type (container, image, network, volume, daemon)."""

    def subscribe(
        self, filters: Filters | None = None, *, since: float | None = None, until: float | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Events from `since` (kept ones), then as they come, up to `until`. Nothing after entry is missed."""


# --- images and snapshots ------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ImageRecord:
    """`config` is the `config` of the image's JSON, `document` all of it; `chain_ids` go from the base to the top."""

    id: str
    names: tuple[str, ...]
    digests: tuple[str, ...]
    config: ContainerConfig
    document: Mapping[str, Json]
    diff_ids: tuple[str, ...]
    chain_ids: tuple[str, ...]
    size: int
    # What loading and committing remember of the layers' sizes, base first.
    layer_sizes: tuple[int, ...] = ()
    parent: str = ""
    comment: str = ""
    tagged_at: float = 0.0

    @property
    def top(self) -> str | None:
        """The ChainID to give to Snapshots.prepare; None for an image without layers."""
        return self.chain_ids[-1] if self.chain_ids else None


class Images(Protocol):
    def find(self, reference: str) -> ImageRecord | None:
        """By name:tag, name@digest, id, or the beginning of an id. Raises Conflict where that fits several."""

    def get(self, reference: str) -> ImageRecord:
        """As `find`; NotFound in Docker's words ("No such image: …") for none."""

    async def commit(
        self,
        *,
        parent: ImageRecord | None,
        snapshot: str,
        config: ContainerConfig,
        repository: str | None = None,
        tag: str | None = None,
        comment: str = "",
        author: str = "",
        created_by: str = "",
        container: str = "",
        made_in: ContainerConfig | None = None,
    ) -> str:
        """An image of the parent's layers and what the snapshot `snapshot` (a container's key) changed → its id.

        `config` is the whole new config, with `changes` applied by the caller; `made_in` is the container's own.
        """


@dataclass(frozen=True, slots=True)
class RootMount:
    """The overlay that a snapshot is. `lower` goes from the top to the base: the order that overlayfs wants.

    `folder` + `short` are for mount(2)'s 4 KiB: with `folder` as the working directory, `short` names the same
    folders in a few bytes each. engine.kit.mounts.mount_overlay does it all, with fsconfig where the kernel has it.
    """

    lower: tuple[Path, ...]
    upper: Path
    work: Path
    folder: Path
    short: tuple[str, ...]


class Snapshots(Protocol):
    """Layers by ChainID, read-only; and over them one writable snapshot for each container's key."""

    async def prepare(self, key: str, parent: str | None) -> None:
        """A writable snapshot over `parent`'s layers. Raises Conflict when `key` has one."""

    def lower_of(self, parent: str) -> tuple[Path, ...]:
        """The folders of a chain, from the top down; "" is an image without layers. Raises NotFound."""

    def root_mount(self, key: str) -> RootMount:
        """How to mount it (the runtime does, inside the container's mount namespace). Raises NotFound."""

    def mounted(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Mounted for the time of the block, where the daemon itself must look in (cp, commit, export, copy-up)."""

    def view(self, parent: str) -> AbstractAsyncContextManager[Path]:
        """A layer chain, read-only, for the time of the block (an image mount, copy-up without a container)."""

    async def remove(self, key: str) -> None:
        """Idempotent: a snapshot that is not there is no fault."""

    async def usage(self, key: str) -> int:
        """Bytes in the writable layer."""

    async def changes(self, key: str) -> list[FilesystemChange]: ...

    def diff_tar(self, key: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The writable layer as an OCI layer (whiteouts and all)."""

    def keys(self) -> Collection[str]:
        """Every writable snapshot: what has no container after a crash must be removed by who owns containers."""


# --- volumes -------------------------------------------------------------------------------------------------------
class Volumes(Protocol):
    async def create(self, body: VolumeCreate) -> VolumeInspect:
        """By name, again the same one. No name: an anonymous one (label com.docker.volume.anonymous)."""

    def get(self, name: str) -> VolumeInspect:
        """Raises NotFound."""

    def held(self) -> list[tuple[str, str]]:
        """(volume, container) of each hold."""

    def list(self, filters: Filters | None = None) -> list[VolumeInspect]: ...

    async def remove(self, name: str, *, force: bool = False) -> None:
        """Raises Conflict while a container holds it, NotFound (not with force)."""

    async def prune(self, filters: Filters | None = None, *, all: bool = False) -> VolumesPruned: ...

    async def acquire(self, name: str, container: str) -> Path:
        """Hold it for a container (create to remove): it can't be removed. Mounts what must be; → its path."""

    async def release(self, name: str, container: str) -> None: ...

    async def path_of(self, name: str) -> Path:
        """Its folder, mounted if the driver options say so. At each start: mounts don't live over a reboot."""

    async def copy_up(self, name: str, root: Path, path: str) -> None:
        """Fill an empty volume from a folder of the image, owner and mode of the folder too; else do nothing.

        `root` is the image's file system, `path` a path in it: links on the way are followed within `root` alone.
        """


# --- networks ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Attachment:
    """What a container wants of its networks. `endpoints`: network name or id → what create or connect said."""

    container: str
    name: str
    hostname: str
    domainname: str = ""
    endpoints: Mapping[str, EndpointSettings] = field(default_factory=dict)
    # "80/tcp" → [{"HostIp", "HostPort"}], as HostConfig.PortBindings has it; `exposed` for --publish-all.
    bindings: Mapping[str, Sequence[Mapping[str, str]] | None] = field(default_factory=dict)
    exposed: Collection[str] = ()
    publish_all: bool = False
    dns: Sequence[str] = ()
    dns_options: Sequence[str] = ()
    dns_search: Sequence[str] = ()
    extra_hosts: Sequence[str] = ()
    links: Sequence[str] = ()
    mac_address: str = ""


@dataclass(frozen=True, slots=True)
class Attached:
    """`endpoints` as inspect shows them under NetworkSettings.Networks; `ports` as under NetworkSettings.Ports."""

    endpoints: Mapping[str, EndpointSettings]
    ports: Mapping[str, Sequence[Mapping[str, str]] | None]
    files: Mapping[str, bytes]  # "resolv.conf", "hosts"
    warnings: tuple[str, ...] = ()


class Networks(Protocol):
    """`netns` is the path of the container's network namespace; B makes it before attach, and it goes with it."""

    def check(self, attachment: Attachment) -> None:
        """At container create: NotFound for an unknown network, InvalidArgument for what can't be meant."""

    async def attach(self, attachment: Attachment, netns: Path) -> Attached:
        """At start. Atomic: on a fault nothing stays. Raises Conflict or SystemFailure for a port in use."""

    async def detach(self, container: str) -> None:
        """At the end of the process: addresses and ports are free again. Idempotent."""

    async def connect(self, network: str, attachment: Attachment, netns: Path | None) -> EndpointSettings:
        """`docker network connect`; netns None: it doesn't run, and the endpoint is its owner's to keep."""

    async def disconnect(self, network: str, container: str) -> None: ...

    async def relink(self, container: str, links: Sequence[str]) -> None:
        """The container's links are these now; its hosts file follows while it runs."""

    def attached(self, container: str) -> Attached | None:
        """What a running container has now."""

    def host_files(self, attachment: Attachment) -> Mapping[str, bytes]:
        """resolv.conf and hosts for network mode host and none."""

    async def rename(self, container: str, name: str) -> None: ...

    async def recover(self, alive: Mapping[str, Path]) -> None:
        """After a daemon's start: container → netns of those that run; everything else of ours is taken away."""

    def name_of(self, network: str) -> str | None:
        """The name for a name, id or beginning of an id; None for none."""


# --- containers, as the rooms beside and below see them -------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ContainerUse:
    """A container as a user of an image, volume or network."""

    id: str
    name: str
    image: str  # the image's id
    running: bool


class Containers(Protocol):
    """B's room as others see it. Handed down through `Users` so that no room looks up."""

    def uses(self) -> Iterable[ContainerUse]: ...

    def summaries(self, *, size: bool = False) -> list[ContainerSummary]:
        """All of them, as GET /containers/json?all=1 shows them: for /system/df."""

    def counts(self) -> Mapping[str, int]:
        """How many are "running", "paused", "stopped": for /info."""

    async def connect_network(self, network: str, container: str, endpoint: EndpointSettings) -> None:
        """POST /networks/{id}/connect: the container's room holds the endpoint, networks carries it out."""

    async def disconnect_network(self, network: str, container: str) -> None: ...


# What a step writes, as it comes: (True for standard error, bytes).
Heard = Callable[[bool, bytes], Awaitable[None]]


class Step(Protocol):
    """A container made for one step of a build. `id` is its snapshot's key too."""

    @property
    def id(self) -> str: ...

    async def run(self, heard: Heard) -> int:
        """To its end → the exit code; nothing of the process is left then. Raises what a start raises."""

    def keep(self) -> None:
        """It is a container like others from now on: not removed at the end of the block."""


class Steps(Protocol):
    """Containers for the steps of builds: made over layers that need be no image, gone at the end of the block."""

    def step(
        self, base: ImageRecord, config: ContainerConfig, host: Mapping[str, Json]
    ) -> AbstractAsyncContextManager[Step]:
        """`config` is the whole configuration, `host` as a create's HostConfig. Raises what a create raises.

        One that a killed daemon leaves is removed at the next start.
        """


class Users:
    """Who uses images, volumes and networks: empty until the containers' room is open. app.py makes and fills it."""

    def __init__(self) -> None:
        self.containers: Containers | None = None

    def of_image(self, image: str) -> list[ContainerUse]:
        return [use for use in self.containers.uses() if use.image == image] if self.containers is not None else []
