"""Content management: tags, manifests and blobs deleted, each for itself, and gone at once."""

from __future__ import annotations

import pytest

from tests.engine.registry.test_push_manifests import MANIFEST, described
from tests.registries import Registry, digest_of


@pytest.mark.rorqual_only
def test_a_deleted_tag_leaves_the_manifest_and_other_tags(registry: Registry, name: str) -> None:
    document = registry.image(name)
    for tag in ("one", "two"):
        registry.push_manifest(name, tag, document)
    assert registry.ask("DELETE", f"/v2/{name}/manifests/one").status == 202
    assert registry.ask("GET", f"/v2/{name}/manifests/one").status == 404
    assert registry.ask("GET", f"/v2/{name}/manifests/two").status == 200
    assert registry.ask("GET", f"/v2/{name}/manifests/{described(document)['digest']}").status == 200
    assert registry.ask("GET", f"/v2/{name}/tags/list").json["tags"] == ["two"]


def test_a_deleted_manifest_takes_its_tags_along(registry: Registry, name: str) -> None:
    gone, stays = registry.image(name, "gone"), registry.image(name, "stays")
    for tag in ("one", "two"):
        registry.push_manifest(name, tag, gone)
    registry.push_manifest(name, "three", stays)
    digest = described(gone)["digest"]
    assert registry.ask("DELETE", f"/v2/{name}/manifests/{digest}").status == 202
    for reference in (digest, "one", "two"):
        assert registry.ask("GET", f"/v2/{name}/manifests/{reference}", Accept=MANIFEST).status == 404
    assert registry.ask("GET", f"/v2/{name}/tags/list").json["tags"] == ["three"]
    assert registry.ask("DELETE", f"/v2/{name}/manifests/{digest}").status == 404


def test_a_deleted_blob_is_gone(registry: Registry, name: str) -> None:
    digest = registry.push_blob(name, b"to be deleted")
    assert registry.ask("DELETE", f"/v2/{name}/blobs/{digest}").status == 202
    assert registry.ask("HEAD", f"/v2/{name}/blobs/{digest}").status == 404
    again = registry.ask("DELETE", f"/v2/{name}/blobs/{digest}")
    assert (again.status, again.codes) == (404, ["BLOB_UNKNOWN"])
    assert registry.push_blob(name, b"to be deleted") == digest
    assert registry.ask("GET", f"/v2/{name}/blobs/{digest}").body == b"to be deleted"


@pytest.mark.parametrize("reference", ["none", digest_of(b"none")])
def test_what_is_not_there_can_not_be_deleted(rorqual_registry: Registry, name: str, reference: str) -> None:
    path = f"/v2/{name}/manifests/{reference}"
    answer = rorqual_registry.ask("DELETE", path)
    assert (answer.status, answer.codes) == (404, ["NAME_UNKNOWN"])
    rorqual_registry.push_blob(name, b"something")
    answer = rorqual_registry.ask("DELETE", path)
    assert (answer.status, answer.codes) == (404, ["MANIFEST_UNKNOWN"])
