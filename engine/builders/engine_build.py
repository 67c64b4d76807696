"""Dockerfile builds by the engine's own `/build`: the classic builder, which every engine has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio

from engine.builders.context import BuildContext, context_tar, is_remote, read_context
from engine.builders.progress import Listener, OnLine
from engine.builders.sources import DockerfileBuild
from engine.client.errors import EngineError, NotImplementedByEngine, SystemFailure
from engine.client.session import Engine
from engine.dockerfile.rename import with_images_renamed

# What only BuildKit can do and a build would be wrong without.
NEEDS_BUILDKIT = {
    "secrets": "build secrets",
    "ssh": "ssh keys",
    "privileged": "privileged mode",
    "entitlements": "entitlements",
}
IMAGE_CONTEXT = "docker-image://"
# What only BuildKit can do and a build is the same image without.
LEFT_OUT = ("cache_to", "no_cache_filter", "sbom", "provenance")


def refuse_what_needs_buildkit(build: DockerfileBuild) -> None:
    """Raises NotImplementedByEngine naming each key of the build object that the classic builder has no way for."""
    keys = [f"build.{key} ({what})" for key, what in NEEDS_BUILDKIT.items() if getattr(build, key)]
    others = [name for name in build.additional_contexts if name not in images_of(build)]
    if others:
        keys.append(f"build.additional_contexts ({', '.join(others)}: only images can be taken)")
    if len(build.platforms) > 1:
        keys.append("build.platforms (more than one)")
    if keys:
        raise NotImplementedByEngine(
            f"the engine's own builder can't honour {', '.join(keys)}: install the docker buildx plugin on this machine"
        )


def images_of(build: DockerfileBuild) -> dict[str, str]:
    """The named contexts that are images: a Dockerfile can name those itself, so every builder has them."""
    return {
        name: value.removeprefix(IMAGE_CONTEXT)
        for name, value in build.additional_contexts.items()
        if value.startswith(IMAGE_CONTEXT)
    }


def warnings_of(build: DockerfileBuild) -> tuple[str, ...]:
    keys = [key for key in LEFT_OUT if getattr(build, key)]
    sources = [source for source in build.cache_from if "=" in source and not source.startswith("type=registry")]
    return (
        *(f"build.{key} needs docker buildx and is left out" for key in keys),
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
    refuse_what_needs_buildkit(build)
    listener = Listener(on_line)
    remote = is_remote(build.context)
    if remote and build.dockerfile_inline is not None:
        raise NotImplementedByEngine("the engine's own builder takes no dockerfile_inline with a remote context")
    if remote and build.additional_contexts:
        raise NotImplementedByEngine("the engine's own builder takes no additional_contexts with a remote context")
    context = None if remote else await anyio.to_thread.run_sync(context_of, build)
    dockerfile = context.dockerfile if context else build.dockerfile
    image_id = ""
    async with engine.images.build(
        context_tar(context) if context else b"",
        {
            "t": list(tags),
            "rm": True,
            "forcerm": True,
            "buildargs": dict(build.args),
            "labels": {**build.labels, **labels},
            "nocache": no_cache or build.no_cache,
            "pull": fresh or build.pull,
            "cachefrom": registry_caches(build.cache_from),
            "extrahosts": list(build.extra_hosts),
            "ulimits": [{"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in build.ulimits],
            **({"remote": build.context} if remote else {}),
            **({"dockerfile": dockerfile} if dockerfile else {}),
            **({"target": build.target} if build.target else {}),
            **({"networkmode": build.network} if build.network else {}),
            **({"shmsize": build.shm_size} if build.shm_size else {}),
            **({"platform": platform} if platform else {}),
            **({"isolation": build.isolation} if build.isolation else {}),
        },
    ) as lines:
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


def registry_caches(sources: Sequence[str]) -> list[str]:
    """`image` or `type=registry,ref=image` → image."""
    plain = [source for source in sources if "=" not in source]
    typed = [
        part.removeprefix("ref=")
        for source in sources
        if source.startswith("type=registry")
        for part in source.split(",")
        if part.startswith("ref=")
    ]
    return plain + typed
