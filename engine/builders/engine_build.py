"""Dockerfile builds by the engine's own `/build`: the classic builder, which every engine has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import anyio

from engine.builders.caches import at_registry, exports_in, images_in, imports_in
from engine.builders.context import BuildContext, context_tar, is_remote, read_context
from engine.builders.extended import EXTENDED, extended_body, folders_of, remotes_of
from engine.builders.progress import Listener, OnLine
from engine.builders.sources import DockerfileBuild
from engine.client.errors import EngineError, NotImplementedByEngine, SystemFailure
from engine.client.session import Engine
from engine.dockerfile.rename import with_images_renamed

PLAIN = "application/x-tar"
# What only BuildKit can do and a build would be wrong without.
NEEDS_BUILDKIT = {"privileged": "privileged mode", "entitlements": "entitlements"}
# Of the command line: what a builder can't honour is refused, never left out.
NO_BUILDER = "--builder names one of docker buildx, which this build doesn't go through"
NO_MEMORY = "--memory: this engine's builder has no limit of memory"
# What the extension of the request brings to engines that take it.
EXTENSION = {"secrets": "build secrets", "ssh": "ssh keys"}
IMAGE_CONTEXT = "docker-image://"
# What only BuildKit can do and a build is the same image without.
LEFT_OUT = ("no_cache_filter", "sbom", "provenance")


def refuse_what_needs_buildkit(build: DockerfileBuild, *, extension: bool = False, remotes: bool = False) -> None:
    """Raises NotImplementedByEngine naming each key of the build object that the engine's builder has no way for."""
    wanting = NEEDS_BUILDKIT if extension else {**EXTENSION, **NEEDS_BUILDKIT}
    keys = [f"build.{key} ({what})" for key, what in wanting.items() if getattr(build, key)]
    known = {
        *images_of(build),
        *(folders_of(build) if extension else ()),
        *(remotes_of(build) if remotes else ()),
    }
    if others := [name for name in build.additional_contexts if name not in known]:
        takes = "only images, folders and URLs can be taken" if extension else "only images can be taken"
        keys.append(f"build.additional_contexts ({', '.join(others)}: {takes})")
    if len(build.platforms) > 1:
        keys.append("build.platforms (more than one)")
    if keys:
        way = "use Docker with its buildx plugin" if extension else "install the docker buildx plugin on this machine"
        raise NotImplementedByEngine(f"the engine's own builder can't honour {', '.join(keys)}: {way}")


def images_of(build: DockerfileBuild) -> dict[str, str]:
    """The named contexts that are images: a Dockerfile can name those itself, so every builder has them."""
    return {
        name: value.removeprefix(IMAGE_CONTEXT)
        for name, value in build.additional_contexts.items()
        if value.startswith(IMAGE_CONTEXT)
    }


def warnings_of(build: DockerfileBuild, *, caches: bool = False) -> tuple[str, ...]:
    """`caches`: the engine's builder has caches at registries."""
    keys = [key for key in LEFT_OUT if getattr(build, key)]
    sources = [source for source in build.cache_from if not at_registry(source)]
    targets = [target for target in build.cache_to if not (caches and at_registry(target))]
    return (
        *(f"build.{key} needs docker buildx and is left out" for key in keys),
        *(f'build.cache_to: "{target}" needs docker buildx and is left out' for target in targets),
        *(f'build.cache_from: "{source}" needs docker buildx and is left out' for source in sources),
    )


async def build_on_engine(
    engine: Engine,
    build: DockerfileBuild,
    tags: Sequence[str],
    labels: Mapping[str, str],
    *,
    fresh: bool,
    no_cache: bool,
    platform: str,
    on_line: OnLine,
) -> str:
    """Build; return the image's id. Raises EngineError with the step that failed and the last lines."""
    capabilities = await engine.capabilities()
    if build.builder:
        raise NotImplementedByEngine(NO_BUILDER)
    if build.memory and capabilities.engine == "rorqual":
        raise NotImplementedByEngine(NO_MEMORY)
    takes_more = capabilities.build_extension
    refuse_what_needs_buildkit(build, extension=takes_more, remotes=capabilities.build_remotes)
    listener = Listener(on_line)
    remote = is_remote(build.context)
    if remote and build.dockerfile_inline is not None:
        raise NotImplementedByEngine("the engine's own builder takes no dockerfile_inline with a remote context")
    brings_more = bool(build.additional_contexts or build.secrets or build.ssh)
    if remote and brings_more:
        raise NotImplementedByEngine(
            "the engine's own builder takes no contexts, secrets or keys with a remote context"
        )
    extended = takes_more and brings_more
    context = None
    if not remote:
        context = await anyio.to_thread.run_sync(read_context if extended else context_of, build)
    dockerfile = context.dockerfile if context else build.dockerfile
    image_id = ""
    async with AsyncExitStack() as stack:
        body: AsyncIterator[bytes] | bytes = context_tar(context) if context else b""
        if extended and context is not None:
            body = await stack.enter_async_context(extended_body(engine, build, context))
        options: Any = {
            "t": list(tags),
            "rm": True,
            "forcerm": True,
            "buildargs": dict(build.args),
            "labels": {**build.labels, **labels},
            "nocache": no_cache or build.no_cache,
            "pull": fresh or build.pull,
            **caches_of(build, shared=capabilities.build_caches),
            "extrahosts": list(build.extra_hosts),
            "ulimits": [{"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in build.ulimits],
            **({"remote": build.context} if remote else {}),
            **({"dockerfile": dockerfile} if dockerfile else {}),
            **({"target": build.target} if build.target else {}),
            **({"networkmode": build.network} if build.network else {}),
            **({"memory": build.memory} if build.memory else {}),
            **({"shmsize": build.shm_size} if build.shm_size else {}),
            **({"platform": platform} if platform else {}),
            **({"isolation": build.isolation} if build.isolation else {}),
        }
        content_type = EXTENDED if extended else PLAIN
        lines = await stack.enter_async_context(engine.images.build(body, options, content_type=content_type))
        try:
            async for line in lines:
                listener.text(line.get("stream", ""))
                if status := line.get("status"):
                    detail = line.get("progressDetail") or {}
                    place = f"{line['id']}: " if line.get("id") else ""
                    listener.line(place + status, detail.get("current"), detail.get("total"))
                image_id = (line.get("aux") or {}).get("ID", image_id)
        except EngineError as error:
            listener.end()
            raise type(error)(listener.told(error.message)) from None
    listener.end()
    if not image_id:
        raise SystemFailure(listener.told("the engine ended the build without naming an image"))
    return image_id


def context_of(build: DockerfileBuild) -> BuildContext:
    """The context to send; where the Dockerfile takes named images, one that takes them by their references."""
    context = read_context(build)
    images = images_of(build)
    if not images:
        return context
    path = context.folder / context.dockerfile
    text = context.written.get(context.dockerfile) or path.read_bytes()
    args = {name: value for name, value in build.args.items() if value is not None}
    renamed = with_images_renamed(text.decode(errors="surrogateescape"), images, args)
    written = {**context.written, context.dockerfile: renamed.encode(errors="surrogateescape")}
    return replace(context, written=written)


def caches_of(build: DockerfileBuild, *, shared: bool) -> dict[str, list[str]]:
    """`shared`: the engine takes caches at registries; to others these are images like the rest."""
    images, imports = images_in(build.cache_from), imports_in(build.cache_from)
    if not shared:
        return {"cachefrom": [*images, *imports]}
    return {"cachefrom": images, "cacheimport": imports, "cacheexport": exports_in(build.cache_to)}
