"""Which images there are and what they are called: all of it in memory, each change recorded as it is made.

A record per image (its parent, when it was tagged), one per name. What an image *is* lies in the content store, under
its id. Names are familiar ones (`nginx:latest`, `localhost:5000/shop/web@sha256:…`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from engine.api.container_config import ContainerConfig
from engine.api.errors import Conflict, InvalidArgument, NotFound, SystemFailure
from engine.daemon.content.blobs import Blobs
from engine.daemon.protocols import ImageRecord, Store
from engine.daemon.snapshots.layers import Layers, chain_id_of
from engine.oci.digest import Digest
from engine.oci.reference import Reference

IMAGE, NAME = "image", "image-name"
HEX = re.compile(r"[a-f0-9]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Known:
    """What is recorded of an image beside its content. `manifest` is the descriptor that it was pulled by."""

    parent: str = ""
    comment: str = ""
    container: str = ""
    tagged_at: float = 0.0
    manifest: Mapping[str, Any] | None = None


class ImageIndex:
    def __init__(self, store: Store, blobs: Blobs, layers: Layers) -> None:
        self._store = store
        self._blobs = blobs
        self._layers = layers
        self._names: dict[str, str] = dict(store.list(NAME))
        self._images: dict[str, ImageRecord] = {}
        self.broken: dict[str, str] = {}
        for id, record in store.list(IMAGE).items():
            try:
                self._images[id] = self._read(id, Known(**record))
            except (SystemFailure, NotFound, InvalidArgument) as error:
                # its names stay, so that pulling or loading it again mends it
                self.broken[id] = error.message
        self._known = {id: Known(**record) for id, record in store.list(IMAGE).items()}

    def _read(self, id: str, known: Known) -> ImageRecord:
        document = document_of(self._blobs.get(Digest.parse(id)))
        record = record_of(id, document, known, self._layers)
        return self._named(record)

    def _named(self, record: ImageRecord) -> ImageRecord:
        mine = sorted(name for name, id in self._names.items() if id == record.id)
        names = tuple(name for name in mine if "@" not in name)
        return replace(record, names=names, digests=tuple(name for name in mine if "@" in name))

    # --- reading
    def all(self) -> list[ImageRecord]:
        return list(self._images.values())

    def ids(self) -> frozenset[str]:
        return frozenset(self._images)

    def known(self, id: str) -> Known:
        return self._known[id]

    def find(self, reference: str) -> ImageRecord | None:
        text = reference.removeprefix("sha256:")
        if HEX.fullmatch(text) and len(text) == 64 and f"sha256:{text}" in self._images:
            return self._images[f"sha256:{text}"]
        if named := self.id_of_name(reference):
            return self._images.get(named)
        if not HEX.fullmatch(text):
            return None
        found = [image for id, image in self._images.items() if id.startswith(f"sha256:{text}")]
        if len(found) > 1:
            raise Conflict(f'the id "{reference}" fits {len(found)} images: write more of it')
        return found[0] if found else None

    def get(self, reference: str) -> ImageRecord:
        found = self.find(reference)
        if found is None:
            raise NotFound(f"No such image: {spoken(reference)}")
        return found

    def id_of_name(self, reference: str) -> str | None:
        """The id that a name or digest reference stands for. A tag beside a digest says nothing."""
        try:
            parsed = Reference.parse(reference)
        except ValueError:
            return None
        if parsed.digest is not None:
            return self._names.get(Reference(parsed.domain, parsed.path, "", parsed.digest).familiar)
        return self._names.get(parsed.with_default_tag().familiar)

    def name_fitting(self, reference: str) -> str | None:
        """The familiar name that a reference names literally; None when it is an id."""
        try:
            parsed = Reference.parse(reference)
        except ValueError:
            return None
        if parsed.digest is not None:
            parsed = Reference(parsed.domain, parsed.path, "", parsed.digest)
        familiar = parsed.with_default_tag().familiar
        return familiar if familiar in self._names else None

    def children(self, id: str) -> list[ImageRecord]:
        return [image for image in self._images.values() if image.parent == id]

    def tops(self) -> set[str]:
        return {image.top for image in self._images.values() if image.top is not None}

    def digests_in_use(self) -> set[Digest]:
        """Every blob that an image needs: its config, its manifest and what that names."""
        return {digest for id in self._known for digest in self.blobs_of(id)}

    def blobs_of(self, id: str) -> list[Digest]:
        """The blobs of one image, readable or not."""
        manifest = self._known[id].manifest or {}
        return [Digest.parse(digest) for digest in (id, *manifest.get("blobs", ()))]

    def known_ids(self) -> list[str]:
        """Those that can't be read too."""
        return list(self._known)

    def called(self, id: str) -> str:
        """What a person calls the image, readable or not: a name of it, else its id."""
        return min((name for name, owner in self._names.items() if owner == id), default=id)

    # --- a check's
    def unrecorded(self) -> list[str]:
        """Images whose record, or a name of theirs, is not in the store any more."""
        records, names = self._store.list(IMAGE), self._store.list(NAME)
        nameless = {id for name, id in self._names.items() if names.get(name) != id}
        return sorted({id for id in self._known if id not in records} | (nameless & self._known.keys()))

    def record_again(self, id: str) -> None:
        if id in self._known:
            with self._store.transaction():
                self._know(id, self._known[id])
                for name in [name for name, owner in self._names.items() if owner == id]:
                    self._store.put(NAME, name, id)

    # --- changing
    def add(self, id: str, content: bytes, known: Known) -> tuple[ImageRecord, bool]:
        """The image whose config `content` is already in the content store; again, the same → (image, whether new)."""
        if id in self._images:
            if known.manifest is not None:
                self._know(id, replace(self._known[id], manifest=known.manifest))
            return self._images[id], False
        record = record_of(id, document_of(content), known, self._layers)
        self._know(id, known)
        self._images[id] = self._named(record)
        self.broken.pop(id, None)
        return self._images[id], True

    def _know(self, id: str, known: Known) -> None:
        fields = {name: getattr(known, name) for name in Known.__slots__}
        self._store.put(IMAGE, id, fields)
        self._known[id] = known

    def name(self, id: str, name: str, *, now: float) -> str | None:
        """Give the image a familiar name → the id that had it before."""
        before = self._names.get(name)
        with self._store.transaction():
            self._store.put(NAME, name, id)
            self._know(id, replace(self._known[id], tagged_at=now))
        self._names[name] = id
        self._images[id] = replace(self._named(self._images[id]), tagged_at=now)
        if before is not None and before != id and before in self._images:
            self._images[before] = self._named(self._images[before])
        return before

    def unname(self, name: str) -> None:
        id = self._names.pop(name)
        self._store.delete(NAME, name)
        if id in self._images:
            self._images[id] = self._named(self._images[id])

    def drop(self, id: str) -> None:
        """Forget the image and its names; layers and blobs are for the collector."""
        with self._store.transaction():
            for name in [name for name, owner in self._names.items() if owner == id]:
                self._store.delete(NAME, name)
                del self._names[name]
            self._store.delete(IMAGE, id)
        del self._images[id]
        del self._known[id]


