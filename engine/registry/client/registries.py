"""All registries that a process speaks to: names become remotes, mirrors before the hub, sessions kept per user.

Called by the daemon's images and by the command line.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from engine.credentials.config import Credentials
from engine.oci.reference import Reference
from engine.registry.client.answers import as_object, whole
from engine.registry.client.faults import Refused, Unreachable
from engine.registry.client.policy import HUB, HUB_REGISTRY, HUB_SEARCH, Policy
from engine.registry.client.remote import LARGEST_MANIFEST, Remote, pages
from engine.registry.client.session import Session
from engine.registry.client.web import Web

CATALOG_SCOPE = "registry:catalog:*"


class Registries:
    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._web = Web(policy)
        self._sessions: dict[tuple[str, str, str], Session] = {}

    def remotes(self, reference: Reference, credentials: Credentials | None = None) -> list[Remote]:
        """Where to pull it from, in the order to try: mirrors of the hub first, without the user's credentials."""
        found: list[Remote] = []
        if reference.domain == HUB:
            found = [Remote(self._mirror(url), reference.path) for url in self.policy.mirrors]
        return [*found, self.remote(reference, credentials)]

    def remote(self, reference: Reference, credentials: Credentials | None = None) -> Remote:
        """The registry that the reference names: where to push to."""
        return Remote(self.session(reference.domain, credentials), reference.path)

    def session(self, domain: str, credentials: Credentials | None = None) -> Session:
        host = HUB_REGISTRY if domain == HUB else domain
        return self._kept(domain, host, "", credentials)

    def _mirror(self, url: str) -> Session:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        return self._kept(parts.netloc, parts.netloc, f"{parts.scheme}://{parts.netloc}", None)

    def _kept(self, name: str, host: str, base: str, credentials: Credentials | None) -> Session:
        who = hashlib.sha256(json.dumps(credentials or {}, sort_keys=True).encode()).hexdigest() if credentials else ""
        key = host, base, who
        if key not in self._sessions:
            if len(self._sessions) > 200:
                self._sessions.clear()
            self._sessions[key] = Session(self._web, name, host, credentials, base=base)
        return self._sessions[key]

    async def login(self, domain: str, credentials: Credentials) -> None:
        """Whether the registry takes the credentials. Raises Refused, Unreachable."""
        host = HUB_REGISTRY if domain == HUB else domain
        session = Session(self._web, domain, host, credentials)
        async with session.ask("GET", "/v2/"):
            return

    async def search(self, term: str, limit: int, credentials: Credentials | None = None) -> list[dict[str, Any]]:
        """What the host that the term names finds, else the first mirror, else Docker Hub.

        By `/v1/search`; a registry that has it not is asked for its catalog. Raises Refused, Unreachable.
        """
        first, slash, rest = term.partition("/")
        if slash and ("." in first or ":" in first or first == "localhost") and first not in {HUB, HUB_SEARCH}:
            return await self._search(self.session(first, credentials), rest, limit)
        term = rest if slash and first in {HUB, HUB_SEARCH} else term
        for url in self.policy.mirrors:
            try:
                return await self._search(self._mirror(url), term, limit)
            except (Refused, Unreachable):
                continue
        return await self._search(self._kept(HUB, HUB_SEARCH, f"https://{HUB_SEARCH}", credentials), term, limit)

    async def _search(self, session: Session, term: str, limit: int) -> list[dict[str, Any]]:
        path = f"/v1/search?{urlencode({'q': term, 'n': limit})}"
        async with session.ask("GET", path, scope=CATALOG_SCOPE, accepted=frozenset({404})) as response:
            content = await whole(response, LARGEST_MANIFEST, "the search's answer")
        if response.status != 404:
            results = as_object(content, "the search's answer").get("results") or ()
            return [one for one in results if isinstance(one, dict)][:limit]
        names = [name for name in await self.catalog(session) if term in name]
        return [{"name": name, "description": "", "star_count": 0} for name in names[:limit]]

    async def catalog(self, session: Session) -> list[str]:
        return await pages(session, "/v2/_catalog", "repositories", scope=CATALOG_SCOPE)

    async def aclose(self) -> None:
        await self._web.aclose()
