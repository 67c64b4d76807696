"""Pushes: only what is missing goes out, in Docker's words; what was pushed can be pulled by others."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Any

import pytest

from engine.api.errors import InvalidArgument, NotFound, Unauthorized
from tests.engine.daemon.images.rooms import Room, digest_in, layer, opened_room, pushed_image
from tests.engine.daemon.tars import docker_archive
from tests.registries import Registry, running_registry

pytestmark = [pytest.mark.root, pytest.mark.anyio]


async def loaded(room: Room, name: str, *tars: bytes) -> None:
    async def body() -> Any:
        yield docker_archive(tars, [name])

    await room.images.load(body(), lambda diff_id, size: None)


async def pushed(room: Room, name: str, tag: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    await room.pushes.push(room.pushes.chosen(name, tag), None, lines.append)
    return lines


def statuses(lines: list[dict[str, Any]], diff_id: str) -> list[str]:
    short = diff_id.removeprefix("sha256:")[:12]
    return list(dict.fromkeys(line["status"] for line in lines if line.get("id") == short))


async def test_only_what_is_missing_is_pushed(registry: Registry, name: str, tmp_path: Path) -> None:
    where = f"{registry.address}/{name}"
    async with opened_room(tmp_path) as room:
        await loaded(room, f"{where}:v1", layer("one"), layer("two"))
        image = room.images.get(f"{where}:v1")
        lines = await pushed(room, where, "v1")
        for diff_id in image.diff_ids:
            assert statuses(lines, diff_id) == ["Preparing", "Pushing", "Pushed"]
        answer = registry.ask("GET", f"/v2/{name}/manifests/v1")
        digest, size = answer.headers["docker-content-digest"], len(answer.body)
        assert lines[-1] == {"status": f"v1: digest: {digest} size: {size}"}
        assert answer.json["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
        assert answer.json["config"]["digest"] == image.id
        assert room.images.get(f"{where}@{digest}").id == image.id
        again = await pushed(room, where, "v1")
        for diff_id in image.diff_ids:
            assert statuses(again, diff_id) == ["Preparing", "Layer already exists"]
        room.images.tag(f"{where}:v1", f"{where}-other", "v2")
        mounted = await pushed(room, f"{where}-other", "v2")
        for diff_id in image.diff_ids:
            assert statuses(mounted, diff_id) == ["Preparing", f"Mounted from {name}"]
        assert mounted[-1] == {"status": f"v2: digest: {digest} size: {size}"}
    for part, diff_id in zip(answer.json["layers"], image.diff_ids, strict=True):
        blob = registry.ask("GET", f"/v2/{name}/blobs/{part['digest']}").body
        assert len(blob) == part["size"]
        assert hashlib.sha256(zlib.decompress(blob, 31)).hexdigest() == diff_id.removeprefix("sha256:")


async def test_what_was_pulled_with_zstd_is_pushed_as_it_was(registry: Registry, name: str, tmp_path: Path) -> None:
    document = pushed_image(registry, name, "v1", [layer("one")], "zstd")
    where = f"{registry.address}/{name}"
    async with opened_room(tmp_path) as room:
        await room.pulls.pull(f"{where}:v1")
        room.images.tag(f"{where}:v1", where, "v2")
        await pushed(room, where, "v2")
    again = registry.ask("GET", f"/v2/{name}/manifests/v2").json
    assert again["layers"] == document["layers"]
    assert again["mediaType"] == document["mediaType"]


async def test_a_registry_that_lost_a_layer_gets_it_again(registry: Registry, name: str, tmp_path: Path) -> None:
    document = pushed_image(registry, name, "v1", [layer("one")])
    where = f"{registry.address}/{name}"
    async with opened_room(tmp_path) as room:
        await room.pulls.pull(f"{where}:v1")
        for digest in (digest_in(document),):
            registry.ask("DELETE", f"/v2/{name}/manifests/{digest}")
        registry.ask("DELETE", f"/v2/{name}/blobs/{document['layers'][0]['digest']}")
        lines = await pushed(room, where, "v1")
        assert any(line["status"] == "Pushed" for line in lines)


async def test_all_tags_are_pushed_when_none_is_named(registry: Registry, name: str, tmp_path: Path) -> None:
    where = f"{registry.address}/{name}"
    async with opened_room(tmp_path) as room:
        await loaded(room, f"{where}:v1", layer("one"))
        room.images.tag(f"{where}:v1", where, "v2")
        await pushed(room, where, "")
    assert registry.ask("GET", f"/v2/{name}/tags/list").json["tags"] == ["v1", "v2"]


async def test_what_can_not_be_pushed_is_said(registry: Registry, name: str, tmp_path: Path) -> None:
    async with opened_room(tmp_path) as room:
        with pytest.raises(NotFound, match=r"An image does not exist locally with the tag: localhost/x"):
            room.pushes.chosen("localhost/x", "v1")
        with pytest.raises(InvalidArgument, match="invalid reference format"):
            room.pushes.chosen("Upper", "v1")


async def test_without_a_password_nothing_is_pushed(tmp_path: Path) -> None:
    users = tmp_path / "htpasswd"
    (tmp_path / "room").mkdir()
    users.write_text("me:$2b$04$NOTAHASHNOTAHASHNOTAHuGq9h4Wm0m0m0m0m0m0m0m0m0m0m0m0m\n")
    for flags in (("--auth=basic",), ("--auth=bearer",)):
        with running_registry(tmp_path / flags[0], f"--htpasswd={users}", *flags) as registry:
            async with opened_room(tmp_path / "room") as room:
                await loaded(room, f"{registry.address}/x:v1", layer("one"))
                with pytest.raises(Unauthorized):
                    await pushed(room, f"{registry.address}/x", "v1")
