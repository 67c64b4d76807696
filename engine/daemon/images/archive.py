"""Images in a tar: what `docker save` writes (with a manifest.json), or an OCI layout (with an index.json).

The stream is read once: each layer is unpacked as it comes by, and what an image is made of is known when the end is
reached. Runs in a thread. Source: OCI image-spec v1.1, image-layout.md; moby, image/spec/v1.2.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.api.errors import InvalidArgument
from engine.daemon.snapshots.intake import Hashed
from engine.daemon.snapshots.layers import Fresh, Layers
from engine.daemon.snapshots.streams import PIECE, Next, Pieces, is_packed, unpacked
from engine.daemon.snapshots.tarread import BLOCK, TarFault, TarReader, is_tar
from engine.oci.platform import Platform
from engine.oci.reference import Reference

BLOBS = "blobs/sha256/"
LARGEST_DOCUMENT = 4 << 20
MOST_DOCUMENTS = 64 << 20
INDEXES = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One image of the archive. `layers` are the DiffIDs, base first; each is unpacked or was there before."""

    config: bytes
    names: tuple[str, ...]
    layers: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"


@dataclass(slots=True)
class Contents:
    documents: dict[str, bytes] = field(default_factory=dict)
    # member → the DiffID of the layer that it is
    diff_ids: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def actual(self, name: str) -> str:
        name = posixpath.normpath(name).lstrip("/")
        for _ in range(10):
            if name not in self.aliases:
                break
            name = self.aliases[name]
        return name

    def document(self, name: str) -> Any:
        content = self.raw(name)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise InvalidArgument(f"{name} in the archive can't be read: {error}") from error

    def raw(self, name: str) -> bytes:
        try:
            return self.documents[self.actual(name)]
        except KeyError:
            raise InvalidArgument(f"the archive names {name}, but has it not") from None


