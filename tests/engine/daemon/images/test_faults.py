"""Registries that lie, break off, refuse or die in the middle: a clear error, nothing half-visible, and going on."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from engine.api.errors import EngineError, SystemFailure
from tests.engine.daemon.daemons import running_daemon
from tests.engine.daemon.images.rooms import Room, config_for, layer, opened_room, packed, pushed_image
from tests.engine.daemon.tars import member, tar_of
from tests.engines import TEST_REGISTRY
from tests.faulty import Asked, Harm, Rule, faulty
from tests.registries import ROOT, Answer, Registry, running_registry

pytestmark = [pytest.mark.root, pytest.mark.anyio]


def blobs(harm: Rule) -> Rule:
    """The harm, to layers alone: what is large enough to be one."""

    def rule(asked: Asked, real: Answer) -> Harm | None:
        whole = "/blobs/sha256" in asked.path and asked.method == "GET" and b"rootfs" not in real.body
        return harm(asked, real) if whole else None

    return rule


async def refused(room: Room, reference: str, words: str, *, folder: Path) -> None:
    """The pull fails with these words, and nothing of it can be seen or lies about."""
    with pytest.raises(EngineError, match=words):
        await room.pulls.pull(reference)
    assert room.images.index.all() == []
    await room.images.collect()
    left = [path.name for path in (folder / "layers").iterdir() if path.suffix != ".recipe"]
    assert len(left) <= len(room.images.layers.all())


async def test_a_broken_line_is_gone_on_with_where_it_broke(registry: Registry, name: str, tmp_path: Path) -> None:
    document = pushed_image(registry, name, "v1", [layer("one", 4000)])

    def cut(asked: Asked, real: Answer) -> Harm | None:
        if asked.count < 3:
            return Harm(real.status, real.body[:5000], len(real.body), dict(real.headers))
        return None

    with faulty(registry, blobs(cut)) as (address, asked):
        async with opened_room(tmp_path) as room:
            await room.pulls.pull(f"{address}/{name}:v1")
    ranges = [one.headers.get("range") for one in asked if document["layers"][0]["digest"] in one.path]
    assert ranges == [None, "bytes=5000-", "bytes=10000-", "bytes=15000-"]


async def test_a_registry_without_ranges_is_gone_on_with_too(registry: Registry, name: str, tmp_path: Path) -> None:
    pushed_image(registry, name, "v1", [layer("one", 4000)])

    def cut(asked: Asked, real: Answer) -> Harm | None:
        whole = registry.ask("GET", asked.path).body
        return Harm(200, whole[:5000] if asked.count == 0 else whole, len(whole))

    with faulty(registry, blobs(cut)) as (address, _):
        async with opened_room(tmp_path) as room:
            await room.pulls.pull(f"{address}/{name}:v1")


async def test_a_line_that_always_breaks_is_given_up(registry: Registry, name: str, tmp_path: Path) -> None:
    pushed_image(registry, name, "v1", [layer("one")])
    with faulty(registry, blobs(lambda asked, real: Harm(200, b"", 10, drop=True))) as (address, _):
        async with opened_room(tmp_path) as room:
            await refused(room, f"{address}/{name}:v1", "closed", folder=tmp_path)


async def test_other_content_under_the_digest_is_refused(registry: Registry, name: str, tmp_path: Path) -> None:
    pushed_image(registry, name, "v1", [layer("one")])

    def swap(asked: Asked, real: Answer) -> Harm | None:
        other = bytearray(gzip.compress(layer("two"), mtime=0))
        other += bytes(len(real.body) - len(other))
        return Harm(200, bytes(other[: len(real.body)]))

    with faulty(registry, blobs(swap)) as (address, _):
        async with opened_room(tmp_path) as room:
            words = "filesystem layer verification failed for digest|can't be unpacked|damaged|failed to register layer"
            await refused(room, f"{address}/{name}:v1", words, folder=tmp_path)


@pytest.mark.parametrize("more", [-1, 1])
async def test_a_length_that_is_not_the_manifests_is_refused(
    registry: Registry, name: str, tmp_path: Path, more: int
) -> None:
    pushed_image(registry, name, "v1", [layer("one")])

    def lie(asked: Asked, real: Answer) -> Harm | None:
        return Harm(200, (real.body + b"x")[: len(real.body) + more])

    with faulty(registry, blobs(lie)) as (address, _):
        async with opened_room(tmp_path) as room:
            await refused(room, f"{address}/{name}:v1", "and the manifest says", folder=tmp_path)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"{}", "is no image"),
        (b'{"config": {}, "layers": []}', "descriptor that can't be read"),
        (b'{"config": {"digest": "x"}, "layers": 5}', "is no image"),
        (b'{"config": {"digest": "sha256:%s"}, "layers": [3]}' % (b"a" * 64), "can't be read|without a size"),
        (b'{"manifests": 7}', "no matching manifest"),
        (b'{"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}', "can't be read"),
        (b'{"schemaVersion": 1, "fsLayers": []}', "schema version 1"),
        (b"x" * (9 << 20), "larger than"),
    ],
)
async def test_a_manifest_that_is_none_is_refused(
    registry: Registry, name: str, tmp_path: Path, body: bytes, words: str
) -> None:
    pushed_image(registry, name, "v1", [layer("one")])

    def swap(asked: Asked, real: Answer) -> Harm | None:
        return Harm(200, body) if "/manifests/" in asked.path else None

    with faulty(registry, swap) as (address, _):
        async with opened_room(tmp_path) as room:
            await refused(room, f"{address}/{name}:v1", words, folder=tmp_path)


async def test_a_manifest_of_another_digest_is_refused(registry: Registry, name: str, tmp_path: Path) -> None:
    pushed_image(registry, name, "v1", [layer("one")])

    def swap(asked: Asked, real: Answer) -> Harm | None:
        return Harm(200, real.body + b" ", None, dict(real.headers)) if "/manifests/" in asked.path else None

    with faulty(registry, swap) as (address, _):
        async with opened_room(tmp_path) as room:
            await refused(room, f"{address}/{name}:v1", "manifest verification failed", folder=tmp_path)


async def test_a_registry_that_asks_for_patience_gets_it(registry: Registry, name: str, tmp_path: Path) -> None:
    pushed_image(registry, name, "v1", [layer("one")])

    def busy(asked: Asked, real: Answer) -> Harm | None:
        if asked.path == "/v2/" or asked.count >= 1:
            return None
        return Harm(429 if "/manifests/" in asked.path else 503, b"", None, {"retry-after": "0"})

    with faulty(registry, busy) as (address, _):
        async with opened_room(tmp_path) as room:
            await room.pulls.pull(f"{address}/{name}:v1")


async def test_a_rate_limit_that_lasts_is_said(registry: Registry, name: str, tmp_path: Path) -> None:
    def busy(asked: Asked, real: Answer) -> Harm | None:
        return Harm(429, b"", None, {"retry-after": "3600"}) if "/manifests/" in asked.path else None

    with faulty(registry, busy) as (address, _):
        async with opened_room(tmp_path) as room:
            await refused(room, f"{address}/{name}:v1", "rate limit", folder=tmp_path)


async def test_a_bomb_ends_where_the_manifest_says_and_is_refused(
    registry: Registry, name: str, tmp_path: Path
) -> None:
    """A gigabyte of zeros in a megabyte of gzip is no tar: nothing of it is held."""
    content = packed(bytes(64 << 20), "gzip")
    document = pushed_image(registry, name, "v1", [layer("one")])
    config = config_for([bytes(64 << 20)])
    document["layers"][0] |= {"digest": registry.push_blob(name, content), "size": len(content)}
    document["config"] |= {"digest": registry.push_blob(name, config), "size": len(config)}
    registry.push_manifest(name, "bomb", document)
    async with opened_room(tmp_path) as room:
        image = await room.pulls.pull(f"{registry.address}/{name}:bomb")
        assert image.size == 0


async def test_a_push_whose_registry_dies_in_the_middle_fails_and_can_be_done_again(
    registry: Registry, name: str, tmp_path: Path
) -> None:
    pushed_image(registry, name, "v1", [layer("one", 50), layer("two", 50)])
    dead = False

    def die(asked: Asked, real: Answer) -> Harm | None:
        return Harm(0, drop=True) if dead and asked.method in {"PATCH", "PUT"} else None

    with faulty(registry, die) as (address, _):
        async with opened_room(tmp_path) as room:
            await room.pulls.pull(f"{registry.address}/{name}:v1")
            room.images.tag(f"{registry.address}/{name}:v1", f"{address}/{name}-copy", "v1")
            chosen = room.pushes.chosen(f"{address}/{name}-copy", "v1")
            dead = True
            with pytest.raises(SystemFailure, match="closed without an answer"), anyio.fail_after(60):
                await room.pushes.push(chosen, None, lambda line: None)
            assert registry.ask("GET", f"/v2/{name}-copy/manifests/v1").status == 404
            dead = False
            await room.pushes.push(chosen, None, lambda line: None)
            assert registry.ask("GET", f"/v2/{name}-copy/tags/list").json["tags"] == ["v1"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def test_a_full_disk_is_said_leaves_nothing_and_is_no_end(
    registry: Registry, name: str, small_disk: Path
) -> None:
    pushed_image(registry, name, "large", [random_layer(12)])
    pushed_image(registry, name, "small", [layer("one")])
    async with opened_room(small_disk) as room:
        await refused(room, f"{registry.address}/{name}:large", "no space left on device", folder=small_disk)
        assert (await room.pulls.pull(f"{registry.address}/{name}:small")).names


def random_layer(megabytes: int) -> bytes:
    chance = random.Random(5)
    return tar_of(*[member(f"f{number}", content=chance.randbytes(1 << 20)) for number in range(megabytes)])


@pytest.mark.parametrize("seed", range(8 if os.environ.get("RORQUAL_CHAOS") else 2))
def test_a_daemon_killed_in_the_middle_of_a_pull_pulls_the_rest(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with running_daemon() as daemon, running_registry(tmp_path, port=PORT, netns=daemon.engine.pid) as registry:
        # pushed from where the registry is: its loopback is not ours
        inside = [*in_netns(daemon.engine.pid), sys.executable, "-c", PUSH, f"127.0.0.1:{PORT}", str(seed)]
        subprocess.run(inside, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert registry.process is not None
        pull = ["docker", f"--host={daemon.engine.host}", "pull", "-q", f"localhost:{PORT}/killed:v1"]
        started = subprocess.Popen(pull, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with suppress(subprocess.TimeoutExpired):
            started.wait(chance.uniform(0.05, 0.6))
        daemon.kill()
        started.wait()
        daemon.start()
        listed = ["docker", f"--host={daemon.engine.host}", "images", "-q", f"localhost:{PORT}/killed"]
        if subprocess.run(listed, capture_output=True, text=True, check=True).stdout:
            check = ["docker", f"--host={daemon.engine.host}", "save", f"localhost:{PORT}/killed:v1"]
            subprocess.run(check, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(pull, check=True, capture_output=True)


PORT = int(TEST_REGISTRY.partition(":")[2])
PUSH = """
import sys
from tests.engine.daemon.daemons import running_daemon
from tests.engine.daemon.images.rooms import layer, pushed_image
from tests.registries import Registry
pushed_image(Registry("rorqual", sys.argv[1]), "killed", "v1", [layer(f"{sys.argv[2]}-{n}", 2000) for n in range(5)])
"""


def in_netns(pid: int) -> list[str]:
    return ["nsenter", f"--net=/proc/{pid}/ns/net"]
