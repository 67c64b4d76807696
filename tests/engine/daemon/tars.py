"""Tars made by hand for the tests: members as data, in any order, good and hostile."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def member(
    name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: Any
) -> tuple[tarfile.TarInfo, bytes]:
    """One member; `fields` are TarInfo's (mode, uid, linkname, devmajor, pax_headers …)."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(content), 1_700_000_000
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def folder(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.DIRTYPE, **fields)


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.LNKTYPE, linkname=target)


def tar_of(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def in_pieces(content: bytes, size: int = 777) -> Callable[[], bytes]:
    """A Next over the content, cut at odd places."""
    cuts = iter([content[at : at + size] for at in range(0, len(content), size)])
    return lambda: next(cuts, b"")


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def config_of(layers: Sequence[bytes], **config: Any) -> bytes:
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-02T03:04:05Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
    }
    return json.dumps(document).encode()


def docker_archive(layers: Sequence[bytes], names: Sequence[str], **config: Any) -> bytes:
    """As `docker save` wrote it before it wrote OCI layouts too."""
    content = config_of(layers, **config)
    files = {"config.json": content}
    files |= {f"{number}/layer.tar": layer for number, layer in enumerate(layers)}
    manifest = [{"Config": "config.json", "RepoTags": list(names), "Layers": list(files)[1:]}]
    return tar_of(
        *(member(name, content=each) for name, each in files.items()),
        member("manifest.json", content=json.dumps(manifest).encode()),
    )


def oci_layout(layers: Sequence[bytes], name: str, **config: Any) -> bytes:
    """An OCI layout whose layers are gzipped, the index at its end."""
    packed = [gzip.compress(layer, mtime=0) for layer in layers]
    content = config_of(layers, **config)
    manifest = json.dumps(
        {"schemaVersion": 2, "config": descriptor(content), "layers": [descriptor(layer) for layer in packed]}
    ).encode()
    index = {"manifests": [{**descriptor(manifest), "annotations": {"io.containerd.image.name": name}}]}
    blobs = {f"blobs/sha256/{digest(blob)[7:]}": blob for blob in (*packed, content, manifest)}
    return tar_of(
        *(member(path, content=blob) for path, blob in blobs.items()),
        member("index.json", content=json.dumps(index).encode()),
    )


def descriptor(content: bytes) -> Mapping[str, Any]:
    return {"digest": digest(content), "size": len(content)}
