"""From a create's body to a container that can be started: image, name, volumes, writable layer, record.

Write-ahead: the record is stored last; what a crash leaves before it is taken away at the daemon's next start.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from engine.api.containers import ContainerCreate, ContainerCreated
from engine.api.errors import InvalidArgument, NotFound
from engine.api.networks import EndpointSettings
from engine.daemon.containers import configuration, refusals
from engine.daemon.containers.devices import asked_devices, asked_rules
from engine.daemon.containers.limits import oom_score, resources_of, rlimits_of
from engine.daemon.containers.mount_plan import planned_mounts
from engine.daemon.containers.names import check_name
from engine.daemon.containers.record import Container, MountRecord
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.spec import security_options
from engine.daemon.protocols import ImageRecord
from engine.daemon.runtime.programs import choose_runtime, find_init
from engine.oci.platform import Platform


class Creation:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def create(
        self,
        body: ContainerCreate,
        *,
        name: str | None = None,
        platform: Platform | None = None,
        base: ImageRecord | None = None,
    ) -> ContainerCreated:
        """Raises InvalidArgument, NotFound (image, network, joined container), Conflict (name).

        `base` is what a build's step is made on, which need be no image of this machine.
        """
        rooms = self._rooms
        wanted = check_name(name) if name else None
        asked, asked_host = configuration.split_body(body)
        if not asked and not asked_host:
            raise InvalidArgument("config cannot be empty in order to create a container")
        refusals.check_config(asked)
        refusals.check_host(asked_host)
        refusals.check_together(asked, asked_host)
        image = base
        if base is None and asked.get("Image"):
            image = rooms.images.get(str(asked["Image"]))
        if image is None and not asked.get("Cmd") and not asked.get("Entrypoint"):
            raise InvalidArgument("No command specified")
        if image is None:
            raise InvalidArgument("no image is named: a container is made of an image")
        check_platform(platform, image, str(asked.get("Image")))
        config = configuration.merged_config(asked, image.config)
        runtime = rooms.runtime.preferred.name
        host = configuration.whole_host(asked_host, cgroup_version=rooms.host.cgroup_version, runtime=runtime)
        warnings = self._judge(host)
        id = secrets.token_hex(32)
        if not config.get("Hostname") and host.get("NetworkMode") != "host" and host.get("UTSMode") != "host":
            config["Hostname"] = id[:12]
        container = Container(id, "", rooms.now(), image.id, config, host, step=base is not None)
        container.endpoints = self._endpoints(body, host, config)
        self._check_joined(container)
        container.mounts = planned_mounts(config, host, self._mounts_of)
        self._check_sources(container.mounts)
        rooms.networks.check(rooms.attachment(container))
        container.name = rooms.shelf.reserve(wanted, id)
        try:
            await self._make(container, image)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._unmake(container)
            raise
        return {"Id": id, "Warnings": warnings}

    async def _make(self, container: Container, image: ImageRecord) -> None:
        rooms = self._rooms
        await rooms.snapshots.prepare(container.id, image.top)
        for mount in container.mounts:
            if mount.kind == "volume":
                await self._hold_volume(mount, container, image)
        rooms.home_of(container.id).mkdir(parents=True, mode=0o710)
        entry = rooms.shelf.put(container)
        rooms.tell(entry, "create")

    async def _hold_volume(self, mount: MountRecord, container: Container, image: ImageRecord) -> None:
        volumes = self._rooms.volumes
        options = volume_options(container.host, mount.destination)
        made = await volumes.create(
            {
                **({"Name": mount.name} if mount.name else {}),
                "Driver": mount.driver or "local",
                "DriverOpts": (options.get("DriverConfig") or {}).get("Options") or {},
                "Labels": options.get("Labels") or {},
            }
        )
        mount.name = made["Name"]
        path = await volumes.acquire(mount.name, container.id)
        mount.source = str(path)
        if mount.no_copy or mount.subpath or image.top is None:
            return
        async with self._rooms.snapshots.view(image.top) as root:
            await volumes.copy_up(mount.name, root, mount.destination)

    async def _unmake(self, container: Container) -> None:
        rooms = self._rooms
        rooms.shelf.release(container.name, container.id)
        for mount in container.mounts:
            if mount.kind == "volume" and mount.source:
                await rooms.volumes.release(mount.name, container.id)
                if mount.anonymous:
                    await rooms.volumes.remove(mount.name, force=True)
        await rooms.snapshots.remove(container.id)

    def _judge(self, host: Mapping[str, Any]) -> list[str]:
        """What this host can't do, as warnings; what can't be meant, as InvalidArgument."""
        kernel = self._rooms.host
        if host["Runtime"] not in self._rooms.runtime.available:
            choose_runtime(self._rooms.runtime.available, host["Runtime"])
        warnings = resources_of(host, kernel)[1]
        warnings += rlimits_of(host.get("Ulimits") or [], kernel)[1]
        warnings += oom_score(host.get("OomScoreAdj") or 0, kernel)[1]
        asked_devices(host.get("Devices") or [])
        asked_rules(host.get("DeviceCgroupRules") or [])
        options = security_options(host.get("SecurityOpt") or [])
        if options.get("apparmor") not in (None, "unconfined") and not kernel.apparmor:
            warnings.append(f"This kernel has no AppArmor: the profile {options['apparmor']} is not applied.")
        if host.get("DeviceRequests"):
            raise InvalidArgument(device_refusal(host["DeviceRequests"][0]))
        if host.get("Init") and find_init() is None:
            warnings.append("No init (tini or catatonit) is installed: the container runs without one.")
        if (host.get("NetworkMode") or "") == "host":
            if host.get("PortBindings"):
                warnings.append("Published ports are discarded when using host network mode")
            warnings += [
                f"The sysctl {name} is the host's in network mode host: it is not set."
                for name in host.get("Sysctls") or {}
                if name.startswith("net.")
            ]
        return warnings

    def _endpoints(
        self, body: ContainerCreate, host: Mapping[str, Any], config: Mapping[str, Any]
    ) -> dict[str, EndpointSettings]:
        """Which networks, by name: those of NetworkingConfig, and that of NetworkMode where none is named."""
        mode = host["NetworkMode"]
        if mode.startswith("container:") or config.get("NetworkDisabled"):
            return {}
        asked = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        if not isinstance(asked, dict):
            raise InvalidArgument("invalid JSON: EndpointsConfig must be an object")
        main = "bridge" if mode in ("default", "") else mode
        names = self._rooms.networks.name_of
        made: dict[str, EndpointSettings] = {}
        if main not in asked and names(main) not in {names(word) for word in asked}:
            made[names(main) or main] = {}
        for word, settings in asked.items():
            made[names(word) or word] = settings or {}
        if mode in ("host", "none") and len(made) > 1:
            raise InvalidArgument(f"conflicting options: a container in network mode {mode} can't be on other networks")
        return made

    def _check_joined(self, container: Container) -> None:
        """Containers whose namespaces it joins must be there; links too."""
        for key in ("NetworkMode", "PidMode", "IpcMode"):
            mode = str(container.host.get(key) or "")
            if mode.startswith("container:"):
                other = self._rooms.shelf.find(mode.partition(":")[2])
                if other is None and key == "NetworkMode":
                    continue  # it may come until this one starts, as a network may
                if other is None:
                    raise InvalidArgument(f"No such container: {mode.partition(':')[2]}")
                container.host[key] = f"container:{other.id}"
        for link in container.host.get("Links") or []:
            name = link.partition(":")[0]
            if self._rooms.shelf.find(name) is None:
                raise InvalidArgument(f"could not get container for {name}: No such container: {name}")

    def _mounts_of(self, word: str) -> Sequence[MountRecord]:
        """Of a container that VolumesFrom names. A 404 would say that the image is missing: clients pull then."""
        found = self._rooms.shelf.find(word)
        if found is None:
            raise InvalidArgument(f"No such container: {word}")
        return found.container.mounts

    def _check_sources(self, mounts: Sequence[MountRecord]) -> None:
        for mount in mounts:
            if mount.kind == "bind" and mount.strict and not Path(mount.source).exists():
                raise InvalidArgument(
                    f'invalid mount config for type "bind": bind source path does not exist: {mount.source}'
                )
            if mount.kind == "image":
                found = self._rooms.images.find(mount.name)
                if found is None:
                    # A 404 would say that the container's own image is missing.
                    raise InvalidArgument(f"No such image: {mount.name}: pull it for the mount at {mount.destination}")
                mount.source = found.top or ""


def device_refusal(asked: Mapping[str, Any]) -> str:
    """No driver here knows devices by request, as dockerd without a vendor's hook says it."""
    kinds = " ".join(f"[{' '.join(words)}]" for words in asked.get("Capabilities") or [])
    return f'could not select device driver "{asked.get("Driver") or ""}" with capabilities: [{kinds}]'


def volume_options(host: Mapping[str, Any], destination: str) -> Mapping[str, Any]:
    for entry in host.get("Mounts") or []:
        if entry.get("Target") == destination:
            found: Mapping[str, Any] = entry.get("VolumeOptions") or {}
            return found
    return {}


def check_platform(platform: Platform | None, image: ImageRecord, reference: str) -> None:
    """The image that is here must be what was asked for: then `create` says so, and the client pulls."""
    if platform is None:
        return
    ours = (str(image.document.get("os") or "linux"), str(image.document.get("architecture") or ""))
    if (platform.os, platform.architecture) != ours:
        raise NotFound(
            f"image with reference {reference} was found but does not match the "
            f"specified platform: wanted {platform}, actual: {'/'.join(ours)}"
        )
