"""Pushing blobs as the distribution specification has it: whole, in chunks, mounted, cancelled, with wrong digests."""

from __future__ import annotations

import re

import pytest

from tests.registries import Registry, digest_of, with_query

OCTETS = {"Content-Type": "application/octet-stream"}
BLOB = bytes(range(256)) * 12
ALGORITHMS = ["sha256", "sha512"]


def check_pullable(registry: Registry, location: str, content: bytes) -> None:
    answer = registry.ask("GET", location)
    assert (answer.status, answer.body) == (200, content)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("content", [BLOB, b"", b"{}"], ids=["bytes", "empty", "empty-json"])
def test_post_then_put_makes_a_blob(registry: Registry, name: str, algorithm: str, content: bytes) -> None:
    digest = digest_of(content, algorithm)
    answer = registry.ask("PUT", with_query(registry.begin(name), f"digest={digest}"), content, OCTETS)
    assert answer.status == 201
    assert answer.headers["docker-content-digest"] == digest
    check_pullable(registry, answer.headers["location"], content)
    check_pullable(registry, f"/v2/{name}/blobs/{digest}", content)


@pytest.mark.rorqual_only
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_single_post_makes_a_blob(registry: Registry, name: str, algorithm: str) -> None:
    digest = digest_of(BLOB, algorithm)
    answer = registry.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", BLOB, OCTETS)
    assert answer.status == 201
    assert answer.headers["docker-content-digest"] == digest
    check_pullable(registry, answer.headers["location"], BLOB)


def test_the_upload_location_holds_a_uuid(registry: Registry, name: str) -> None:
    hexadecimal = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    assert re.search(hexadecimal, registry.begin(name))


