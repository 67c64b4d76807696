"""Pulling as the distribution specification has it: ping, blobs with ranges, manifests by tag and digest, errors."""

from __future__ import annotations

import json

import pytest

from tests.registries import Registry, digest_of

BLOB = bytes(range(256)) * 8
NOWHERE = digest_of(b"nowhere")


def test_ping_says_that_the_api_is_served(registry: Registry) -> None:
    answer = registry.ask("GET", "/v2/")
    assert answer.status == 200
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_head_tells_size_and_digest_of_a_blob(registry: Registry, name: str, algorithm: str) -> None:
    digest = registry.push_blob(name, BLOB, algorithm)
    answer = registry.ask("HEAD", f"/v2/{name}/blobs/{digest}")
    assert answer.status == 200
    assert answer.headers["content-length"] == str(len(BLOB))
    assert answer.headers["docker-content-digest"] == digest
    assert answer.body == b""


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("500-1499", 500, 1499), ("500-", 500, 2047), ("-500", 1548, 2047), ("2000-5000", 2000, 2047), ("0-0", 0, 0)],
)
def test_a_range_of_a_blob_is_206(registry: Registry, name: str, asked: str, first: int, last: int) -> None:
    digest = registry.push_blob(name, BLOB)
    answer = registry.ask("GET", f"/v2/{name}/blobs/{digest}", Range=f"bytes={asked}")
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(BLOB)}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.body == BLOB[first : last + 1]


@pytest.mark.parametrize("asked", ["5000-10000", "500-0", "2048-"])
def test_a_range_that_a_blob_has_not_is_416(registry: Registry, name: str, asked: str) -> None:
    digest = registry.push_blob(name, BLOB)
    answer = registry.ask("GET", f"/v2/{name}/blobs/{digest}", Range=f"bytes={asked}")
    assert answer.status == 416


@pytest.mark.parametrize("asked", ["items=0-1", "bytes=0-1,5-9", "bytes=x-y", "bytes=-"])
def test_a_range_that_is_none_gives_the_whole(rorqual_registry: Registry, name: str, asked: str) -> None:
    digest = rorqual_registry.push_blob(name, BLOB)
    answer = rorqual_registry.ask("GET", f"/v2/{name}/blobs/{digest}", Range=asked)
    assert (answer.status, answer.body) == (200, BLOB)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_not_there_is_404(registry: Registry, name: str, method: str) -> None:
    registry.push_blob(name, BLOB)
    for path, code in (
        (f"blobs/{NOWHERE}", "BLOB_UNKNOWN"),
        (f"manifests/{NOWHERE}", "MANIFEST_UNKNOWN"),
        ("manifests/none", "MANIFEST_UNKNOWN"),
    ):
        answer = registry.ask(method, f"/v2/{name}/{path}")
        assert answer.status == 404
        assert method == "HEAD" or answer.codes == [code]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_what_can_be_no_tag_is_not_there(rorqual_registry: Registry, name: str, method: str) -> None:
    rorqual_registry.push_blob(name, BLOB)
    answer = rorqual_registry.ask(method, f"/v2/{name}/manifests/.can-be-no-tag")
    assert (answer.status, answer.codes if method != "HEAD" else []) == (
        404,
        [] if method == "HEAD" else ["MANIFEST_UNKNOWN"],
    )


def test_a_blob_of_another_repository_is_404(registry: Registry, name: str) -> None:
    digest = registry.push_blob(f"{name}-other", b"only there")
    registry.push_blob(name, BLOB)
    assert registry.ask("GET", f"/v2/{name}/blobs/{digest}").status == 404


def test_a_repository_that_is_not_there_is_404(registry: Registry) -> None:
    assert registry.ask("GET", "/v2/suite/never/manifests/latest").status == 404
    answer = registry.ask("GET", "/v2/suite/never/tags/list")
    assert (answer.status, answer.codes) == (404, ["NAME_UNKNOWN"])


def test_a_digest_that_is_none_is_400_or_404(registry: Registry, name: str) -> None:
    registry.push_blob(name, BLOB)
    assert registry.ask("GET", f"/v2/{name}/manifests/sha256:baddigeststring").status in {400, 404}
    assert registry.ask("GET", f"/v2/{name}/blobs/sha256:baddigeststring").status in {400, 404}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_manifest_comes_as_it_was_pushed(registry: Registry, name: str, method: str) -> None:
    content = json.dumps(registry.image(name), indent=3).encode() + b"\n"
    kind = "application/vnd.oci.image.manifest.v1+json"
    assert registry.ask("PUT", f"/v2/{name}/manifests/v1", content, {"Content-Type": kind}).status == 201
    for reference in ("v1", digest_of(content)):
        answer = registry.ask(method, f"/v2/{name}/manifests/{reference}", Accept=kind)
        assert answer.status == 200
        assert answer.headers["content-type"] == kind
        assert answer.headers["docker-content-digest"] == digest_of(content)
        assert answer.headers["content-length"] == str(len(content))
        assert answer.body == (content if method == "GET" else b"")


def test_a_method_that_is_not_served_is_405(rorqual_registry: Registry, name: str) -> None:
    answer = rorqual_registry.ask("PATCH", f"/v2/{name}/manifests/v1", b"{}")
    assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
    assert "GET" in answer.headers["allow"]
