"""Images pinned: each with the digest that its tag has in its registry now, as the engine finds it there."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import anyio

from engine.api.errors import EngineError, InvalidArgument
from engine.api.kept import whole_id
from engine.cli.connection import connected, parallel_limit
from engine.cli.options import EngineOptions
from engine.client.session import Engine
from engine.oci.digest import Digest
from engine.oci.reference import Reference

if TYPE_CHECKING:
    from engine.registry.client.remote import Fetched, Remote

Values = dict[str, Any]
# Where Podman puts the names of what was made on it: no registry.
PODMANS_OWN = "localhost"


def pinned(values: Values, options: EngineOptions) -> Values:
    """The project's values with `name:tag@digest` for every image that has no digest yet.

    What `images:` makes is no registry's, and stays. Raises EngineError naming the image.
    """
    services: Values = values["services"]
    wanted = {
        service["image"]
        for service in services.values()
        if service.get("image") and service["image"] not in values.get("images", {})
    }
    found = anyio.run(resolved, wanted, options) if wanted else {}
    changed = {
        name: {**service, "image": found[service["image"]]} if service.get("image") in found else service
        for name, service in services.items()
    }
    return {**values, "services": changed}


def images_alone(values: Values) -> Values:
    """What an override file needs to pin the images, and no name of a project."""
    nothing = {"command": None, "entrypoint": None}
    services = {key: nothing | {k: v for k, v in s.items() if k == "image"} for key, s in values["services"].items()}
    empty: Values = {section: {} for section in ("networks", "volumes", "secrets", "configs", "models")}
    return {"name": "", "services": services} | empty


async def resolved(images: set[str], options: EngineOptions) -> dict[str, str]:
    """Image as written → image with its digest. Registries are asked side by side."""
    found: dict[str, str] = {}
    limiter = anyio.CapacityLimiter(parallel_limit(options))

    async def ask(engine: Engine, image: str, reference: Reference) -> None:
        async with limiter:
            try:
                digest = await digest_now(engine, reference)
            except EngineError as error:
                raise type(error)(f"can't find the digest of {image}: {error.message}") from error
        found[image] = f"{reference}@{digest}"

    parsed = {image: parse(image) for image in images}
    found |= {image: str(reference) for image, reference in parsed.items() if reference.digest is not None}
    if len(found) < len(parsed):
        async with connected(options) as engine, anyio.create_task_group() as tasks:
            for image, reference in parsed.items():
                if image not in found:
                    tasks.start_soon(ask, engine, image, reference)
    return found


async def digest_now(engine: Engine, reference: Reference) -> str:
    """What the tag stands for in its registry: the engine is asked, or the registry itself where the engine can't."""
    if (await engine.capabilities()).distribution:
        return str((await engine.images.distribution(str(reference)))["Descriptor"]["digest"])
    # late: only Podman has no such route
    from engine.cli.remote_names import asking

    async with asking(reference.domain, insecure=False) as (registries, auth):
        return str((await registries.remote(reference, auth).manifest(reference.tag)).digest)


async def moved_to(engine: Engine, reference: Reference, known: Collection[str], image_id: str) -> str | None:
    """The digest that the tag stands for now, None where it stands for the image still. `known` are the digests under
    which the engine has it.

    Podman has a digest for what was never pulled, too, and another one than the registry made of it when it was pushed:
    there the image's own id decides.
    """
    if (await engine.capabilities()).distribution:
        digest = await digest_now(engine, reference)
        return None if digest in known else digest
    if reference.domain == PODMANS_OWN:
        return None
    # late: as above
    from engine.cli.remote_names import asking

    async with asking(reference.domain, insecure=False) as (registries, auth):
        remote = registries.remote(reference, auth)
        fetched = await remote.manifest(reference.tag)
        if str(fetched.digest) in known or whole_id(image_id) in await ids_behind(remote, fetched):
            return None
        return str(fetched.digest)


async def ids_behind(remote: Remote, fetched: Fetched) -> set[str]:
    """The ids of the images that a manifest stands for: of an index one a platform."""
    parts = fetched.document.get("manifests")
    if parts is None:
        return {str(fetched.document.get("config", {}).get("digest", ""))}
    found = [await remote.manifest(Digest.parse(part["digest"])) for part in parts]
    return {id for each in found for id in await ids_behind(remote, each)}


def parse(image: str) -> Reference:
    try:
        return Reference.parse(image).with_default_tag()
    except ValueError as error:
        raise InvalidArgument(str(error)) from error