@pytest.mark.parametrize("last_by_put", [False, True], ids=["patch-only", "last-by-put"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_chunks_in_order_make_a_blob(registry: Registry, name: str, algorithm: str, last_by_put: bool) -> None:
    location = registry.begin(name, f"?digest-algorithm={algorithm}")
    digest = digest_of(BLOB, algorithm)
    chunks = [(0, 1024), (1024, 2048), (2048, len(BLOB))]
    for start, end in chunks[: 2 if last_by_put else 3]:
        headers = {**OCTETS, "Content-Range": f"{start}-{end - 1}"}
        answer = registry.ask("PATCH", location, BLOB[start:end], headers)
        assert answer.status == 202
        assert answer.headers["range"] == f"0-{end - 1}"
        location = answer.headers["location"]
    left = {"Content-Range": f"2048-{len(BLOB) - 1}"} if last_by_put else {}
    answer = registry.ask("PUT", with_query(location, f"digest={digest}"), BLOB[2048:] if last_by_put else b"", left)
    assert answer.status == 201
    check_pullable(registry, answer.headers["location"], BLOB)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_chunk_out_of_order_is_416_and_the_upload_goes_on(registry: Registry, name: str, method: str) -> None:
    if registry.kind == "debian" and method == "PUT":
        pytest.skip("docker-registry 2.8 doesn't look at a PUT's Content-Range")
    location = registry.begin(name)
    location = registry.ask("PATCH", location, BLOB[:1000], {"Content-Range": "0-999"}).headers["location"]
    digest = digest_of(BLOB)
    for start in (2000, 0):
        path = location if method == "PATCH" else with_query(location, f"digest={digest}")
        wrong = registry.ask(method, path, BLOB[start:], {"Content-Range": f"{start}-{len(BLOB) - 1}"})
        assert wrong.status == 416
        status = registry.ask("GET", location)
        assert status.status == 204
        assert status.headers["range"] == "0-999"
        location = status.headers["location"]
    answer = registry.ask("PATCH", location, BLOB[1000:], {"Content-Range": f"1000-{len(BLOB) - 1}"})
    answer = registry.ask("PUT", with_query(answer.headers["location"], f"digest={digest}"))
    assert answer.status == 201
    check_pullable(registry, answer.headers["location"], BLOB)


def test_the_first_chunk_must_begin_at_0(registry: Registry, name: str) -> None:
    location = registry.begin(name)
    assert registry.ask("PATCH", location, BLOB[5:], {"Content-Range": f"5-{len(BLOB) - 1}"}).status == 416
    assert registry.ask("GET", location).headers["range"] == "0-0"


def test_a_streamed_body_without_a_range_is_taken(registry: Registry, name: str) -> None:
    answer = registry.ask("PATCH", registry.begin(name), BLOB, OCTETS)
    assert answer.status == 202
    assert answer.headers["range"] == f"0-{len(BLOB) - 1}"
    answer = registry.ask("PUT", with_query(answer.headers["location"], f"digest={digest_of(BLOB)}"))
    assert answer.status == 201


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("way", ["post", "put", "patch"])
def test_content_of_another_digest_is_refused(registry: Registry, name: str, way: str, algorithm: str) -> None:
    if registry.kind == "debian" and way == "post":
        pytest.skip("docker-registry 2.8 has no single POST")
    digest = digest_of(b"something else", algorithm)
    if way == "post":
        answer = registry.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", BLOB)
    elif way == "put":
        answer = registry.ask("PUT", with_query(registry.begin(name), f"digest={digest}"), BLOB)
    else:
        location = registry.ask("PATCH", registry.begin(name), BLOB).headers["location"]
        answer = registry.ask("PUT", with_query(location, f"digest={digest}"))
    assert answer.status == 400
    assert answer.codes == ["DIGEST_INVALID"]
    assert registry.ask("HEAD", f"/v2/{name}/blobs/{digest}").status == 404
    assert registry.ask("HEAD", f"/v2/{name}/blobs/{digest_of(BLOB, algorithm)}").status == 404


@pytest.mark.parametrize("digest", ["sha256:short", "nonsense", "md5:d41d8cd98f00b204e9800998ecf8427e", ""])
def test_a_digest_that_is_none_is_400(registry: Registry, name: str, digest: str) -> None:
    answer = registry.ask("PUT", with_query(registry.begin(name), f"digest={digest}"), BLOB)
    assert answer.status == 400
    assert answer.codes == ["DIGEST_INVALID"]


def test_an_upload_is_cancelled(registry: Registry, name: str) -> None:
    location = registry.begin(name)
    location = registry.ask("PATCH", location, BLOB).headers["location"]
    assert registry.ask("DELETE", location).status == 204
    for method in ("GET", "PATCH", "DELETE"):
        answer = registry.ask(method, location, BLOB if method == "PATCH" else b"")
        assert answer.status == 404
        assert answer.codes == ["BLOB_UPLOAD_UNKNOWN"]


def test_an_upload_that_never_was_is_unknown(registry: Registry, name: str) -> None:
    registry.push_blob(name, BLOB)
    path = f"/v2/{name}/blobs/uploads/6d6f2a3f-6e2c-4d4a-8f5f-0c7a1b0e8b11"
    for method in ("GET", "PATCH", "PUT"):
        answer = registry.ask(method, with_query(path, f"digest={digest_of(BLOB)}") if method == "PUT" else path)
        assert answer.status == 404
        assert answer.codes == ["BLOB_UPLOAD_UNKNOWN"]


def test_an_upload_of_another_repository_is_unknown(rorqual_registry: Registry, name: str) -> None:
    location = rorqual_registry.begin(name)
    assert rorqual_registry.ask("PATCH", location.replace(name, f"{name}-other"), BLOB).status == 404


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_blob_is_mounted_from_another_repository(registry: Registry, name: str, algorithm: str) -> None:
    digest = registry.push_blob(f"{name}-source", BLOB, algorithm)
    answer = registry.ask("POST", f"/v2/{name}/blobs/uploads/?mount={digest}&from={name}-source")
    assert answer.status == 201
    assert answer.headers["docker-content-digest"] == digest
    check_pullable(registry, answer.headers["location"], BLOB)
    assert registry.ask("DELETE", f"/v2/{name}-source/blobs/{digest}").status == 202
    check_pullable(registry, f"/v2/{name}/blobs/{digest}", BLOB)


@pytest.mark.rorqual_only
def test_a_blob_is_mounted_from_wherever_it_is(registry: Registry, name: str) -> None:
    digest = registry.push_blob(f"{name}-source", b"unique to this test")
    answer = registry.ask("POST", f"/v2/{name}/blobs/uploads/?mount={digest}")
    assert answer.status == 201
    check_pullable(registry, answer.headers["location"], b"unique to this test")


@pytest.mark.parametrize("source", ["&from=suite/none", ""])
def test_what_can_not_be_mounted_begins_an_upload(registry: Registry, name: str, source: str) -> None:
    content = f"nowhere {source}".encode()
    digest = digest_of(content)
    answer = registry.ask("POST", f"/v2/{name}/blobs/uploads/?mount={digest}{source}")
    assert answer.status == 202
    assert registry.ask("PUT", with_query(answer.headers["location"], f"digest={digest}"), content).status == 201


def test_a_bad_repository_name_is_refused(rorqual_registry: Registry) -> None:
    for bad in ("Upper/case", "a//b", "a/-b", "x" * 256):
        answer = rorqual_registry.ask("POST", f"/v2/{bad}/blobs/uploads/")
        assert (answer.status, answer.codes) == (400, ["NAME_INVALID"])


def test_a_chunk_shorter_than_its_range_is_refused(rorqual_registry: Registry, name: str) -> None:
    location = rorqual_registry.begin(name)
    answer = rorqual_registry.ask("PATCH", location, b"12345", {"Content-Range": "0-9"})
    assert (answer.status, answer.codes) == (400, ["SIZE_INVALID"])
    assert rorqual_registry.ask("PATCH", location, b"12345", {"Content-Range": "0-4"}).status == 202
