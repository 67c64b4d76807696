"""One effect an action: the calls of the Engine API that carry it out, safe to repeat after a crash in between."""

from __future__ import annotations

import io
import math
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, assert_never, cast

import anyio

from engine.api.containers import ContainerCreate
from engine.api.errors import Conflict, Forbidden, NotFound
from engine.api.networks import NetworkCreate
from engine.api.volumes import VolumeCreate
from engine.client.session import Engine
from engine.graph.address import Address
from engine.oci.digest import Digest
from engine.oci.reference import Reference
from engine.plan import steps
from engine.plan.desired import NOTHING, DesiredContainer, DesiredNetwork, DesiredVolume, InjectedFile
from engine.plan.diff.containers import applied_fields
from engine.plan.lower.containers import with_applied
from engine.plan.lower.naming import CONFIG_HASH, IMAGE, NUMBER, ONEOFF, PROJECT, SERVICE
from engine.plan.options import unsealed
from engine.plan.steps import Step
from engine.reconcile.apply import StepFailed
from engine.reconcile.hooks import run_hook
from engine.reconcile.waits import wait_for

# Seconds between tries to remove a network whose last endpoints are going.
ENDPOINT_PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 3.0)
Say = Callable[[str, int | None, int | None], None]
MakeImage = Callable[[steps.BuildImage, Say], Awaitable[None]]
Provide = Callable[[steps.RunProvider, Say], Awaitable[None]]


