"""The door of the builders: one source and its tags in, an image on the engine out."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never

import anyio

from engine.builders.archive import opened
from engine.builders.buildx import build_with_buildx, has_buildx
from engine.builders.content import CONTENT, LAYOUT, content_key
from engine.builders.debian.build import prepared
from engine.builders.docker_archive import docker_archive
from engine.builders.engine_build import build_on_engine, warnings_of
from engine.builders.progress import BuildLine, OnLine, unheard
from engine.builders.sources import ArchiveImage, DebianImage, DockerfileBuild, ImageSource
from engine.client.errors import EngineError, InvalidArgument, NotFound
from engine.client.session import Engine
from engine.oci.platform import Platform
from engine.oci.reference import Reference

__all__ = ["CONTENT", "BuildLine", "BuildOptions", "Built", "build_image", "content_key"]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """`fresh` asks for newer packages and base images (--pull); `platform` as os/architecture, empty = the engine's.

    `memory` (bytes) is the classic builder's, `builder` buildx's: a Dockerfile build that can't honour it is refused.
    `marked`: the image bears the key of what it is made from, for a later plan; `key` is that, where it isn't the
    source's own.
    """

    fresh: bool = False
    no_cache: bool = False
    platform: str = ""
    memory: int = 0
    builder: str = ""
    marked: bool = True
    key: str = ""


@dataclass(frozen=True, slots=True)
class Built:
    image_id: str
    warnings: tuple[str, ...] = ()


async def build_image(
    engine: Engine,
    source: ImageSource,
    tags: Sequence[str],
    *,
    options: BuildOptions = BuildOptions(),
    on_line: OnLine = unheard,
) -> Built:
    """Make the image on `engine` and give it every one of `tags`, the first being its local reference.

    Raises EngineError with the builder's last lines. The tags move only when the image is there.
    """
    match source:
        case DebianImage():
            return await from_debian(engine, source, tags, options, on_line)
        case ArchiveImage():
            return await from_archive(engine, source, tags, options, on_line)
        case DockerfileBuild():
            return await from_dockerfile(engine, source, tags, options, on_line)
        case _:
            assert_never(source)


async def from_debian(
    engine: Engine, source: DebianImage, tags: Sequence[str], options: BuildOptions, on_line: OnLine
) -> Built:
    labels = {CONTENT: options.key or await anyio.to_thread.run_sync(content_key, source)}
    if options.platform and source.architecture is None:
        source = replace(source, architecture=debian_architecture(options.platform))

    def say(text: str) -> None:
        on_line(BuildLine(text))

    fresh = options.fresh or options.no_cache
    async with prepared(source, tags, labels, fresh=fresh, say=say) as image:
        if not await tag_present(engine, str(image.config), tags):
            await load(engine, image.archive, on_line)
    return Built((await engine.images.inspect(tags[0]))["Id"])


async def from_archive(
    engine: Engine, source: ArchiveImage, tags: Sequence[str], options: BuildOptions, on_line: OnLine
) -> Built:
    platform = Platform.parse(options.platform) if options.platform else await platform_of(engine)
    context = opened(source, platform)
    image = await anyio.to_thread.run_sync(context.__enter__)
    try:
        await load(engine, docker_archive(image.config, image.layers, tags), on_line)
    finally:
        context.__exit__(None, None, None)
    return Built((await engine.images.inspect(tags[0]))["Id"])


async def from_dockerfile(
    engine: Engine, source: DockerfileBuild, tags: Sequence[str], options: BuildOptions, on_line: OnLine
) -> Built:
    labels = {}
    if options.marked:
        labels[CONTENT] = options.key or await anyio.to_thread.run_sync(content_key, source)
    source = replace(source, memory=options.memory, builder=options.builder)
    whole = list(dict.fromkeys([*tags, *source.tags]))
    capabilities = await engine.capabilities()
    with_buildx = capabilities.engine == "docker" and not source.isolation and await has_buildx()
    build = build_with_buildx if with_buildx else build_on_engine
    async with layouts_loaded(engine, source, options, on_line, none=with_buildx) as ready:
        image_id = await build(
            engine,
            ready,
            whole,
            labels,
            fresh=options.fresh,
            no_cache=options.no_cache,
            platform=options.platform or (source.platforms[0] if len(source.platforms) == 1 else ""),
            on_line=on_line,
        )
    return Built(image_id, () if with_buildx else warnings_of(source, caches=capabilities.build_caches))


@asynccontextmanager
async def layouts_loaded(
    engine: Engine, source: DockerfileBuild, options: BuildOptions, on_line: OnLine, *, none: bool
) -> AsyncIterator[DockerfileBuild]:
    """The build with images in place of the OCI layouts among its contexts, under names that go with the block.

    `none`: its builder takes them by itself. `oci-layout://PATH[:TAG]`. Raises as from_archive.
    """
    contexts, names = dict(source.additional_contexts), []
    try:
        for context, value in () if none else list(contexts.items()):
            if value.startswith(LAYOUT):
                names.append(f"rorqual-context/{secrets.token_hex(8)}:latest")
                await from_archive(engine, layout_of(value), names[-1:], options, on_line)
                contexts[context] = f"docker-image://{names[-1]}"
        yield replace(source, additional_contexts=contexts)
    finally:
        with anyio.move_on_after(10, shield=True):
            for name in names:
                with suppress(EngineError):
                    await engine.images.remove(name)


def layout_of(value: str) -> ArchiveImage:
    path, _, tag = value.removeprefix(LAYOUT).partition(":")
    return ArchiveImage(Path(path), tag or None)


async def tag_present(engine: Engine, image_id: str, tags: Sequence[str]) -> bool:
    """Where the engine has the very image already, naming it is enough."""
    try:
        await engine.images.inspect(image_id)
    except NotFound:
        return False
    for tag in tags:
        name = Reference.parse(tag).with_default_tag()
        await engine.images.tag(image_id, replace(name, tag="").familiar, name.tag)
    return True


async def load(engine: Engine, archive: AsyncIterator[bytes], on_line: OnLine) -> None:
    async with engine.images.load(archive) as lines:
        async for line in lines:
            detail = line.get("progressDetail") or {}
            text = (line.get("stream") or line.get("status") or "").strip()
            if text:
                on_line(BuildLine(text, detail.get("current"), detail.get("total")))


async def platform_of(engine: Engine) -> Platform:
    version = await engine.system.version()
    return Platform.parse(f"{version.get('Os') or 'linux'}/{version.get('Arch') or Platform.here().architecture}")


def debian_architecture(platform: str) -> str:
    """linux/arm/v7 → armhf: Debian's names where they differ from Go's."""
    wanted = Platform.parse(platform)
    if wanted.os != "linux":
        raise InvalidArgument(f"a debian image can't be made for {platform}: Debian runs on Linux")
    names = {"386": "i386", "ppc64le": "ppc64el", "mips64le": "mips64el", "mipsle": "mipsel", "loong64": "loong64"}
    if wanted.architecture == "arm":
        return "armel" if wanted.variant == "v5" else "armhf"
    return names.get(wanted.architecture, wanted.architecture)