class ArchiveReader:
    """Reads one archive into `layers`. `fresh` are the layers that it unpacked: the caller chains or discards them."""

    def __init__(self, layers: Layers, told: Callable[[str, int], None]) -> None:
        """`told` is called with each layer's DiffID and size when it is unpacked."""
        self._layers = layers
        self._told = told
        self._held = 0
        self._contents = Contents()
        self.fresh: dict[str, Fresh] = {}

    def read(self, packed: Next, platform: Platform) -> list[Found]:
        """Raises InvalidArgument for what is no archive of images."""
        try:
            reader = TarReader(Pieces(unpacked(Pieces(packed))))
            for entry in reader:
                name = posixpath.normpath(entry.name.decode("utf-8", "replace")).lstrip("/")
                if entry.kind in b"12":
                    target = entry.target.decode("utf-8", "replace")
                    folder = "" if entry.kind == 0x31 else posixpath.dirname(name)
                    self._contents.aliases[name] = posixpath.normpath(posixpath.join(folder, target)).lstrip("/")
                elif entry.size:
                    self._member(name, entry.size, reader)
        except TarFault as error:
            raise InvalidArgument(f"the archive can't be read: {error}") from error
        return list(self._images(platform))

    def _member(self, name: str, size: int, reader: TarReader) -> None:
        digest = name.removeprefix(BLOBS) if name.startswith(BLOBS) else ""
        whole = Hashed(lambda: reader.content(PIECE))
        # a member whose name is no digest needs none
        pieces = Pieces(whole.next if digest else lambda: reader.content(PIECE))
        head = pieces.peek(BLOCK)
        if digest and self._layers.has_diff(f"sha256:{digest}"):
            # there already, under the digest of its very bytes: nothing of it is looked at
            self._contents.diff_ids[name] = f"sha256:{digest}"
            return
        if is_packed(head) or (is_tar(head) and size >= BLOCK):
            fresh = self._layers.unpack(pieces.next)
            self._contents.diff_ids[name] = fresh.diff_id
            self.fresh.setdefault(fresh.diff_id, fresh)
            if self.fresh[fresh.diff_id] is not fresh:
                self._layers.discard(fresh)
            while pieces.next():
                pass
            self._told(fresh.diff_id, size)
        elif size <= LARGEST_DOCUMENT:
            self._held += size
            if self._held > MOST_DOCUMENTS:
                raise TarFault("it holds too many files that are no layers")
            self._contents.documents[name] = pieces.take(size)
        else:
            return
        if digest and digest != whole.digest():
            raise TarFault(f"{name} has the digest {whole.digest()}: it is damaged")

    def _images(self, platform: Platform) -> Iterator[Found]:
        documents = self._contents.documents
        if "manifest.json" in documents:
            yield from self._docker()
        elif "index.json" in documents:
            index = self._contents.document("index.json")
            if not isinstance(index, dict) or not isinstance(index.get("manifests"), list):
                raise InvalidArgument("the archive's index.json can't be read: it must have a list of manifests")
            for descriptor in index["manifests"]:
                yield from self._oci(descriptor, platform, ())
        else:
            raise InvalidArgument("the archive holds no images: it has neither a manifest.json nor an index.json")

    def _docker(self) -> Iterator[Found]:
        manifest = self._contents.document("manifest.json")
        try:
            for item in manifest:
                names = tuple(name for tag in item.get("RepoTags") or () if (name := familiar(tag)))
                yield self._found(self._contents.raw(item["Config"]), names, list(item.get("Layers") or ()))
        except (TypeError, KeyError, AttributeError) as error:
            raise InvalidArgument(f"manifest.json in the archive can't be read: {error!r}") from error

    def _oci(self, descriptor: Any, platform: Platform, names: tuple[str, ...]) -> Iterator[Found]:
        try:
            names = names or names_of(descriptor.get("annotations") or {})
            document = self._contents.document(BLOBS + descriptor["digest"].removeprefix("sha256:"))
            if descriptor.get("mediaType") in INDEXES or "manifests" in document:
                chosen = choose(document["manifests"], platform)
                yield from self._oci(chosen, platform, names)
                return
            layers = [BLOBS + layer["digest"].removeprefix("sha256:") for layer in document["layers"]]
            config = self._contents.raw(BLOBS + document["config"]["digest"].removeprefix("sha256:"))
        except (TypeError, KeyError, AttributeError) as error:
            raise InvalidArgument(f"the archive's OCI index can't be read: {error!r}") from error
        yield self._found(config, names, layers)

    def _found(self, config: bytes, names: tuple[str, ...], members: list[str]) -> Found:
        """What the archive holds must be what the config says (the order of the layers included)."""
        try:
            said = json.loads(config)["rootfs"]["diff_ids"] or []
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidArgument(f"the image's configuration can't be read: {error!r}") from error
        if len(said) != len(members):
            raise InvalidArgument(f"the image has {len(said)} layers by its configuration and {len(members)} here")
        for diff_id, member in zip(said, members, strict=True):
            found = self._contents.diff_ids.get(self._contents.actual(member))
            if found is None and not self._layers.has_diff(diff_id):
                raise InvalidArgument(f"the archive names the layer {member}, but has it not")
            if found not in (None, diff_id):
                raise InvalidArgument(f"the layer {member} has the DiffID {found}, not {diff_id} as its image says")
        return Found(config, names, tuple(said))


def familiar(tag: str) -> str | None:
    try:
        return Reference.parse(tag).with_default_tag().familiar
    except ValueError:
        return None


def names_of(annotations: dict[str, str]) -> tuple[str, ...]:
    """containerd's full name, else the OCI ref name where it is a whole name and not a mere tag."""
    name = annotations.get("io.containerd.image.name") or annotations.get("org.opencontainers.image.ref.name") or ""
    found = familiar(name) if "/" in name or ":" in name else None
    return (found,) if found else ()


def choose(manifests: list[dict[str, Any]], platform: Platform) -> dict[str, Any]:
    """The manifest for this machine. Raises InvalidArgument."""
    for descriptor in manifests:
        said = descriptor.get("platform") or {}
        if said.get("os", platform.os) == platform.os and said.get("architecture") in (None, platform.architecture):
            return descriptor
    raise InvalidArgument(f"the archive holds no image for {platform}")