class Effects:
    """Carries out steps on one engine. `make_image` builds an image by its name in the project, `provide` runs the
    program of a provider.

    `say` hears of work under way, `warn` what the engine could not honour of a container; `hash_shared` gives the
    config hash of a service that shares, from the ids of its containers by service; `verify` gives the digest
    of a reference that is signed with a key, `verified` hears the id of the image that is. `image_ids` are known by
    reference.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        seal: Callable[[str], str] = unsealed,
        make_image: MakeImage,
        provide: Provide,
        say: Callable[[Step, str, int | None, int | None], None],
        warn: Callable[[Address, str], None],
        hash_shared: Callable[[str, Mapping[str, str]], str],
        verify: Callable[[str, str], Awaitable[str]],
        verified: Callable[[str, str], None],
        image_ids: Mapping[str, str] = NOTHING,
    ) -> None:
        self.engine = engine
        self.seal = seal
        self.make_image = make_image
        self.provide = provide
        self.say = say
        self.warn = warn
        self.hash_shared = hash_shared
        self.verify = verify
        self.verified = verified
        # What each reference is on the engine: asked once, until a step of this run makes it another.
        self.image_ids = dict(image_ids)
        self.asking = anyio.Lock()

    async def __call__(self, step: Step) -> None:
        """Raises EngineError (StepFailed with evidence) when the effect can't be had."""
        action = step.action
        match action:
            case steps.PullImage() | steps.BuildImage() | steps.PushImage() | steps.RemoveImage():
                await self.image(step, action)
            case steps.CreateNetwork() | steps.ReplaceNetwork() | steps.RemoveNetwork():
                await self.network(action)
            case steps.CreateVolume() | steps.ReplaceVolume() | steps.RemoveVolume():
                await self.volume(action)
            case steps.CreateContainer():
                await self.create(action.desired, action.desired.name)
                if action.start:
                    await self.engine.containers.start(action.desired.name)
            case steps.ReplaceContainer():
                await self.replace(action)
            case steps.UpdateContainer():
                await self.engine.containers.update(action.id, cast(Any, action.body))
            case steps.RenameContainer():
                await self.engine.containers.rename(action.id, action.name)
            case steps.ConnectNetwork():
                await self.engine.networks.connect(action.network, action.id, cast(Any, action.endpoint))
            case steps.DisconnectNetwork():
                await self.engine.networks.disconnect(action.network, action.id, force=True)
            case steps.StartContainer():
                await self.engine.containers.start(action.id)
            case steps.RestartContainer():
                await self.engine.containers.restart(action.id, grace_seconds=whole(action.stop_seconds))
            case steps.StopContainer():
                await self.engine.containers.stop(action.id, grace_seconds=whole(action.stop_seconds))
            case steps.KillContainer():
                await self.engine.containers.kill(action.id, action.signal)
            case steps.PauseContainer():
                await self.engine.containers.pause(action.id)
            case steps.UnpauseContainer():
                await self.engine.containers.unpause(action.id)
            case steps.RemoveContainer():
                await self.remove(action.id, action.stop_seconds, volumes=action.volumes)
            case steps.RunHook():
                await run_hook(self.engine, action.container, action.hook)
            case steps.RunProvider():
                await self.provide(action, lambda text, *amounts: self.say(step, text, *amounts))
            case steps.WaitFor():
                await wait_for(self.engine.reader, action)
            case _:
                assert_never(action)

    async def image(
        self, step: Step, action: steps.PullImage | steps.BuildImage | steps.PushImage | steps.RemoveImage
    ) -> None:
        images = self.engine.images

        def say(text: str, current: int | None = None, total: int | None = None) -> None:
            self.say(step, text, current, total)

        self.image_ids.clear()
        match action:
            case steps.PullImage():
                await self.pull(action, say)
            case steps.PushImage():
                async with images.push(action.reference) as lines:
                    async for line in lines:
                        say(" ".join(filter(None, (line.get("id"), line.get("status")))))
                if action.key:
                    await self.verify(action.reference, action.key)
                    self.verified((await images.inspect(action.reference))["Id"], action.key)
            case steps.BuildImage():
                await self.make_image(action, say)
            case steps.RemoveImage():
                with suppress(NotFound):
                    await images.remove(action.reference)

    async def pull(self, action: steps.PullImage, say: Callable[[str, int | None, int | None], None]) -> None:
        """What must be signed is pulled by the digest that is, and only then gets its name."""
        reference, named = action.reference, Reference.parse(action.reference).with_default_tag()
        if action.key:
            digest = Digest.parse(await self.verify(reference, action.key))
            reference = replace(named, tag="", digest=digest).familiar
        async with self.engine.images.pull(reference, platform=action.platform or None) as lines:
            async for line in lines:
                detail = line.get("progressDetail") or {}
                text = " ".join(filter(None, (line.get("id"), line.get("status"))))
                say(text, detail.get("current"), detail.get("total"))
        if action.key:
            if named.digest is None:
                await self.engine.images.tag(reference, replace(named, tag="").familiar, named.tag)
            self.verified((await self.engine.images.inspect(action.reference))["Id"], action.key)

    async def network(self, action: steps.CreateNetwork | steps.ReplaceNetwork | steps.RemoveNetwork) -> None:
        match action:
            case steps.CreateNetwork():
                await self.create_network(action.desired)
            case steps.ReplaceNetwork():
                await self.remove_network(action.id)
                await self.create_network(action.desired)
            case steps.RemoveNetwork():
                await self.remove_network(action.id)

    async def create_network(self, desired: DesiredNetwork) -> None:
        body = {**desired.body, "Labels": {**desired.body["Labels"], **desired.labels}}
        await self.engine.networks.create(cast(NetworkCreate, body))

    async def remove_network(self, id: str) -> None:
        """Let go of whatever is still attached, and remove it.

        A busy dockerd says that a container is removed before it has let go of its endpoint: so more than once.
        """
        pauses = iter(ENDPOINT_PAUSES)
        while True:
            try:
                await self.detach_all(id)
                await self.engine.networks.remove(id)
                return
            except NotFound:
                return
            except (Forbidden, Conflict) as error:
                pause = next(pauses, None)
                if pause is None or "endpoint" not in error.message:
                    raise
                await anyio.sleep(pause)

    async def detach_all(self, id: str) -> None:
        for container, endpoint in ((await self.engine.networks.inspect(id)).get("Containers") or {}).items():
            # an endpoint whose container is gone is let go of by its name (moby, ForceEndpointDelete)
            name = endpoint.get("Name") if container.startswith("ep-") else container
            # another may be quicker
            with suppress(NotFound, Forbidden):
                await self.engine.networks.disconnect(id, name or container, force=True)

    async def volume(self, action: steps.CreateVolume | steps.ReplaceVolume | steps.RemoveVolume) -> None:
        match action:
            case steps.CreateVolume():
                await self.create_volume(action.desired)
            case steps.ReplaceVolume():
                await self.free_volume(action.desired.name)
                await self.engine.volumes.remove(action.desired.name)
                await self.create_volume(action.desired)
            case steps.RemoveVolume():
                with suppress(NotFound):
                    await self.engine.volumes.remove(action.name)

    async def create_volume(self, desired: DesiredVolume) -> None:
        body = {**desired.body, "Labels": {**desired.body["Labels"], **desired.labels}}
        await self.engine.volumes.create(cast(VolumeCreate, body))

    async def free_volume(self, name: str) -> None:
        """Remove the containers that hold it: they are made anew by later steps of the same plan."""
        for container in await self.engine.containers.list(all=True, filters={"volume": name}):
            await self.remove(container["Id"], None, volumes=False)

    async def create(self, desired: DesiredContainer, name: str) -> str:
        """Create it with all its networks and files, or leave nothing; return its id."""
        body = await self.create_body(desired)
        endpoints: Mapping[str, Any] = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        later: dict[str, Any] = {}
        if len(endpoints) > 1 and not (await self.engine.capabilities()).many_networks_at_create:
            first, *others = endpoints
            later = {other: endpoints[other] for other in others}
            body["NetworkingConfig"] = {"EndpointsConfig": {first: endpoints[first]}}
        containers = self.engine.containers
        created = await containers.create(cast(ContainerCreate, body), name=name, platform=desired.platform or None)
        id = created["Id"]
        for text in created.get("Warnings") or ():
            self.warn(desired.address, text)
        try:
            for network, endpoint in later.items():
                await self.engine.networks.connect(network, id, endpoint)
            if desired.files:
                await containers.put_archive(id, "/", archive_of(desired.files))
        except BaseException:
            with anyio.move_on_after(10, shield=True):
                await containers.remove(id, force=True)
            raise
        return id

    async def create_body(self, desired: DesiredContainer) -> dict[str, Any]:
        image = await self.image_id(desired.image)
        labels = with_applied(desired, applied_fields(desired, self.seal))
        if desired.shares:
            labels[CONFIG_HASH] = self.hash_shared(desired.address.name, await self.shared_ids(desired))
        return {**desired.body, "Labels": {**desired.body.get("Labels", {}), **labels, IMAGE: image}}

    async def image_id(self, reference: str) -> str:
        async with self.asking:
            if reference not in self.image_ids:
                self.image_ids[reference] = (await self.engine.images.inspect(reference))["Id"]
            return self.image_ids[reference]

    async def shared_ids(self, desired: DesiredContainer) -> dict[str, str]:
        """The id of the first container of each service that this one shares with."""
        project = desired.labels[PROJECT]
        found = {}
        for service in desired.shares:
            filters = {"label": [f"{PROJECT}={project}", f"{SERVICE}={service}", f"{ONEOFF}=False"]}
            containers = await self.engine.containers.list(all=True, filters=filters)
            containers.sort(key=lambda c: int((c.get("Labels") or {}).get(NUMBER) or 0))
            if not containers:
                raise StepFailed(f"service {service}, whose namespace or volumes it shares, has no container")
            found[service] = containers[0]["Id"]
        return found

    async def replace(self, action: steps.ReplaceContainer) -> None:
        """The old one runs until the new one is made; a crash in between leaves two that the next run tells apart."""
        desired, containers = action.desired, self.engine.containers
        id = await self.create(desired, f"{action.id[:12]}_{desired.name}")
        await self.remove(action.id, action.stop_seconds, volumes=False)
        await containers.rename(id, desired.name)
        if action.start:
            await containers.start(id)

    async def remove(self, id: str, stop_seconds: float | None, *, volumes: bool) -> None:
        try:
            await self.engine.containers.stop(id, grace_seconds=whole(stop_seconds))
            await self.engine.containers.remove(id, force=True, volumes=volumes)
        except NotFound:
            return
        except Conflict as error:
            if "already in progress" not in error.message:
                raise
            await self.engine.containers.wait(id, "removed")


def whole(seconds: float | None) -> int | None:
    """The API takes whole seconds: a fraction is rounded up, so that nobody is killed early."""
    return None if seconds is None else math.ceil(seconds)


async def archive_of(files: tuple[InjectedFile, ...]) -> AsyncIterator[bytes]:
    """A tar of the files, their folders left to the engine to make."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode, entry.uid, entry.gid = len(file.content), file.mode, file.uid, file.gid
            tar.addfile(entry, io.BytesIO(file.content))
    yield buffer.getvalue()
