"""What there is: tags, repositories, referrers, and a search over names (end-8, 12; `/v2/_catalog`, `/v1/search`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from engine.oci.digest import Digest
from engine.registry.server.call import Call, next_link
from engine.registry.server.catalog import Catalog, Repository
from engine.registry.server.faults import RegistryFault
from engine.registry.server.manifests import LARGEST, OCI_INDEX
from engine.registry.server.names import parse_digest

CATALOG_PAGE = 100
SEARCH_PAGE, MOST_SEARCHED = 25, 100
DESCRIPTION = "org.opencontainers.image.description"


class PageInvalid(RegistryFault):
    """`n` is no number."""


class ListingRoutes:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def tags(self, call: Call, name: str) -> None:
        found = sorted(self._catalog.get(name).tags)
        page, headers = paged(call, found, f"/v2/{name}/tags/list", default=None)
        await call.answer_json({"name": name, "tags": page}, headers)

    async def repositories(self, call: Call, may_pull: Callable[[str], bool]) -> None:
        names = [name for name in self._catalog.names() if may_pull(name)]
        page, headers = paged(call, names, "/v2/_catalog", default=CATALOG_PAGE)
        await call.answer_json({"repositories": page}, headers)

    async def referrers(self, call: Call, name: str, digest_text: str) -> None:
        """Never 404: a repository that has nothing has no referrers."""
        subject = parse_digest(digest_text)
        repository = self._catalog.find(name)
        found = descriptors(repository, subject) if repository is not None else []
        headers = {"Content-Type": OCI_INDEX}
        query: list[tuple[str, str]] = []
        if wanted := call.text("artifactType"):
            found = [descriptor for descriptor in found if descriptor.get("artifactType", "") == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
            query = [("artifactType", wanted)]
        page, last = fitting(found, call.text("last"))
        if last:
            headers |= next_link(f"/v2/{name}/referrers/{subject}", [*query, ("last", last)])
        await call.answer_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page}, headers)

    async def search(self, call: Call, may_pull: Callable[[str], bool]) -> None:
        """Docker's search of old, over the names that hold the term."""
        term = call.text("q").strip().lower()
        size = min(number(call, "n") or SEARCH_PAGE, MOST_SEARCHED)
        first = max((number(call, "page") or 1) - 1, 0) * size
        found = [r for r in self._catalog.repositories() if term in r.name and may_pull(r.name)]
        results = [
            {
                "name": repository.name,
                "description": description_of(repository),
                "star_count": 0,
                "is_official": False,
                "is_automated": False,
                "is_trusted": False,
            }
            for repository in found[first : first + size]
        ]
        pages = -(-len(found) // size)
        shown = {"query": term, "num_results": len(found), "num_pages": pages, "page": first // size + 1}
        await call.answer_json({**shown, "page_size": size, "results": results})

    async def ping_v1(self, call: Call) -> None:
        await call.answer_json(True, {"X-Docker-Registry-Version": "0.9.1", "X-Docker-Registry-Standalone": "true"})


def number(call: Call, name: str) -> int | None:
    """Raises PageInvalid."""
    text = call.text(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise PageInvalid(f'invalid number of results requested: "{name}={text}"')
    return int(text)


def paged(call: Call, names: Sequence[str], path: str, *, default: int | None) -> tuple[list[str], dict[str, str]]:
    """Up to `n` names after `last`, and the Link to more. Names must be sorted."""
    last = call.text("last")
    rest = [name for name in names if name > last] if last else list(names)
    size = number(call, "n")
    size = default if size is None else size
    if size is None or (page := rest[:size]) == rest:
        return rest, {}
    return page, next_link(path, [("n", str(size)), ("last", page[-1])]) if page else {}


def descriptors(repository: Repository, subject: Digest) -> list[dict[str, Any]]:
    about = repository.referrers.get(subject, {})
    return [repository.manifests[digest].descriptor(digest) for digest in about]


def fitting(found: Sequence[dict[str, Any]], after: str) -> tuple[list[dict[str, Any]], str]:
    """As many as a manifest may be large, at least one, from behind `after` on → (them, the last one if more come)."""
    start = next((at + 1 for at, descriptor in enumerate(found) if descriptor["digest"] == after), 0)
    page: list[dict[str, Any]] = []
    size = 0
    for descriptor in found[start:]:
        size += len(json.dumps(descriptor)) + 1
        if page and size > LARGEST // 2:
            return page, str(page[-1]["digest"])
        page.append(descriptor)
    return page, ""


def description_of(repository: Repository) -> str:
    """What the annotations of its manifests say, `latest` before others."""
    tagged = repository.tags.get("latest")
    candidates = [repository.manifests[tagged]] if tagged in repository.manifests and tagged else []
    for manifest in (*candidates, *repository.manifests.values()):
        if text := manifest.annotations.get(DESCRIPTION):
            return text
    return ""
