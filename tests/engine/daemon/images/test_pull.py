"""Pulls: what comes is what was pushed, once, in Docker's words; indexes, platforms, mirrors and names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.api.errors import NotFound, SystemFailure
from engine.daemon.server.registries import registry_config
from engine.oci.platform import Platform
from engine.registry.client.policy import Policy
from tests.engine.daemon.images.rooms import INDEX, config_for, digest_in, layer, opened_room, packed, pushed_image
from tests.registries import Registry, digest_of

pytestmark = [pytest.mark.root, pytest.mark.anyio]


@pytest.mark.parametrize("how", ["gzip", "zstd", "plain"])
async def test_an_image_is_pulled_with_dockers_own_lines(
    registry: Registry, name: str, tmp_path: Path, how: str
) -> None:
    document = pushed_image(registry, name, "v1", [layer("one"), layer("two")], how)
    where, lines = f"{registry.address}/{name}", list[dict[str, Any]]()
    async with opened_room(tmp_path) as room:
        image = await room.pulls.pull(f"{where}:v1", told=lines.append)
        assert image.id == document["config"]["digest"]
        assert image.names == (f"{where}:v1",)
        assert image.digests == (f"{where}@{digest_in(document)}",)
        assert room.files(f"{where}:v1")["data/two-1"] == b"two 1\n" * 50
    assert lines[0] == {"status": f"Pulling from {name}", "progressDetail": {}, "id": "v1"}
    for number in range(2):
        short = document["layers"][number]["digest"].removeprefix("sha256:")[:12]
        told = [line["status"] for line in lines if line.get("id") == short]
        assert list(dict.fromkeys(told)) == [
            "Pulling fs layer",
            "Downloading",
            "Verifying Checksum",
            "Download complete",
            "Extracting",
            "Pull complete",
        ]
    assert lines[-2:] == [
        {"status": f"Digest: {digest_in(document)}"},
        {"status": f"Status: Downloaded newer image for {where}:v1"},
    ]


async def test_what_is_here_is_not_fetched_again(registry: Registry, name: str, tmp_path: Path) -> None:
    base, top = layer("base"), layer("top")
    pushed_image(registry, name, "base", [base])
    document = pushed_image(registry, name, "top", [base, top])
    where = f"{registry.address}/{name}"
    async with opened_room(tmp_path) as room:
        await room.pulls.pull(f"{where}:base")
        lines = list[dict[str, Any]]()
        await room.pulls.pull(f"{where}:top", told=lines.append)
        first = document["layers"][0]["digest"].removeprefix("sha256:")[:12]
        assert [line["status"] for line in lines if line.get("id") == first] == ["Already exists"]
        lines.clear()
        await room.pulls.pull(f"{where}:top", told=lines.append)
        assert [line["status"] for line in lines] == [
            f"Pulling from {name}",
            f"Digest: {digest_in(document)}",
            f"Status: Image is up to date for {where}:top",
        ]


async def test_a_pull_by_digest_gives_no_tag(registry: Registry, name: str, tmp_path: Path) -> None:
    document = pushed_image(registry, name, "v1", [layer("one")])
    by_digest = f"{registry.address}/{name}@{digest_in(document)}"
    async with opened_room(tmp_path) as room:
        image = await room.pulls.pull(by_digest)
        assert (image.names, image.digests) == ((), (by_digest,))
        assert room.images.get(by_digest).id == image.id


async def test_all_tags_of_a_repository(registry: Registry, name: str, tmp_path: Path) -> None:
    for tag in ("v1", "v2"):
        pushed_image(registry, name, tag, [layer(tag)])
    async with opened_room(tmp_path) as room:
        found = await room.pulls.pull_all(f"{registry.address}/{name}")
        names = [name for image in found for name in image.names]
    assert names == [f"{registry.address}/{name}:v1", f"{registry.address}/{name}:v2"]


def pushed_index(registry: Registry, name: str, platforms: list[dict[str, str]]) -> dict[str, Any]:
    entries = []
    for number, platform in enumerate(platforms):
        document = pushed_image(registry, name, f"p{number}", [layer(f"p{number}")], **platform)
        size = len(json.dumps(document).encode())
        entry = {"mediaType": document["mediaType"], "digest": digest_in(document), "size": size}
        entries.append({**entry, "platform": platform})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    assert registry.push_manifest(name, "index", index).status == 201
    return index


async def test_the_platform_chooses_from_an_index(registry: Registry, name: str, tmp_path: Path) -> None:
    platforms = [
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm", "variant": "v6"},
        {"os": "linux", "architecture": "arm", "variant": "v7"},
    ]
    index = pushed_index(registry, name, platforms)
    where = f"{registry.address}/{name}:index"
    async with opened_room(tmp_path) as room:
        for text, number in (("linux/amd64", 1), ("arm64", 0), ("linux/arm/v7", 3), ("linux/arm/v6", 2)):
            image = await room.pulls.pull(where, platform=Platform.parse(text))
            assert sorted(room.files(image.id)) == [f"data/p{number}-{file}" for file in range(3)]
            assert image.digests[-1].endswith(digest_in(index))
        with pytest.raises(NotFound, match=r"no matching manifest for linux/s390x in the manifest list entries"):
            await room.pulls.pull(where, platform=Platform.parse("linux/s390x"))
        with pytest.raises(NotFound, match="does not match the specified platform: wanted linux/arm64"):
            await room.pulls.pull(f"{registry.address}/{name}:p1", platform=Platform.parse("linux/arm64"))


async def test_what_a_registry_has_not_is_said_as_docker_says_it(registry: Registry, name: str, tmp_path: Path) -> None:
    pushed_image(registry, name, "v1", [layer("one")])
    where = f"{registry.address}/{name}"
    async with opened_room(tmp_path) as room:
        with pytest.raises(NotFound, match=f"manifest for {where}:none not found: manifest unknown"):
            await room.pulls.pull(f"{where}:none")
        with pytest.raises(NotFound, match=f"repository {registry.address}/never not found: name unknown"):
            await room.pulls.pull(f"{registry.address}/never")
        with pytest.raises(SystemFailure, match=r"dial tcp 127\.0\.0\.1:1: connect: connection refused"):
            await room.pulls.pull("127.0.0.1:1/x")
        with pytest.raises(SystemFailure, match=r"refused \(buildx wants .* to build in: set DOCKER_BUILDKIT=0"):
            await room.pulls.pull("127.0.0.1:1/moby/buildkit:buildx-stable-1")


def test_info_tells_of_mirrors_and_insecure_registries() -> None:
    told = registry_config(Policy(mirrors=("http://mirror:5000",), insecure=("10.0.0.0/8", "old:5000")))
    assert told["Mirrors"] == told["IndexConfigs"]["docker.io"]["Mirrors"] == ["http://mirror:5000/"]
    assert told["InsecureRegistryCIDRs"] == ["127.0.0.0/8", "::1/128", "10.0.0.0/8"]
    assert told["IndexConfigs"]["old:5000"]["Secure"] is False


async def test_the_hubs_names_are_asked_of_its_mirror(registry: Registry, tmp_path: Path) -> None:
    pushed_image(registry, "library/mirrored", "latest", [layer("mirrored")])
    policy = Policy(mirrors=(f"http://{registry.address}",))
    async with opened_room(tmp_path, policy) as room:
        image = await room.pulls.pull("mirrored")
        assert image.names == ("mirrored:latest",)
        found = await room.pulls.registries.search("mirror", 10)
        assert [one["name"] for one in found] == ["library/mirrored"]


async def test_pulls_at_the_same_time_fetch_a_layer_once(registry: Registry, name: str, tmp_path: Path) -> None:
    shared = layer("shared", 400)
    for tag in ("a", "b", "c"):
        pushed_image(registry, name, tag, [shared, layer(tag)])
    async with opened_room(tmp_path) as room:
        async with anyio.create_task_group() as tasks:
            for tag in ("a", "b", "c", "a"):
                tasks.start_soon(room.pulls.pull, f"{registry.address}/{name}:{tag}")
        assert len(room.images.index.all()) == 3
        # one shared layer, three own: no folder is left of a second download
        assert len([path for path in (tmp_path / "layers").iterdir() if path.is_dir()]) == 4


async def test_a_pull_that_is_given_up_leaves_the_others_theirs(registry: Registry, name: str, tmp_path: Path) -> None:
    pushed_image(registry, name, "v1", [layer("large", 2000)])
    where = f"{registry.address}/{name}:v1"
    async with opened_room(tmp_path) as room:
        async with anyio.create_task_group() as tasks:
            gone = anyio.CancelScope()

            async def first() -> None:
                with gone:
                    await room.pulls.pull(where, told=lambda line: gone.cancel())

            tasks.start_soon(first)
            tasks.start_soon(room.pulls.pull, where)
        assert room.images.get(where)
        assert len([path for path in (tmp_path / "layers").iterdir() if path.is_dir()]) == 1


async def test_a_config_that_names_other_layers_is_refused(registry: Registry, name: str, tmp_path: Path) -> None:
    document = pushed_image(registry, name, "v1", [layer("one")])
    other = config_for([layer("other")])
    document["config"] |= {"digest": registry.push_blob(name, other), "size": len(other)}
    registry.push_manifest(name, "lying", document)
    more = config_for([layer("one"), layer("two")])
    document["config"] |= {"digest": registry.push_blob(name, more), "size": len(more)}
    registry.push_manifest(name, "short", document)
    async with opened_room(tmp_path) as room:
        with pytest.raises(SystemFailure, match="unpacks to sha256"):
            await room.pulls.pull(f"{registry.address}/{name}:lying")
        with pytest.raises(SystemFailure, match="layers from manifest don't match image configuration"):
            await room.pulls.pull(f"{registry.address}/{name}:short")
        assert room.images.index.all() == []
        assert [path.name for path in (tmp_path / "layers").iterdir()] == []


async def test_a_layer_that_is_no_tar_is_refused_and_leaves_nothing(
    registry: Registry, name: str, tmp_path: Path
) -> None:
    garbage = packed(b"no tar at all" * 1000, "gzip")
    content = config_for([b"no tar at all" * 1000])
    document = pushed_image(registry, name, "v1", [layer("one")])
    document["layers"][0] |= {"digest": registry.push_blob(name, garbage), "size": len(garbage)}
    document["config"] |= {"digest": registry.push_blob(name, content), "size": len(content)}
    assert registry.push_manifest(name, "garbage", document).status == 201
    async with opened_room(tmp_path) as room:
        with pytest.raises(SystemFailure, match="failed to register layer"):
            await room.pulls.pull(f"{registry.address}/{name}:garbage")
        assert room.images.index.all() == []
    assert digest_of(garbage) == document["layers"][0]["digest"]
    assert [path.name for path in (tmp_path / "layers").iterdir()] == []


async def test_layers_of_a_pull_that_did_not_end_are_there_for_the_next(
    registry: Registry, name: str, tmp_path: Path
) -> None:
    base, top = layer("base"), layer("top")
    document = pushed_image(registry, name, "v1", [base, top])
    where = f"{registry.address}/{name}:v1"
    digest = document["layers"][1]["digest"]
    assert registry.ask("DELETE", f"/v2/{name}/blobs/{digest}").status == 202
    async with opened_room(tmp_path) as room:
        with pytest.raises(NotFound, match="blob unknown"):
            await room.pulls.pull(where)
    assert registry.push_blob(name, packed(top, "gzip")) == digest
    async with opened_room(tmp_path) as room:
        lines = list[dict[str, Any]]()
        await room.pulls.pull(where, told=lines.append)
        first = document["layers"][0]["digest"].removeprefix("sha256:")[:12]
        assert [line["status"] for line in lines if line.get("id") == first] == ["Already exists"]
