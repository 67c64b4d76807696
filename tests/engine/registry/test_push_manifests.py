"""Pushing manifests: every kind of data that the specification knows, tags by parameter, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.registries import Registry, descriptor, digest_of, running_registry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY = "application/vnd.oci.empty.v1+json"
EXAMPLE = "application/vnd.example.thing"


def described(document: dict[str, Any], algorithm: str = "sha256") -> dict[str, Any]:
    content = json.dumps(document).encode()
    return {"mediaType": document["mediaType"], "digest": digest_of(content, algorithm), "size": len(content)}


def index_of(*documents: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [described(one) for one in documents], **more}


def artifact(registry: Registry, name: str, **more: Any) -> dict[str, Any]:
    config = descriptor(b"{}", EMPTY, registry, name)
    return {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": EXAMPLE, "config": config, **more}


def check_pushed(registry: Registry, name: str, document: dict[str, Any], tag: str = "v1") -> str:
    """By digest and by tag, and it comes back."""
    content = json.dumps(document).encode()
    digest = digest_of(content)
    for reference in (digest, tag):
        answer = registry.push_manifest(name, reference, document)
        assert answer.status == 201, answer
        assert answer.headers["docker-content-digest"] == digest
        pulled = registry.ask("GET", answer.headers["location"], Accept=document["mediaType"])
        assert (pulled.status, pulled.body) == (200, content)
        assert pulled.headers["content-type"] == document["mediaType"]
    return digest


def test_an_image(registry: Registry, name: str) -> None:
    check_pushed(registry, name, registry.image(name))


def test_an_image_of_docker(registry: Registry, name: str) -> None:
    document = registry.image(name)
    document["mediaType"] = DOCKER
    document["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    document["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    digest = check_pushed(registry, name, document)
    entry = {**described(document), "platform": {"os": "linux", "architecture": "amd64"}}
    check_pushed(registry, name, {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [entry]}, "list")
    assert entry["digest"] == digest


def test_a_manifest_of_nearly_four_megabytes(registry: Registry, name: str) -> None:
    annotations = {f"annotation-{number}": "A" * 10_000 for number in range(390)}
    check_pushed(registry, name, registry.image(name, annotations=annotations))


def test_a_manifest_that_is_too_large_is_413(rorqual_registry: Registry, name: str) -> None:
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "annotations": {"a": "A" * (9 << 20)}}
    assert rorqual_registry.push_manifest(name, "v1", document).status == 413


def test_an_index_a_nested_one_and_an_empty_one(registry: Registry, name: str) -> None:
    images = [registry.image(name, text) for text in ("one", "two")]
    for image in images:
        check_pushed(registry, name, image)
    inner = index_of(*images)
    check_pushed(registry, name, inner, "index")
    check_pushed(registry, name, index_of(inner), "nested")
    check_pushed(registry, name, index_of(), "empty")


@pytest.mark.rorqual_only
def test_an_index_may_name_images_that_are_elsewhere(registry: Registry, name: str) -> None:
    check_pushed(registry, name, index_of(artifact(registry, name, layers=[])))


def test_artifacts_with_and_without_layers(registry: Registry, name: str) -> None:
    layer = descriptor(b"a thing", EXAMPLE, registry, name)
    empty = descriptor(b"{}", EMPTY, registry, name)
    check_pushed(registry, name, artifact(registry, name, layers=[layer]), "with")
    check_pushed(registry, name, artifact(registry, name, layers=[empty]), "without")
    check_pushed(registry, name, artifact(registry, name, layers=[]), "no-layers")


def test_layers_that_lie_elsewhere_need_not_be_there(registry: Registry, name: str) -> None:
    document = registry.image(name)
    far = digest_of(b"far away")
    for kind in ("tar", "tar+gzip"):
        urls = [f"https://store.example.com/{far}"]
        media_type = f"application/vnd.oci.image.layer.nondistributable.v1.{kind}"
        document["layers"].insert(0, {"mediaType": media_type, "digest": far, "size": 1234, "urls": urls})
    check_pushed(registry, name, document)


def test_fields_that_nobody_knows_are_kept(registry: Registry, name: str) -> None:
    document = registry.image(name, unknown={"deep": [1, 2]}, extra="field")
    document["config"]["org.example.more"] = "x"
    document["layers"][0]["data"] = "aGVsbG8="
    check_pushed(registry, name, document)
    check_pushed(registry, name, index_of(document, extra=True), "index")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_is_pushed_by_digest_with_many_tags(rorqual_registry: Registry, name: str, algorithm: str) -> None:
    registry = rorqual_registry
    document = registry.image(name)
    digest = digest_of(json.dumps(document).encode(), algorithm)
    tags = [f"tag-{number}" for number in range(12)]
    answer = registry.push_manifest(name, digest, document, "?" + "&".join(f"tag={tag}" for tag in tags))
    assert answer.status == 201
    assert [tag.strip() for tag in answer.headers["oci-tag"].split(",")] == tags
    for tag in tags:
        pulled = registry.ask("HEAD", f"/v2/{name}/manifests/{tag}")
        assert (pulled.status, pulled.headers["docker-content-digest"]) == (200, digest)


def test_a_tag_moves(registry: Registry, name: str) -> None:
    first = check_pushed(registry, name, registry.image(name, "one"))
    second = check_pushed(registry, name, registry.image(name, "two"))
    assert registry.ask("HEAD", f"/v2/{name}/manifests/v1", Accept=MANIFEST).headers["docker-content-digest"] == second
    assert registry.ask("HEAD", f"/v2/{name}/manifests/{first}", Accept=MANIFEST).status == 200


@pytest.mark.parametrize("field", ["config", "layers"])
def test_an_image_whose_blobs_are_not_there_is_refused(registry: Registry, name: str, field: str) -> None:
    document = registry.image(name)
    missing = digest_of(b"missing")
    (document["layers"][0] if field == "layers" else document["config"])["digest"] = missing
    answer = registry.push_manifest(name, "v1", document)
    assert answer.status in {400, 404}
    assert set(answer.codes) == {"MANIFEST_BLOB_UNKNOWN"}
    assert missing in answer.body.decode()
    assert registry.ask("GET", f"/v2/{name}/manifests/v1").status == 404


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_of_another_digest_is_refused(registry: Registry, name: str, algorithm: str) -> None:
    document = registry.image(name)
    answer = registry.push_manifest(name, digest_of(b"something else", algorithm), document)
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])


def test_a_digest_that_is_none_is_400(registry: Registry, name: str) -> None:
    document = registry.image(name)
    assert registry.push_manifest(name, "sha256:baddigeststring", document).status == 400


def test_the_content_types_parameters_are_ignored(rorqual_registry: Registry, name: str) -> None:
    content = json.dumps(rorqual_registry.image(name)).encode()
    kind = {"Content-Type": f"{MANIFEST}; charset=utf-8"}
    assert rorqual_registry.ask("PUT", f"/v2/{name}/manifests/v1", content, kind).status == 201
    assert rorqual_registry.ask("GET", f"/v2/{name}/manifests/v1").headers["content-type"] == MANIFEST


@pytest.mark.parametrize("field", ["none", "mediaType"])
def test_a_manifest_without_a_type_is_read_by_its_form(rorqual_registry: Registry, name: str, field: str) -> None:
    document = rorqual_registry.image(name)
    document.pop(field, None)
    answer = rorqual_registry.ask("PUT", f"/v2/{name}/manifests/v1", json.dumps(document).encode())
    assert answer.status == 201
    assert rorqual_registry.ask("GET", f"/v2/{name}/manifests/v1").headers["content-type"] == MANIFEST


DIGEST = digest_of(b"x")
FAULTS: list[tuple[bytes, str]] = [
    (b"", "JSON"),
    (b"{", "JSON"),
    (b"[" * 100_000, "JSON"),
    (b"[]", "object"),
    (b'"text"', "object"),
    (b'{"schemaVersion": 1}', "schemaVersion"),
    (b'{"schemaVersion": 2}', "config"),
    (b'{"schemaVersion": 2, "config": [], "layers": []}', "config"),
    (b'{"schemaVersion": 2, "config": {"digest": "x", "size": 1}, "layers": []}', "not a digest"),
    (f'{{"schemaVersion": 2, "config": {{"digest": "{DIGEST}", "size": -1}}, "layers": []}}'.encode(), "size"),
    (f'{{"schemaVersion": 2, "config": {{"digest": "{DIGEST}"}}, "layers": []}}'.encode(), "size"),
    (f'{{"schemaVersion": 2, "config": {{"digest": "{DIGEST}", "size": 1}}}}'.encode(), "layers"),
    (f'{{"schemaVersion": 2, "config": {{"digest": "{DIGEST}", "size": 1}}, "layers": {{}}}}'.encode(), "layers"),
    (f'{{"mediaType": "{INDEX}", "manifests": [], "layers": []}}'.encode(), "mediaType"),
    (b'{"schemaVersion": 2, "manifests": [], "layers": []}', "both"),
    (f'{{"mediaType": "{INDEX}", "manifests": []}}'.encode(), "mediaType"),
]


@pytest.mark.parametrize(("content", "words"), FAULTS, ids=range(len(FAULTS)))
def test_what_is_no_manifest_is_refused_in_words(
    rorqual_registry: Registry, name: str, content: bytes, words: str
) -> None:
    answer = rorqual_registry.ask("PUT", f"/v2/{name}/manifests/v1", content, {"Content-Type": MANIFEST})
    assert answer.status == 400
    assert answer.codes[0] in {"MANIFEST_INVALID", "DIGEST_INVALID"}
    assert words in answer.json["errors"][0]["message"]


def test_an_image_without_its_blobs_is_taken_where_that_is_asked_for(
    rorqual_registry: Registry, tmp_path: Path
) -> None:
    document = rorqual_registry.image("suite/sparse")
    with running_registry(tmp_path, "--sparse", "--gc-minutes=0.001", "--gc-grace-minutes=0") as registry:
        assert registry.push_manifest("suite/sparse", "v1", document).status == 201
        layer = document["layers"][0]["digest"]
        assert registry.ask("GET", f"/v2/suite/sparse/blobs/{layer}").status == 404
        assert registry.ask("GET", "/v2/suite/sparse/manifests/v1").json == document


def test_a_type_that_is_no_manifests_is_refused(rorqual_registry: Registry, name: str) -> None:
    answer = rorqual_registry.ask("PUT", f"/v2/{name}/manifests/v1", b"{}", {"Content-Type": "text/html"})
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])


@pytest.mark.parametrize("tag", ["-x", ".x", "x" * 129, "a+b"])
def test_a_tag_that_is_none_is_refused(rorqual_registry: Registry, name: str, tag: str) -> None:
    assert rorqual_registry.push_manifest(name, tag, rorqual_registry.image(name)).status == 400
