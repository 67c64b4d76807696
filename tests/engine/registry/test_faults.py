"""Kills, broken lines and garbage: whatever happens, what was acknowledged is there, and nothing is there in part."""

from __future__ import annotations

import os
import random
import socket
import threading
from pathlib import Path

import pytest

from tests.registries import Registry, digest_of, free_port, running_registry, with_query

LARGE = random.Random(7).randbytes(3 << 20)
CHAOS = bool(os.environ.get("RORQUAL_CHAOS"))


def kill(registry: Registry) -> None:
    assert registry.process is not None
    registry.process.kill()
    registry.process.wait()


def test_an_upload_goes_on_after_a_kill(tmp_path: Path) -> None:
    with running_registry(tmp_path) as registry:
        location = registry.begin("a")
        location = registry.ask("PATCH", location, LARGE[:1_000_000], {"Content-Range": "0-999999"}).headers["location"]
        kill(registry)
    with running_registry(tmp_path) as registry:
        status = registry.ask("GET", location)
        assert (status.status, status.headers["range"]) == (204, "0-999999")
        rest = {"Content-Range": f"1000000-{len(LARGE) - 1}"}
        digest = digest_of(LARGE)
        assert registry.ask("PUT", with_query(location, f"digest={digest}"), LARGE[1_000_000:], rest).status == 201
        assert registry.ask("GET", f"/v2/a/blobs/{digest}").body == LARGE


def test_a_line_that_breaks_within_a_chunk_loses_nothing(rorqual_registry: Registry, name: str) -> None:
    registry = rorqual_registry
    location = registry.begin(name)
    host, port = registry.address.split(":")
    with socket.create_connection((host, int(port))) as line:
        head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(LARGE)}\r\n\r\n"
        line.sendall(head.encode() + LARGE[:2_000_000])
    status = registry.ask("GET", location)
    while status.headers["range"] == "0-0":
        status = registry.ask("GET", location)
    start = int(status.headers["range"].partition("-")[2]) + 1
    assert 0 < start <= 2_000_000
    rest = {"Content-Range": f"{start}-{len(LARGE) - 1}"}
    answer = registry.ask("PUT", with_query(location, f"digest={digest_of(LARGE)}"), LARGE[start:], rest)
    assert answer.status == 201


@pytest.mark.parametrize("seed", range(12 if CHAOS else 3))
def test_a_registry_killed_while_many_push_keeps_what_it_acknowledged(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    port = free_port()
    pushed: list[tuple[str, str]] = []

    def push(registry: Registry, number: int) -> None:
        for count in range(1000):
            try:
                document = registry.image(f"repo-{number}", f"{number}-{count}")
                answer = registry.push_manifest(f"repo-{number}", f"tag-{count}", document)
            except (OSError, ValueError, AssertionError):
                return
            if answer.status == 201:
                pushed.append((f"repo-{number}", f"tag-{count}"))

    with running_registry(tmp_path, port=port) as registry:
        workers = [threading.Thread(target=push, args=(registry, number)) for number in range(4)]
        for worker in workers:
            worker.start()
        while len(pushed) < chance.randint(3, 30):
            workers[0].join(0.005)
        kill(registry)
        for worker in workers:
            worker.join()
    with running_registry(tmp_path) as registry:
        for name, tag in pushed:
            check_whole(registry, name, tag)
        for name in registry.ask("GET", "/v2/_catalog").json["repositories"]:
            for tag in registry.ask("GET", f"/v2/{name}/tags/list").json["tags"]:
                check_whole(registry, name, tag)


def check_whole(registry: Registry, name: str, tag: str) -> None:
    answer = registry.ask("GET", f"/v2/{name}/manifests/{tag}")
    assert answer.status == 200
    assert digest_of(answer.body) == answer.headers["docker-content-digest"]
    for part in (answer.json["config"], *answer.json["layers"]):
        blob = registry.ask("GET", f"/v2/{name}/blobs/{part['digest']}")
        assert blob.status == 200
        assert digest_of(blob.body) == part["digest"]


def files(root: Path) -> int:
    return len(list((root / "content" / "blobs" / "sha256").iterdir()))


def test_garbage_goes_while_the_registry_serves_and_nothing_else(tmp_path: Path) -> None:
    flags = ("--gc-minutes=0.005", "--gc-grace-minutes=0")
    with running_registry(tmp_path) as registry:
        document = registry.image("a")
        registry.push_manifest("a", "v1", document)
        registry.push_manifest("a", "old", registry.image("a", "old"))
        registry.push_blob("a", b"needed by nobody")
        idle = registry.ask("PATCH", registry.begin("a"), b"given up").headers["location"]
        registry.ask(
            "DELETE", f"/v2/a/manifests/{registry.ask('HEAD', '/v2/a/manifests/old').headers['docker-content-digest']}"
        )
        # v1 and its two blobs, the two of the deleted image, and the one without a manifest
        assert files(tmp_path) == 6
    with running_registry(tmp_path, *flags) as registry:
        while files(tmp_path) > 3 or registry.ask("GET", idle).status != 404:
            pass
        check_whole(registry, "a", "v1")
        assert files(tmp_path) == 3


def test_garbage_is_given_time_until_its_manifest_comes(tmp_path: Path) -> None:
    with running_registry(tmp_path, "--gc-minutes=0.001", "--gc-grace-minutes=60") as registry:
        document = registry.image("a")
        for _ in range(20):
            assert registry.ask("HEAD", f"/v2/a/blobs/{document['layers'][0]['digest']}").status == 200
        assert registry.push_manifest("a", "v1", document).status == 201


def test_pushes_while_garbage_is_collected_all_the_time_are_whole(tmp_path: Path) -> None:
    with running_registry(tmp_path, "--gc-minutes=0.0005", "--gc-grace-minutes=0.5") as registry:
        for count in range(15):
            registry.push_manifest("a", f"v{count}", registry.image("a", str(count % 3)))
            registry.push_manifest("b", "v1", registry.image("b", str(count % 3)))
            digest = registry.ask("HEAD", "/v2/b/manifests/v1").headers["docker-content-digest"]
            assert registry.ask("DELETE", f"/v2/b/manifests/{digest}").status == 202
        for count in range(15):
            check_whole(registry, "a", f"v{count}")


def test_a_blob_that_is_deleted_while_it_is_read_is_read_to_its_end(rorqual_registry: Registry, name: str) -> None:
    content = LARGE * 8
    digest = rorqual_registry.push_blob(name, content)
    host, port = rorqual_registry.address.split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(f"GET /v2/{name}/blobs/{digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = line.recv(65536)
        assert rorqual_registry.ask("DELETE", f"/v2/{name}/blobs/{digest}").status == 202
        while piece := line.recv(1 << 20):
            received += piece
    assert received.partition(b"\r\n\r\n")[2] == content


def test_a_client_that_sends_nothing_on_holds_up_nobody(rorqual_registry: Registry, name: str) -> None:
    host, port = rorqual_registry.address.split(":")
    lines = [socket.create_connection((host, int(port))) for _ in range(60)]
    try:
        for line in lines:
            path = rorqual_registry.begin(name)
            line.sendall(f"PATCH {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode() + b"x" * 100)
        assert rorqual_registry.push_manifest(name, "v1", rorqual_registry.image(name)).status == 201
    finally:
        for line in lines:
            line.close()
