"""Archives of every kind become one docker-archive stream, or a fault that says what is wrong with them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.builders.archive import opened
from engine.builders.docker_archive import docker_archive
from engine.builders.sources import ArchiveImage
from engine.client.errors import InvalidArgument
from engine.oci.platform import Platform

HERE = Platform("linux", "amd64")
CONFIG = b'{"architecture":"amd64","os":"linux"}'
LAYER = b"layer bytes"


def tar_of(path: Path, entries: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def saved(path: Path, *names: str) -> Path:
    """As docker save writes it: one image per name, all of the same layer."""
    manifest = [{"Config": "c.json", "RepoTags": [name], "Layers": ["l/layer.tar"]} for name in names]
    entries = {"c.json": CONFIG, "l/layer.tar": LAYER, "manifest.json": json.dumps(manifest).encode()}
    return tar_of(path, entries)


def layout() -> dict[str, bytes]:
    """An OCI layout of one name for two platforms."""
    files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def put(content: bytes, kind: str, **more: Any) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        files[f"blobs/sha256/{digest}"] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content), **more}

    manifests = []
    for architecture in ("arm64", "amd64"):
        config = CONFIG.replace(b"amd64", architecture.encode())
        manifest = {
            "config": put(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [put(LAYER, "application/vnd.oci.image.layer.v1.tar")],
        }
        manifests.append(
            put(
                json.dumps(manifest).encode(),
                "application/vnd.oci.image.manifest.v1+json",
                platform={"os": "linux", "architecture": architecture},
            )
        )
    index = put(json.dumps({"manifests": manifests}).encode(), "application/vnd.oci.image.index.v1+json")
    index["annotations"] = {"org.opencontainers.image.ref.name": "shop:1"}
    files["index.json"] = json.dumps({"manifests": [index]}).encode()
    return files


def streamed(image: ArchiveImage, *tags: str) -> tarfile.TarFile:
    async def collect() -> bytes:
        with opened(image, HERE) as found:
            return b"".join([chunk async for chunk in docker_archive(found.config, found.layers, tags)])

    return tarfile.open(fileobj=io.BytesIO(anyio.run(collect)))


def content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def assert_holds_the_image(archive: tarfile.TarFile, *tags: str) -> None:
    [manifest] = json.loads(content(archive, "manifest.json"))
    assert manifest["RepoTags"] == list(tags)
    assert content(archive, manifest["Config"]) == CONFIG
    assert [content(archive, name) for name in manifest["Layers"]] == [LAYER]


def test_the_only_image_of_docker_save_needs_no_ref(tmp_path: Path) -> None:
    archive = streamed(ArchiveImage(saved(tmp_path / "a.tar", "seed:1")), "shop-seed:latest", "other:2")
    assert_holds_the_image(archive, "shop-seed:latest", "other:2")


def test_one_of_several_is_chosen_by_ref_in_any_spelling(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tar", "one:1", "docker.io/library/two:latest")
    assert_holds_the_image(streamed(ArchiveImage(path, "two"), "x:1"), "x:1")
    with pytest.raises(InvalidArgument, match="holds 2 images; choose one with ref: one:1, docker"):
        streamed(ArchiveImage(path))
    with pytest.raises(InvalidArgument, match='holds no image "three", only one:1'):
        streamed(ArchiveImage(path, "three"))


def test_a_gzipped_archive_is_unpacked_first(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(saved(tmp_path / "a.tar", "seed:1").read_bytes()))
    assert_holds_the_image(streamed(ArchiveImage(path), "x:1"), "x:1")


def test_an_oci_layout_gives_the_image_of_the_engines_platform(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "oci.tar", layout())
    assert_holds_the_image(streamed(ArchiveImage(path), "x:1"), "x:1")
    assert_holds_the_image(streamed(ArchiveImage(path, "shop:1"), "x:1"), "x:1")


def test_an_oci_layout_may_be_a_folder(tmp_path: Path) -> None:
    for name, data in layout().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert_holds_the_image(streamed(ArchiveImage(tmp_path), "x:1"), "x:1")


def test_a_platform_that_is_not_held_is_told_with_those_that_are(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "oci.tar", layout())
    image = ArchiveImage(path)
    with pytest.raises(InvalidArgument, match="nothing for linux/s390x, only linux/arm64, linux/amd64"):
        opened(image, Platform("linux", "s390x")).__enter__()


def test_a_plain_root_file_system_becomes_an_image_of_one_layer(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "root.tar", {"./bin/sh": b"#!", "./etc/passwd": b"root"})
    archive = streamed(ArchiveImage(path), "x:1")
    [manifest] = json.loads(content(archive, "manifest.json"))
    [name] = manifest["Layers"]
    config = json.loads(content(archive, manifest["Config"]))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(content(archive, name)).hexdigest()}"]
    assert content(archive, name) == path.read_bytes()


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"no tar at all" * 100, "is not a readable archive"),
        (b"\x1f\x8b" + b"broken", "is not a readable archive"),
        (b"\x28\xb5\x2f\xfd....", "is packed with zstd"),
        (b"\xfd7zXZ\0..", "is packed with xz"),
    ],
)
def test_what_is_no_archive_is_told_in_words(tmp_path: Path, data: bytes, fault: str) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(InvalidArgument, match=fault):
        streamed(ArchiveImage(tmp_path / "a.tar"))


@pytest.mark.parametrize(
    ("manifest", "fault"),
    [
        (b"{", "its index can't be understood"),
        (b"[{}]", "its index can't be understood"),
        (b'[{"Config": "gone.json", "Layers": []}]', "names gone.json but doesn't hold it"),
        (b'["a"]', "its index can't be understood"),
        (b"[]", "holds 0 images"),
    ],
)
def test_an_archive_with_a_broken_index_is_told_in_words(tmp_path: Path, manifest: bytes, fault: str) -> None:
    path = tar_of(tmp_path / "a.tar", {"manifest.json": manifest})
    with pytest.raises(InvalidArgument, match=fault):
        streamed(ArchiveImage(path))


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"none\.tar: no such archive"):
        streamed(ArchiveImage(tmp_path / "none.tar"))
