"""Images out of archives: docker save, OCI layout (tar or folder), plain root file system; found out by looking inside.

Everything becomes one docker-archive stream, which every engine's `/images/load` takes. Layers are sent as they lie in
the file; only an archive that is compressed as a whole is unpacked first, beside the system's temporary files.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.builders.docker_archive import LayerFile
from engine.builders.sources import ArchiveImage
from engine.client.errors import InvalidArgument
from engine.oci.digest import Digest
from engine.oci.image import DEFAULT_PATH, ImageConfig
from engine.oci.platform import Platform
from engine.oci.reference import Reference

INDEX_TYPES = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
}
REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"
# A JSON document in an archive that is longer is not what its name says.
LONGEST_DOCUMENT = 4 << 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """One image of an archive: its config's bytes, and where each layer lies."""

    config: bytes
    layers: tuple[LayerFile, ...]

    @property
    def id(self) -> Digest:
        return Digest.of(self.config)


class Holder(Protocol):
    """Where an archive's files are: a tar or a folder."""

    def names(self) -> list[str]: ...

    def place(self, name: str) -> LayerFile: ...


class TarHolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        with tarfile.open(path, "r:") as archive:
            members = {member.name.removeprefix("./"): member for member in archive if not member.isdir()}
        self.members = members

    def names(self) -> list[str]:
        return list(self.members)

    def place(self, name: str) -> LayerFile:
        member = self.members.get(name)
        if member is not None and (member.issym() or member.islnk()):
            # old docker save links equal layers to one another
            target = Path(name).parent / member.linkname if member.issym() else Path(member.linkname)
            member = self.members.get(normal(target))
        if member is None or not member.isreg():
            raise InvalidArgument(f"{self.path}: the archive names {name} but doesn't hold it")
        return LayerFile(self.path, member.size, name, member.offset_data)


class FolderHolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        return [name for name in ("index.json", "oci-layout") if (self.path / name).is_file()]

    def place(self, name: str) -> LayerFile:
        path = self.path / name
        if ".." in Path(name).parts or not path.is_file():
            raise InvalidArgument(f"{self.path}: the layout names {name} but doesn't hold it")
        return LayerFile(path, path.stat().st_size, name)


def normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)


@contextmanager
def opened(image: ArchiveImage, platform: Platform) -> Iterator[Unpacked]:
    """The image that `ref` (or being the only one) chooses. Blocking; the layers' files live as long as the context.

    Raises InvalidArgument naming the archive, its fault and, for a choice, the names it holds.
    """
    if not image.path.exists():
        raise InvalidArgument(f"{image.path}: no such archive")
    with tempfile.TemporaryDirectory(prefix="rorqual-archive-") as work:
        try:
            yield unpack(image, platform, Path(work))
        except (tarfile.TarError, gzip.BadGzipFile, EOFError) as error:
            raise InvalidArgument(f"{image.path}: is not a readable archive: {error}") from None
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise InvalidArgument(f"{image.path}: its index can't be understood: {error!r}") from None


def unpack(image: ArchiveImage, platform: Platform, work: Path) -> Unpacked:
    if image.path.is_dir():
        holder: Holder = FolderHolder(image.path)
        if "index.json" not in holder.names():
            raise InvalidArgument(f"{image.path}: is a folder but no OCI layout (it has no index.json)")
        return from_layout(image, holder, platform)
    plain = uncompressed(image.path, work)
    holder = TarHolder(plain)
    names = set(holder.names())
    if "manifest.json" in names:
        return from_docker(image, holder)
    if "index.json" in names and "oci-layout" in names:
        return from_layout(image, holder, platform)
    return from_root(image, plain, platform)


def uncompressed(path: Path, work: Path) -> Path:
    with path.open("rb") as file:
        magic = file.read(6)
    if magic[:2] == b"\x1f\x8b":
        with gzip.open(path) as packed, (work / "archive.tar").open("wb") as target:
            shutil.copyfileobj(packed, target, 1 << 20)
        return work / "archive.tar"
    for name, start in (("zstd", b"\x28\xb5\x2f\xfd"), ("xz", b"\xfd7zXZ\0"), ("bzip2", b"BZh")):
        if magic.startswith(start):
            raise InvalidArgument(f"{path}: is packed with {name}; unpack it first, or pack it with gzip")
    return path


def document(holder: Holder, name: str) -> Any:
    return json.loads(content(holder, name))


