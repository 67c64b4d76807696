"""A debian image, from spec to a `docker load` stream: cached layer or a new one, the files over it, the config."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import anyio

from engine.builders.debian import cache
from engine.builders.debian.cache import CachedLayer
from engine.builders.debian.files import write_files
from engine.builders.debian.finish import versions
from engine.builders.debian.layer import LayerMade, Times, write_layer
from engine.builders.debian.mmdebstrap import resolve_packages, unpack
from engine.builders.docker_archive import LayerFile, docker_archive
from engine.builders.sources import DebianImage
from engine.client.errors import Unavailable
from engine.oci.digest import Digest
from engine.oci.image import DEFAULT_PATH, ImageConfig
from engine.oci.platform import Platform

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image ready to be loaded: its id, and the archive as a stream that may be read once."""

    config: Digest
    archive: AsyncIterator[bytes]


@asynccontextmanager
async def prepared(
    image: DebianImage, tags: Sequence[str], labels: dict[str, str], *, fresh: bool, say: Say
) -> AsyncIterator[Prepared]:
    """Build what is missing and give the archive; the layer of `files` lives as long as the context.

    `fresh` asks whether newer packages are to be had; else a layer made before is used, and no network is needed.
    """
    base = await base_layer(image, fresh=fresh, say=say)
    layers = [LayerFile(base.path, base.size, base.diff_id.encoded)]
    diff_ids = [base.diff_id]
    with tempfile.TemporaryDirectory(prefix="rorqual-files-") as work:
        if image.files:
            over, size = await anyio.to_thread.run_sync(files_layer, image, base, Path(work, "files.tar"))
            layers.append(LayerFile(Path(work, "files.tar"), size, over.encoded))
            diff_ids.append(over)
        config = config_of(image, base, diff_ids, labels).to_json()
        yield Prepared(Digest.of(config), docker_archive(config, layers, tags))


async def base_layer(image: DebianImage, *, fresh: bool, say: Say) -> CachedLayer:
    folder = cache.folder_of(image)
    async with cache.locked(folder):
        have = cache.newest(folder)
        if have is not None and (not fresh or not await has_news(image, have, say)):
            say(f"debian {image.suite}: {len(have.packages)} packages, unpacked before")
            return have
        return await make_layer(image, folder, say)


async def has_news(image: DebianImage, have: CachedLayer, say: Say) -> bool:
    try:
        return await resolve_packages(image, lambda _: None) != have.packages
    except Unavailable:
        say("the apt sources can't be reached: keeping the packages that are here")
        return False


async def make_layer(image: DebianImage, folder: Path, say: Say) -> CachedLayer:
    work = cache.workplace(folder)
    try:
        times = Times(int(time.time()), epoch())

        def read(stream: IO[bytes], names: Callable[[], frozenset[str]]) -> LayerMade:
            with (work / "layer.tar").open("wb") as target:
                return write_layer(stream, target, names, times)

        made, packages = await unpack(image, read, say)
        return cache.keep(folder, work, made, versions(made.tree) or packages)
    except BaseException:
        cache.discard(work)
        raise


def files_layer(image: DebianImage, base: CachedLayer, target: Path) -> tuple[Digest, int]:
    with target.open("wb") as file:
        return write_files(image.files, base, file, Times(0, epoch()))


def epoch() -> int | None:
    """https://reproducible-builds.org/specs/source-date-epoch/"""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(text) if text.isdigit() else None


def config_of(image: DebianImage, base: CachedLayer, diff_ids: Sequence[Digest], labels: dict[str, str]) -> ImageConfig:
    packages = " ".join(sorted(set(image.packages)))
    created_by = [f"debian {image.suite} {image.variant}: {packages}".rstrip(": "), *(["files"] * (len(diff_ids) - 1))]
    shell = ("/bin/sh",) if image.entrypoint is None and image.cmd is None else image.cmd
    return ImageConfig(
        platform=Platform.of_debian(image.architecture) if image.architecture else Platform.here(),
        diff_ids=tuple(diff_ids),
        created=base.newest,
        created_by=tuple(created_by),
        env={"PATH": DEFAULT_PATH, **image.env},
        user=image.user,
        workdir=image.workdir,
        entrypoint=image.entrypoint,
        cmd=shell,
        labels={**image.labels, **labels},
    )
