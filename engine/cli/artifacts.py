"""Compose files that a registry holds as an artifact (`oci://NAME:TAG`): pulled once, into Docker Compose's folder.

An artifact's folder appears whole or not at all. Nothing that a layer's annotations name is written outside it.
Source: docker/compose, pkg/remote/oci.go and internal/oci (the media types, and what each layer becomes).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import anyio

from engine.api.errors import EngineError
from engine.cli.remote_names import asking
from engine.kit.files import arriving
from engine.oci.digest import Digest
from engine.oci.reference import Reference
from engine.registry.client.remote import INDEXES, Fetched, Remote
from specs.remote import Unfetchable

PROJECT = "application/vnd.docker.compose.project"
YAML = "application/vnd.docker.compose.file+yaml"
ENV_FILE = "application/vnd.docker.compose.envfile"
# The config of an artifact made for registries that know no artifact type.
EMPTY_CONFIG = "application/vnd.docker.compose.config.empty.v1+json"
FILE_NAME, EXTENDED, ENV_NAME = (f"com.docker.compose.{word}" for word in ("file", "extends", "envfile"))
MAIN = "compose.yaml"
LARGEST = 32 << 20
T = TypeVar("T")


def pulled(name: str, cache: Path) -> Path:
    """The folder of the artifact that `oci://…` names, with compose.yaml and what else came. Raises Unfetchable."""
    try:
        reference = Reference.parse(name.removeprefix("oci://")).with_default_tag()
    except ValueError as error:
        raise Unfetchable(f"{name} names no artifact: {error}", "write oci://REGISTRY/NAME:TAG") from None
    try:
        return in_a_loop(lambda: pull(reference, cache))
    except EngineError as error:
        raise Unfetchable(f"can't pull {name}: {error.message}") from error


def in_a_loop(make: Callable[[], Awaitable[T]]) -> T:
    """What `make` gives, in a loop of its own: whoever loads a project may be inside one already."""
    results: list[T] = []
    faults: list[BaseException] = []

    async def run() -> None:
        results.append(await make())

    def work() -> None:
        try:
            anyio.run(run)
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if faults:
        raise faults[0]
    return results[0]


async def pull(reference: Reference, cache: Path) -> Path:
    async with asking(reference.domain, insecure=False) as (registries, auth):
        remote = registries.remote(reference, auth)
        found = await remote.manifest(reference.digest or reference.tag)
        # named by what the tag points to, as Compose names it: both tools find each other's
        root = cache / found.digest.encoded
        if not root.is_dir():
            files = await files_of(remote, await artifact(remote, found, reference), reference)
            with arriving(root) as aside:
                for file, content in files.items():
                    (aside / file).write_bytes(content)
    return root


async def artifact(remote: Remote, found: Fetched, reference: Reference) -> Mapping[str, Any]:
    """The artifact's manifest; of an index that of the project in it."""
    if found.media_type in INDEXES:
        entries = found.document.get("manifests") or ()
        chosen = [one for one in entries if isinstance(one, dict) and one.get("artifactType") == PROJECT]
        if not chosen:
            raise Unfetchable(f"{reference} is an image index, and no Compose project is in it")
        found = await remote.manifest(digest_of(chosen[-1], reference))
    manifest, config = found.document, found.document.get("config") or {}
    kind = manifest.get("artifactType") or ""
    if kind != PROJECT and (kind or config.get("mediaType") != EMPTY_CONFIG):
        what = kind or config.get("mediaType") or found.media_type
        raise Unfetchable(f"{reference} is no Compose project, but {what}", "`docker compose publish` makes one")
    return manifest


async def files_of(remote: Remote, manifest: Mapping[str, Any], reference: Reference) -> dict[str, bytes]:
    """By name: the project's files as documents of one, what they extend, and their env files."""
    files: dict[str, bytes] = {}
    for number, layer in enumerate(manifest.get("layers") or ()):
        kind, notes = layer.get("mediaType"), layer.get("annotations") or {}
        if kind not in {YAML, ENV_FILE}:
            continue
        content = await remote.document(digest_of(layer, reference), layer.get("size"), LARGEST)
        if kind == ENV_FILE:
            files[inside(notes.get(ENV_NAME), reference)] = content
            continue
        file = inside(notes.get(FILE_NAME), reference) if EXTENDED in notes else MAIN
        before = files.get(file, b"") + (b"\n---\n" if number and FILE_NAME in notes and file in files else b"")
        files[file] = before + content
    if MAIN not in files:
        raise Unfetchable(f"{reference} holds no Compose file")
    return files


def digest_of(descriptor: Mapping[str, Any], reference: Reference) -> Digest:
    try:
        return Digest.parse(str(descriptor.get("digest")))
    except ValueError as error:
        raise Unfetchable(f"{reference} is damaged: {error}") from None


def inside(name: object, reference: Reference) -> str:
    """A file's name from an annotation: one without folders, as Compose takes it."""
    if not isinstance(name, str) or not name or name != os.path.basename(name) or name in {".", ".."}:
        raise Unfetchable(f"{reference} names a file that would not lie in its own folder: {name!r}")
    return name