def content(holder: Holder, name: str) -> bytes:
    place = holder.place(name)
    if place.size > LONGEST_DOCUMENT:
        raise InvalidArgument(f"{place.path}: {name} is too long to be an index ({place.size} bytes)")
    with place.path.open("rb") as file:
        file.seek(place.offset)
        return file.read(place.size)


def from_docker(image: ArchiveImage, holder: Holder) -> Unpacked:
    """docker save: manifest.json lists the images with their names."""
    manifest: list[Mapping[str, Any]] = document(holder, "manifest.json")
    chosen = choose(image, [(entry, entry.get("RepoTags") or []) for entry in manifest])
    layers = [holder.place(name) for name in chosen["Layers"]]
    return Unpacked(content(holder, chosen["Config"]), named_apart(layers))


def from_layout(image: ArchiveImage, holder: Holder, platform: Platform) -> Unpacked:
    """index.json → (an index →) a manifest → config and layers. Source: OCI image-spec v1.1, image-layout.md."""
    index: list[Mapping[str, Any]] = document(holder, "index.json")["manifests"]
    chosen = choose(image, [(entry, names_of(entry)) for entry in index])
    while chosen.get("mediaType") in INDEX_TYPES:
        inner: list[Mapping[str, Any]] = document(holder, blob(chosen))["manifests"]
        chosen = of_platform(image, inner, platform)
    manifest: Mapping[str, Any] = document(holder, blob(chosen))
    layers = [holder.place(blob(layer)) for layer in manifest["layers"]]
    return Unpacked(content(holder, blob(manifest["config"])), named_apart(layers))


def names_of(entry: Mapping[str, Any]) -> list[str]:
    annotations: Mapping[str, str] = entry.get("annotations") or {}
    return [annotations[key] for key in (IMAGE_NAME, REF_NAME) if annotations.get(key)]


def blob(descriptor: Mapping[str, Any]) -> str:
    digest = Digest.parse(descriptor["digest"])
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def of_platform(image: ArchiveImage, entries: Sequence[Mapping[str, Any]], platform: Platform) -> Mapping[str, Any]:
    held = []
    for entry in entries:
        said: Mapping[str, str] = entry.get("platform") or {}
        this = Platform(said.get("os", ""), said.get("architecture", ""), said.get("variant", ""))
        if (this.os, this.architecture) == (platform.os, platform.architecture):
            return entry
        held.append(str(this))
    raise InvalidArgument(f"{image.path}: holds nothing for {platform}, only {', '.join(held) or 'no platform'}")


def from_root(image: ArchiveImage, path: Path, platform: Platform) -> Unpacked:
    """A plain root file system: one layer, a config with nothing but PATH."""
    if image.ref is not None:
        raise InvalidArgument(
            f'{image.path}: is a plain root file system, which has no names: remove ref "{image.ref}"'
        )
    with path.open("rb") as file:
        diff_id = Digest("sha256", hashlib.file_digest(file, "sha256").hexdigest())
    config = ImageConfig(platform, (diff_id,), 0, (f"archive {image.path.name}",), {"PATH": DEFAULT_PATH})
    return Unpacked(config.to_json(), (LayerFile(path, path.stat().st_size, diff_id.encoded),))


def choose(image: ArchiveImage, entries: Sequence[tuple[Mapping[str, Any], Sequence[str]]]) -> Mapping[str, Any]:
    held = [name for _, names in entries for name in names]
    if image.ref is None:
        if len(entries) == 1:
            return entries[0][0]
        raise InvalidArgument(f"{image.path}: holds {len(entries)} images; choose one with ref: {', '.join(held)}")
    for entry, names in entries:
        if any(same_name(name, image.ref) for name in names):
            return entry
    raise InvalidArgument(
        f'{image.path}: holds no image "{image.ref}", only {", ".join(held) or "images without names"}'
    )


def same_name(one: str, other: str) -> bool:
    """A layout may name an image by its tag alone."""
    if one == other or (":" not in other and one.endswith(f":{other}")):
        return True
    try:
        return Reference.parse(one).with_default_tag() == Reference.parse(other).with_default_tag()
    except ValueError:
        return False


def named_apart(layers: Sequence[LayerFile]) -> tuple[LayerFile, ...]:
    """Names for the new archive: by position, since equal layers may follow one another."""
    return tuple(LayerFile(layer.path, layer.size, f"{at:03}", layer.offset) for at, layer in enumerate(layers))
