"""An image's files and the image itself, written on this machine instead of kept on the engine: `--output`.

Made from what the engine saves, so it works on every engine. Blocking, but for `saved`.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO

import anyio

from engine.builders.archive import Unpacked, opened
from engine.builders.docker_archive import LayerFile
from engine.builders.sources import ArchiveImage
from engine.client.session import Engine
from engine.oci.digest import Digest
from engine.oci.platform import Platform

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE, LAYER_TYPE = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"
PACKED = {b"\x1f\x8b": "+gzip", b"\x28\xb5": "+zstd"}


@asynccontextmanager
async def saved(engine: Engine, image: str) -> AsyncIterator[Path]:
    """The archive that the engine saves, in a file that lives as long as the block."""
    with tempfile.TemporaryDirectory(prefix="rorqual-output-") as folder:
        path = Path(folder, "image.tar")
        async with engine.images.save(image) as pieces, await anyio.open_file(path, "wb") as file:
            async for piece in pieces:
                await file.write(piece)
        yield path


@dataclass(slots=True)
class Files:
    """What the layers come to, one over the other: path → (where its content is, its header)."""

    entries: dict[str, tuple[tarfile.TarFile, tarfile.TarInfo]] = field(default_factory=dict)

    def add(self, layer: tarfile.TarFile) -> None:
        own: set[str] = set()
        for member in layer:
            path = posixpath.normpath(f"/{member.name}").lstrip("/")
            above, _, name = path.rpartition("/")
            if name == OPAQUE:
                self._forget(above, own)
            elif name.startswith(WHITEOUT):
                self._forget(posixpath.join(above, name[len(WHITEOUT) :]), own, itself=True)
            elif path:
                self._put(layer, member, path, own)

    def _put(self, layer: tarfile.TarFile, member: tarfile.TarInfo, path: str, own: set[str]) -> None:
        if not member.isdir():
            self._forget(path, own, itself=True)
        where, header = layer, copy(member)
        if member.islnk():
            # the file that it names may be replaced by a layer above: the content is what stays
            target = posixpath.normpath(f"/{member.linkname}").lstrip("/")
            where, found = self.entries.get(target, (layer, member))
            header = copy(found)
        header.name = path
        self.entries[path] = where, header
        own.add(path)

    def _forget(self, path: str, own: set[str], *, itself: bool = False) -> None:
        """What lower layers have there; not what this one has put there already."""
        below = f"{path}/" if path else ""
        for known in [one for one in self.entries if one.startswith(below) or (itself and one == path)]:
            if known not in own and (known != path or itself):
                del self.entries[known]

    def members(self) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
        """In the order of names, so that a folder comes before what is in it."""
        for path in sorted(self.entries):
            layer, header = self.entries[path]
            yield header, layer.extractfile(header) if header.isreg() else None


class Window(io.RawIOBase):
    """A part of a file as a file."""

    def __init__(self, part: LayerFile) -> None:
        self._file = part.path.open("rb")
        self._start, self._size, self._at = part.offset, part.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # what io calls it with
        self._file.seek(self._start + self._at)
        piece = self._file.read(min(len(buffer), max(self._size - self._at, 0)))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def files_of(image: Unpacked) -> Iterator[Files]:
    """Readable within the block."""
    files = Files()
    with ExitStack() as stack:
        for part in image.layers:
            window = stack.enter_context(io.BufferedReader(Window(part)))
            files.add(stack.enter_context(tarfile.open(fileobj=window, mode="r:*")))
        yield files


def write_files(archive: Path, platform: Platform, out: BinaryIO) -> None:
    """The image's files as one tar."""
    with (
        opened(ArchiveImage(archive), platform) as image,
        files_of(image) as files,
        tarfile.open(fileobj=out, mode="w|") as tar,
    ):
        for header, content in files.members():
            tar.addfile(header, content)


def unpack_files(archive: Path, platform: Platform, folder: Path) -> None:
    """The image's files in a folder, as this user's; devices are left out. Nothing is written outside it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as whole:
        write_files(archive, platform, whole)
        whole.seek(0)
        with tarfile.open(fileobj=whole) as tar:
            wanted = [member for member in tar if not (member.isdev() or member.isfifo())]
            for member in wanted:
                member.uid = member.gid = -1
                member.uname = member.gname = ""
            tar.extractall(folder, wanted, filter="tar")


def write_layout(archive: Path, platform: Platform, name: str, out: BinaryIO) -> None:
    """The image as an OCI layout in a tar. Source: OCI image-spec v1.1, image-layout.md."""
    with opened(ArchiveImage(archive), platform) as image, tarfile.open(fileobj=out, mode="w|") as tar:
        layers = [put_layer(tar, part) for part in image.layers]
        config = put_blob(tar, image.config, CONFIG_TYPE)
        document = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": layers}
        manifest = put_blob(tar, json.dumps(document).encode(), MANIFEST_TYPE)
        if name:
            manifest["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
        put(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
        put(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')


def put_layer(tar: tarfile.TarFile, part: LayerFile) -> dict[str, object]:
    with io.BufferedReader(Window(part)) as content:
        packed = PACKED.get(content.peek(2)[:2], "")
        digest = Digest("sha256", hashlib.file_digest(content, "sha256").hexdigest())
        content.seek(0)
        header = tarfile.TarInfo(f"blobs/sha256/{digest.encoded}")
        header.size = part.size
        tar.addfile(header, content)
    return {"mediaType": LAYER_TYPE + packed, "digest": str(digest), "size": part.size}


def put_blob(tar: tarfile.TarFile, content: bytes, media_type: str) -> dict[str, object]:
    digest = Digest.of(content)
    put(tar, f"blobs/sha256/{digest.encoded}", content)
    return {"mediaType": media_type, "digest": str(digest), "size": len(content)}


def put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    tar.addfile(header, io.BytesIO(content))
