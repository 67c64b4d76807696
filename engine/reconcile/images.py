"""From the language's nouns to what the builders take, and the one call that builds an image of the project."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio

from engine.api.errors import EngineError, InvalidArgument
from engine.builders.build import BuildLine, BuildOptions, build_image, content_key
from engine.builders.sources import (
    ArchiveImage,
    BuildSecret,
    DebianImage,
    DockerfileBuild,
    ImageFile,
    ImageSource,
    Ulimit,
)
from engine.client.session import Engine
from engine.graph.dockerfiles import SERVICE, images_below
from engine.plan.lower.naming import Naming
from engine.plan.steps import BuildImage
from specs.models import Build, Debian, Image, Project

Say = Callable[[str, int | None, int | None], None]


def image_maker(
    engine: Engine,
    project: Project,
    *,
    options: BuildOptions,
    separator: str = "-",
    written: Project | None = None,
) -> Callable[[BuildImage, Say], Awaitable[None]]:
    """What carries out a BuildImage of this project on this engine.

    `written` is the project without what flags of one run changed: a later plan compares the image with that.
    """
    naming = Naming(project.name, separator)

    async def make(action: BuildImage, say: Say) -> None:
        source, tags = image_source(project, action, naming)
        marked = options
        if written is not None:
            key = await anyio.to_thread.run_sync(content_key, image_source(written, action, naming)[0])
            marked = replace(options, key=key)

        def on_line(line: BuildLine) -> None:
            say(line.text, line.current, line.total)

        await build_image(engine, source, tags, options=marked, on_line=on_line)

    return make


def image_source(project: Project, action: BuildImage, naming: Naming) -> tuple[ImageSource, list[str]]:
    """What to build, and every tag that it gets, the local reference first."""
    if not action.service:
        image = project.images[action.name]
        return entry_source(project, image, naming), [action.reference, *(image.tags or ())]
    service = project.services.get(action.name) or project.disabled_services[action.name]
    build = service.build
    if build is None:
        raise InvalidArgument(f'service "{action.name}" has no build')
    return dockerfile_build(project, build, naming), [action.reference, *(build.tags or ())]


def image_keys(project: Project, naming: Naming, wanted: Collection[str]) -> dict[str, str]:
    """What each image that is built on this machine is made from, as one digest; a service's build as `service:NAME`.

    `wanted` are the references of those that are asked for. Reads files. A service whose source isn't here is left
    out: its image may have been built elsewhere. Raises EngineError for an entry of `images:`.
    """
    found = {
        name: content_key(entry_source(project, image, naming))
        for name, image in project.images.items()
        if image.reference in wanted and (image.build is not None or image.debian is not None)
    }
    for key, service in project.services.items():
        build, entry = service.build, service.image in project.images
        if build is not None and not entry and naming.image(project, service, key) in wanted:
            with suppress(EngineError, OSError):
                found[f"{SERVICE}{key}"] = content_key(dockerfile_build(project, build, naming))
    return found


def entry_source(project: Project, image: Image, naming: Naming) -> ImageSource:
    if image.build is not None:
        return dockerfile_build(project, image.build, naming)
    if image.debian is not None:
        return debian_image(image.debian)
    if image.archive is not None:
        return ArchiveImage(Path(image.archive), image.ref)
    raise InvalidArgument(f"image {image.reference} is pulled, not built")


def debian_image(debian: Debian) -> DebianImage:
    return DebianImage(
        suite=debian.suite,
        packages=tuple(debian.packages),
        variant=debian.variant,
        architecture=debian.architecture,
        files=tuple(ImageFile(Path(f.source), f.target, f.mode, f.owner or "0:0") for f in debian.files),
        env=debian.env,
        user=debian.user or "",
        workdir=debian.workdir or "",
        entrypoint=None if debian.entrypoint is None else tuple(debian.entrypoint),
        cmd=None if debian.cmd is None else tuple(debian.cmd),
        labels=debian.labels,
    )


def dockerfile_build(project: Project, build: Build, naming: Naming) -> DockerfileBuild:
    return DockerfileBuild(
        context=build.context or project.working_dir,
        dockerfile=build.dockerfile,
        dockerfile_inline=build.dockerfile_inline,
        args=build.args or {},
        labels=build.labels or {},
        target=build.target or "",
        cache_from=tuple(build.cache_from or ()),
        cache_to=tuple(build.cache_to or ()),
        extra_hosts=tuple(h.replace("=", ":", 1) for h in build.extra_hosts or ()),
        network=build.network or "",
        shm_size=build.shm_size or 0,
        ulimits=tuple(
            Ulimit(name, u.single or u.soft or 0, u.single or u.hard or 0) for name, u in (build.ulimits or {}).items()
        ),
        no_cache=bool(build.no_cache),
        pull=bool(build.pull),
        platforms=tuple(build.platforms or ()),
        tags=tuple(build.tags or ()),
        privileged=bool(build.privileged),
        isolation=build.isolation or "",
        secrets=tuple(build_secrets(project, build)),
        ssh=tuple(build.ssh or ()),
        additional_contexts={
            **{name: named_context(project, name, naming) for name in images_below(project, build)},
            **{k: named_context(project, v, naming) for k, v in (build.additional_contexts or {}).items()},
        },
        entitlements=tuple(build.entitlements or ()),
        sbom=build.sbom or "",
        provenance=build.provenance or "",
    )


def build_secrets(project: Project, build: Build) -> list[BuildSecret]:
    found = []
    for reference in build.secrets or ():
        secret = project.secrets.get(reference.source or "")
        if secret is None:
            raise InvalidArgument(f'build.secrets: secret "{reference.source}" is not defined under secrets:')
        file = Path(secret.file) if secret.file else None
        found.append(BuildSecret(reference.target or reference.source or "", file, secret.environment))
    return found


def named_context(project: Project, value: str, naming: Naming) -> str:
    """`service:base` and names under `images:` become the image that they mean."""
    if value.startswith("service:"):
        key = value.removeprefix("service:")
        return f"docker-image://{naming.image(project, project.services[key], key)}"
    if value in project.images:
        return f"docker-image://{project.images[value].reference}"
    return value