def spoken(reference: str) -> str:
    """As dockerd repeats what it has not: with the tag that is meant. Raises InvalidArgument for what is no name."""
    if reference.startswith("sha256:") or (HEX.fullmatch(reference) and len(reference) == 64):
        return reference
    try:
        return Reference.parse(reference).with_default_tag().familiar
    except ValueError as error:
        raise InvalidArgument(f"invalid reference format: {error}") from None


def document_of(content: bytes) -> dict[str, Any]:
    """An image's JSON. Raises InvalidArgument for one that can't be an image's."""
    try:
        document = json.loads(content)
        diff_ids = document["rootfs"]["diff_ids"] or []
        if not isinstance(document.get("config") or {}, dict):
            raise TypeError
        for diff_id in diff_ids:
            Digest.parse(diff_id)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument(f"the image's configuration can't be read: {error!r}") from error
    document["rootfs"]["diff_ids"] = diff_ids
    return dict(document)


def record_of(id: str, document: Mapping[str, Any], known: Known, layers: Layers) -> ImageRecord:
    """Raises NotFound when one of its layers is not there."""
    diff_ids = tuple(document["rootfs"]["diff_ids"])
    chain_ids = chain_ids_of(diff_ids)
    sizes = tuple(layers.get(chain_id).size for chain_id in chain_ids)
    return ImageRecord(
        id=id,
        names=(),
        digests=(),
        config=cast(ContainerConfig, document.get("config") or {}),
        document=document,
        diff_ids=diff_ids,
        chain_ids=chain_ids,
        size=sum(sizes),
        layer_sizes=sizes,
        parent=known.parent,
        comment=known.comment or str(document.get("comment") or ""),
        tagged_at=known.tagged_at,
    )


def chain_ids_of(diff_ids: Iterable[str]) -> tuple[str, ...]:
    """From the base up."""
    found: list[str] = []
    for diff_id in diff_ids:
        found.append(chain_id_of(found[-1] if found else "", diff_id))
    return tuple(found)
