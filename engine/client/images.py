"""Images: looked at by ImageReader, moved, made and removed by ImageWriter."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.api.errors import InvalidArgument, SystemFailure
from engine.client.calls import Calls, Filters, Query, filters_of, reference_in_path
from engine.client.streams import JsonLines, Pieces, check_progress, progress_error
from engine.credentials.config import ConfigFile, Credentials, CredentialsFault, header

if TYPE_CHECKING:
    # For annotations only: making the shapes' classes costs 10 ms.
    from engine.api.images import (
        BuildCachePruned,
        BuildOptions,
        DistributionInspect,
        ImageFound,
        ImageInspect,
        ImageLayer,
        ImageRemoved,
        ImagesPruned,
        ImageSummary,
        Progress,
    )

    # Inside the classes, `list` is the call.
    Summaries: TypeAlias = list[ImageSummary]
    Layers: TypeAlias = list[ImageLayer]
    FoundImages: TypeAlias = list[ImageFound]
    Removed: TypeAlias = list[ImageRemoved]

Body: TypeAlias = bytes | AsyncIterable[bytes]
TAR = {"content-type": "application/x-tar"}


class ImageReader:
    """`environment` is where the user's config.json is looked for when a call names no credentials."""

    def __init__(self, calls: Calls, environment: Mapping[str, str]) -> None:
        self._calls = calls
        self._environment = environment

    async def list(self, *, all: bool = False, filters: Filters | None = None, digests: bool = False) -> Summaries:
        """Images with names or without children; every layer's with `all`."""
        found: Summaries | None = await self._calls.get(
            "/images/json", all=all or None, filters=filters_of(filters), digests=digests or None
        )
        # Podman's word for none
        return found or []

    async def inspect(self, image: str) -> ImageInspect:
        found: ImageInspect = await self._calls.get(f"/images/{reference_in_path(image)}/json")
        return found

    async def history(self, image: str) -> Layers:
        """Newest first."""
        found: Layers = await self._calls.get(f"/images/{reference_in_path(image)}/history")
        return found

    async def search(self, term: str, *, limit: int | None = None, filters: Filters | None = None) -> FoundImages:
        found: FoundImages = await self._calls.get(
            "/images/search", term=term, limit=limit, filters=filters_of(filters)
        )
        return found

    async def distribution(self, image: str, *, auth: Credentials | None = None) -> DistributionInspect:
        """What the registry holds under the name, without pulling it."""
        _, content = await self._calls.fetch(
            "GET", f"/distribution/{reference_in_path(image)}/json", headers=await self._auth(image, auth)
        )
        found: DistributionInspect = json.loads(content)
        return found

    @asynccontextmanager
    async def save(self, *images: str) -> AsyncIterator[Pieces]:
        """A tar of the images, as `load` takes it."""
        async with self._calls.stream("GET", "/images/get", query={"names": images}) as response:
            yield Pieces(response, self._calls.address)

    async def _auth(self, image: str, auth: Credentials | None) -> dict[str, str]:
        try:
            known = auth if auth is not None else await ConfigFile.read(self._environment).auth_for(image)
        except CredentialsFault as error:
            raise InvalidArgument(str(error)) from error
        return {} if known is None else {"x-registry-auth": header(known)}

    @asynccontextmanager
    async def _progress(
        self, path: str, query: Query, *, body: Body = b"", headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[JsonLines[Progress]]:
        try:
            async with self._calls.stream("POST", path, query=query, body=body, headers=headers) as response:
                yield JsonLines(response, self._calls.address, check_progress)
        except SystemFailure as error:
            # A registry that fails before the first line makes a plain 500: the same words, the same class.
            raise progress_error(error.message, 0) from None


class ImageWriter(ImageReader):
    @asynccontextmanager
    async def pull(
        self, image: str, *, platform: str | None = None, auth: Credentials | None = None, all_tags: bool = False
    ) -> AsyncIterator[JsonLines[Progress]]:
        """No tag or digest means `latest`, or with `all_tags` every one.

        The lines must be read to their end: reading finds the failure.
        """
        name, tag = (image, "") if all_tags else split_tag(image)
        query = {"fromImage": name, "tag": tag, "platform": platform}
        async with self._progress("/images/create", query, headers=await self._auth(image, auth)) as lines:
            yield lines

    @asynccontextmanager
    async def push(self, image: str, *, auth: Credentials | None = None) -> AsyncIterator[JsonLines[Progress]]:
        name, tag = split_tag(image)
        # Docker insists on the header, be it empty.
        headers = {"x-registry-auth": header(None), **await self._auth(image, auth)}
        async with self._progress(f"/images/{reference_in_path(name)}/push", {"tag": tag}, headers=headers) as lines:
            yield lines

    async def tag(self, image: str, repository: str, tag: str = "latest") -> None:
        await self._calls.act(f"/images/{reference_in_path(image)}/tag", repo=repository, tag=tag)

    async def remove(self, image: str, *, force: bool = False, noprune: bool = False) -> Removed:
        """Take the name away, and the image with its last name."""
        removed: Removed = await self._calls.delete(
            f"/images/{reference_in_path(image)}", force=force or None, noprune=noprune or None
        )
        return removed

    @asynccontextmanager
    async def build(
        self,
        context: Body,
        options: BuildOptions,
        *,
        auths: Mapping[str, Credentials] | None = None,
        content_type: str = TAR["content-type"],
    ) -> AsyncIterator[JsonLines[Progress]]:
        """The engine's own builder on a tar; `auths` None = everything in the user's config.json.

        `content_type` is another for the extension that the capability build_extension speaks of.
        """
        if auths is None:
            try:
                auths = await ConfigFile.read(self._environment).all_auths()
            except CredentialsFault as error:
                raise InvalidArgument(str(error)) from error
        headers = {"content-type": content_type, "x-registry-config": header(auths)}
        async with self._progress("/build", build_query(options), body=context, headers=headers) as lines:
            yield lines

    @asynccontextmanager
    async def load(self, body: Body, *, quiet: bool = False) -> AsyncIterator[JsonLines[Progress]]:
        """Images from a tar of `save` or `docker save`."""
        async with self._progress("/images/load", {"quiet": quiet}, body=body, headers=TAR) as lines:
            yield lines

    @asynccontextmanager
    async def import_(
        self,
        body: Body,
        *,
        repository: str,
        tag: str | None = None,
        message: str | None = None,
        changes: Sequence[str] = (),
        platform: str | None = None,
    ) -> AsyncIterator[JsonLines[Progress]]:
        """One image of one layer from the tar of a root file system; the last line's status is its id.

        Podman 4.3 names it `repository:latest` whatever `tag` says: tag it by its id there.
        """
        query = {
            "fromSrc": "-",
            "repo": repository,
            "tag": tag,
            "message": message,
            "changes": [*changes],
            "platform": platform,
        }
        async with self._progress("/images/create", query, body=body, headers=TAR) as lines:
            yield lines

    async def prune(self, *, filters: Filters | None = None) -> ImagesPruned:
        pruned: ImagesPruned = await self._calls.post("/images/prune", filters=filters_of(filters))
        return pruned

    async def prune_build_cache(self, *, all: bool = False, filters: Filters | None = None) -> BuildCachePruned:
        pruned: BuildCachePruned = await self._calls.post("/build/prune", all=all or None, filters=filters_of(filters))
        return pruned


def split_tag(image: str) -> tuple[str, str | None]:
    """`host:5000/a/b:1` → (`host:5000/a/b`, `1`); a digest is its own tag to the API; no tag is `latest`."""
    name, _, digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, "latest"
    return head, digest or tag


def build_query(options: BuildOptions) -> dict[str, Any]:
    """Maps and the lists that the API wants as JSON are written so; `t` and `extrahosts` repeat."""
    query: dict[str, Any] = dict(options)
    for name in ("buildargs", "labels", "cachefrom", "cacheimport", "cacheexport", "ulimits"):
        if name in query:
            query[name] = json.dumps(query[name])
    return query
