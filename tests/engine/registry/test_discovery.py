"""Content discovery: tags with paging, repositories, referrers with filters, and Docker's search of old."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.engine.registry.test_push_manifests import INDEX, artifact, described, index_of
from tests.registries import Registry, digest_of

TAGS = sorted(["latest", "v1", "v2", "v10", "A-tag", "_under", "edge"])


def tagged(registry: Registry, name: str) -> None:
    document = registry.image(name)
    for tag in TAGS:
        assert registry.push_manifest(name, tag, document).status == 201


def next_of(link: str) -> str:
    found = re.fullmatch(r'<([^>]+)>; ?rel="next"', link)
    assert found is not None
    return found[1]


def test_tags_are_listed_in_order(registry: Registry, name: str) -> None:
    tagged(registry, name)
    answer = registry.ask("GET", f"/v2/{name}/tags/list")
    assert answer.status == 200
    assert answer.json == {"name": name, "tags": TAGS}


@pytest.mark.rorqual_only
def test_tags_come_in_pages(registry: Registry, name: str) -> None:
    tagged(registry, name)
    path, found = f"/v2/{name}/tags/list?n=3", []
    for size in (3, 3, 1):
        answer = registry.ask("GET", path)
        assert len(answer.json["tags"]) == size
        found += answer.json["tags"]
        path = next_of(answer.headers["link"]) if "link" in answer.headers else ""
    assert (found, path) == (TAGS, "")


@pytest.mark.rorqual_only
def test_tags_after_one_of_them_or_after_none(registry: Registry, name: str) -> None:
    tagged(registry, name)
    after = registry.ask("GET", f"/v2/{name}/tags/list?last={TAGS[2]}")
    assert after.json["tags"] == TAGS[3:]
    assert registry.ask("GET", f"/v2/{name}/tags/list?last=m&n=1").json["tags"] == ["v1"]
    none = registry.ask("GET", f"/v2/{name}/tags/list?n=0")
    assert none.json["tags"] == []
    assert "link" not in none.headers


@pytest.mark.rorqual_only
@pytest.mark.parametrize("number", ["-1", "x", "1.5"])
def test_a_page_of_no_number_is_400(registry: Registry, name: str, number: str) -> None:
    tagged(registry, name)
    assert registry.ask("GET", f"/v2/{name}/tags/list?n={number}").status == 400


def test_a_repository_with_blobs_alone_has_no_tags(rorqual_registry: Registry, name: str) -> None:
    rorqual_registry.push_blob(name, b"alone")
    assert rorqual_registry.ask("GET", f"/v2/{name}/tags/list").json == {"name": name, "tags": []}


def test_repositories_are_listed_in_pages(registry: Registry, name: str) -> None:
    for ending in ("a", "b", "c"):
        registry.push_manifest(f"{name}-{ending}", "v1", registry.image(f"{name}-{ending}"))
    path, found = "/v2/_catalog?n=2", []
    while path:
        answer = registry.ask("GET", path)
        assert answer.status == 200
        assert len(answer.json["repositories"]) <= 2
        found += answer.json["repositories"]
        path = next_of(answer.headers["link"]) if "link" in answer.headers else ""
    assert [one for one in found if one.startswith(f"{name}-")] == [f"{name}-a", f"{name}-b", f"{name}-c"]
    assert found == sorted(found)


# --- referrers, which docker-registry 2.8 has not
def referrers(registry: Registry, name: str, digest: str, query: str = "") -> Any:
    answer = registry.ask("GET", f"/v2/{name}/referrers/{digest}{query}")
    assert answer.status == 200
    assert answer.headers["content-type"] == INDEX
    assert (answer.json["schemaVersion"], answer.json["mediaType"]) == (2, INDEX)
    return answer.json["manifests"]


@pytest.fixture
def subject(rorqual_registry: Registry, name: str) -> dict[str, Any]:
    document = rorqual_registry.image(name)
    rorqual_registry.push_manifest(name, "image", document)
    return described(document)


def about(registry: Registry, name: str, document: dict[str, Any]) -> dict[str, Any]:
    """Push a manifest about another one → its descriptor as the list of referrers must have it."""
    content = json.dumps(document).encode()
    answer = registry.push_manifest(name, digest_of(content), document)
    assert answer.status == 201
    assert answer.headers["oci-subject"] == document["subject"]["digest"]
    kind = document.get("artifactType") or document.get("config", {}).get("mediaType")
    found = described(document)
    found |= {"artifactType": kind} if kind else {}
    found |= {"annotations": document["annotations"]} if "annotations" in document else {}
    return found


def test_referrers_are_found_by_their_subject(rorqual_registry: Registry, name: str, subject: dict[str, Any]) -> None:
    registry = rorqual_registry
    assert referrers(registry, name, subject["digest"]) == []
    expected: list[dict[str, Any]] = [
        about(registry, name, registry.image(name, "about", subject=subject)),
        about(registry, name, artifact(registry, name, layers=[], subject=subject, annotations={"a": "b"})),
        about(registry, name, artifact(registry, name, layers=[], subject=subject) | {"artifactType": "x/y"}),
        about(registry, name, index_of(subject=subject)),
        about(registry, name, index_of(subject=subject, artifactType="x/y", annotations={"c": "d"})),
    ]
    assert referrers(registry, name, subject["digest"]) == expected
    filtered = registry.ask("GET", f"/v2/{name}/referrers/{subject['digest']}?artifactType=x/y")
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    assert filtered.json["manifests"] == [expected[2], expected[4]]
    assert registry.ask("DELETE", f"/v2/{name}/manifests/{expected[1]['digest']}").status == 202
    assert referrers(registry, name, subject["digest"]) == [expected[0], *expected[2:]]


def test_a_subject_may_come_later_or_never(rorqual_registry: Registry, name: str) -> None:
    missing: dict[str, Any] = {"mediaType": INDEX, "digest": digest_of(b"missing"), "size": 123}
    expected = about(rorqual_registry, name, artifact(rorqual_registry, name, layers=[], subject=missing))
    assert referrers(rorqual_registry, name, missing["digest"]) == [expected]


def test_a_repository_that_is_not_there_has_no_referrers(rorqual_registry: Registry) -> None:
    assert referrers(rorqual_registry, "suite/never", digest_of(b"x")) == []


def test_referrers_of_what_is_no_digest_are_400(rorqual_registry: Registry, name: str) -> None:
    answer = rorqual_registry.ask("GET", f"/v2/{name}/referrers/sha256:nonsense")
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])


def test_many_large_referrers_come_in_pages(rorqual_registry: Registry, name: str, subject: dict[str, Any]) -> None:
    for number in range(3):
        annotations = {"number": str(number), "large": "A" * 1_500_000}
        about(rorqual_registry, name, index_of(subject=subject, annotations=annotations))
    path, found = f"/v2/{name}/referrers/{subject['digest']}", []
    while path:
        answer = rorqual_registry.ask("GET", path)
        assert len(answer.body) < 4 << 20
        found += [one["annotations"]["number"] for one in answer.json["manifests"]]
        path = next_of(answer.headers["link"]) if "link" in answer.headers else ""
    assert found == ["0", "1", "2"]


def test_search_finds_names_that_hold_the_term(rorqual_registry: Registry, name: str) -> None:
    annotations = {"org.opencontainers.image.description": "What it is"}
    rorqual_registry.push_manifest(name, "latest", rorqual_registry.image(name, annotations=annotations))
    answer = rorqual_registry.ask("GET", f"/v1/search?q={name.rpartition('/')[2]}&n=25")
    assert answer.status == 200
    found = {result["name"]: result for result in answer.json["results"]}
    assert found[name]["description"] == "What it is"
    assert answer.json["num_results"] >= 1
    assert rorqual_registry.ask("GET", "/v1/search?q=no-such-thing-at-all").json["results"] == []


@pytest.mark.rorqual_only
def test_lists_have_a_head_as_they_have_a_body(registry: Registry, name: str) -> None:
    digest = registry.push_manifest(name, "v1", registry.image(name)).headers["docker-content-digest"]
    for path in (f"/v2/{name}/tags/list", f"/v2/{name}/referrers/{digest}", "/v2/_catalog"):
        whole, head = registry.ask("GET", path), registry.ask("HEAD", path)
        assert (head.status, head.body, head.headers) == (200, b"", whole.headers), path
