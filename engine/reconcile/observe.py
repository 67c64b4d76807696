"""What stands on the engine, read once: the project's objects by label, those it names, and the images behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import anyio

from engine.api.errors import NotFound
from engine.client.session import EngineReader
from engine.plan.lower.naming import NUMBER, ONEOFF, PROJECT, SERVICE, Naming
from engine.plan.observed import Ending, EngineIdentity, LiveContainer, Observed
from engine.reconcile.endings import read_endings
from specs.models import Project

# Inspects on the way at once: the engine answers them in parallel, and more connections gain nothing.
AT_ONCE = 8


async def observe(engine: EngineReader, name: str, project: Project | None = None, separator: str = "-") -> Observed:
    """The containers, networks and volumes labelled with project `name`, those that `project` names, and the images.

    An object that goes while it is looked at is not there.
    """
    reader = Reader(engine)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.read_containers, name)
        tasks.start_soon(reader.read_networks, name, wanted_names(project, "networks"))
        tasks.start_soon(reader.read_volumes, name, wanted_names(project, "volumes"))
        tasks.start_soon(reader.read_images, references(project, separator) if project else ())
        tasks.start_soon(engine.capabilities)
    await reader.read_images({c.inspect.get("Image") or "" for c in reader.containers} - reader.images.keys())
    reader.endings = await read_endings(engine, reader.containers) if project else {}
    return await reader.observed()


async def observe_outline(engine: EngineReader, name: str) -> Observed:
    """What stands, as the engine's lists tell it: enough to stop, start and remove. Of a container's inspect there are
    the labels and the status; images are not looked at.
    """
    reader = Reader(engine)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.list_containers, name)
        tasks.start_soon(reader.read_networks, name, set())
        tasks.start_soon(reader.read_volumes, name, set())
        tasks.start_soon(engine.capabilities)
    return await reader.observed()


def wanted_names(project: Project | None, noun: str) -> set[str]:
    items: Mapping[str, Any] = getattr(project, noun) if project else {}
    return {item.name or key for key, item in items.items()}


def references(project: Project, separator: str) -> set[str]:
    """Every image reference that a service runs or that `images:` makes."""
    naming = Naming(project.name, separator)
    services = {k: s for k, s in {**project.disabled_services, **project.services}.items() if s.provider is None}
    return {naming.image(project, s, k) for k, s in services.items()} | {i.reference for i in project.images.values()}


class Reader:
    """One observation being made."""

    def __init__(self, engine: EngineReader) -> None:
        self.engine = engine
        self.limiter = anyio.CapacityLimiter(AT_ONCE)
        self.containers: list[LiveContainer] = []
        self.networks: dict[str, Mapping[str, Any]] = {}
        self.volumes: dict[str, Mapping[str, Any]] = {}
        self.images: dict[str, Mapping[str, Any] | None] = {}
        self.endings: dict[str, Ending] = {}

    async def observed(self) -> Observed:
        capabilities = await self.engine.capabilities()
        major, minor = self.engine.api_version
        return Observed(
            EngineIdentity(capabilities.engine_id, self.engine.target.address, f"{major}.{minor}"),
            capabilities,
            tuple(sorted(self.containers, key=lambda c: (c.service, c.number, c.name))),
            self.networks,
            self.volumes,
            self.images,
            self.endings,
        )

    async def list_containers(self, name: str) -> None:
        for summary in await self.engine.containers.list(all=True, filters={"label": [f"{PROJECT}={name}"]}):
            names, labels = summary.get("Names") or [""], summary.get("Labels") or {}
            outline = {
                "Id": summary["Id"],
                "Name": names[0],
                "Config": {"Labels": labels},
                "State": {"Status": summary.get("State", "")},
            }
            self.containers.append(live_container(outline))

    async def read_containers(self, name: str) -> None:
        found = await self.engine.containers.list(all=True, filters={"label": [f"{PROJECT}={name}"]})
        async with anyio.create_task_group() as tasks:
            for summary in found:
                tasks.start_soon(self.read_container, summary["Id"])

    async def read_container(self, id: str) -> None:
        async with self.limiter:
            try:
                inspect = cast(Mapping[str, Any], await self.engine.containers.inspect(id))
            except NotFound:
                return
        self.containers.append(live_container(inspect))

    async def read_networks(self, name: str, wanted: set[str]) -> None:
        for network in await self.engine.networks.list():
            if network["Name"] in wanted or (network.get("Labels") or {}).get(PROJECT) == name:
                self.networks[network["Name"]] = cast(Mapping[str, Any], network)

    async def read_volumes(self, name: str, wanted: set[str]) -> None:
        for volume in await self.engine.volumes.list():
            if volume["Name"] in wanted or (volume.get("Labels") or {}).get(PROJECT) == name:
                self.volumes[volume["Name"]] = cast(Mapping[str, Any], volume)

    async def read_images(self, wanted: Iterable[str]) -> None:
        async with anyio.create_task_group() as tasks:
            for reference in wanted:
                tasks.start_soon(self.read_image, reference)

    async def read_image(self, reference: str) -> None:
        async with self.limiter:
            try:
                self.images[reference] = cast(Mapping[str, Any], await self.engine.images.inspect(reference))
            except NotFound:
                self.images[reference] = None


def live_container(inspect: Mapping[str, Any]) -> LiveContainer:
    labels = inspect["Config"].get("Labels") or {}
    number = labels.get(NUMBER, "")
    return LiveContainer(
        id=inspect["Id"],
        name=inspect["Name"].removeprefix("/"),
        service=labels.get(SERVICE, ""),
        number=int(number) if number.isdigit() else 1,
        oneoff=labels.get(ONEOFF, "False") == "True",
        state=inspect["State"]["Status"],
        inspect=inspect,
    )
