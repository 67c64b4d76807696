"""Who we are to a registry: what its 401 asks for, and the header that answers it.

A token is asked for once per scope and used until shortly before its end.
Source: distribution's token authentication specification; RFC 7235.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from engine.credentials.config import Credentials
from engine.http.errors import HttpFault
from engine.registry.client.faults import NoCredentials, Refused, Unreachable
from engine.registry.client.web import Web

PARAMETER = re.compile(r'([a-zA-Z_]+)=(?:"([^"]*)"|([^\s,]+))')
# What a token server that doesn't say gives; and how long before the end a token is no longer used.
LIFE_SECONDS, EARLY_SECONDS = 60.0, 10.0
LARGEST_ANSWER = 1 << 20


@dataclass(slots=True)
class Authenticator:
    """For one registry and one user. `headers` are what the next request for a scope should say."""

    web: Web
    credentials: Credentials | None = None
    _basic: bool = False
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)

    def headers(self, scope: str) -> dict[str, str]:
        if self.credentials and (given := self.credentials.get("registrytoken")):
            return {"authorization": f"Bearer {given}"}
        if self._basic and (word := self._password()):
            return {"authorization": word}
        token, until = self._tokens.get(scope, ("", 0.0))
        return {"authorization": f"Bearer {token}"} if token and time.monotonic() < until else {}

    def _password(self) -> str:
        known = self.credentials or {}
        if not known.get("username"):
            return ""
        said = f"{known['username']}:{known.get('password', '')}"
        return f"Basic {base64.b64encode(said.encode()).decode()}"

    async def answer(self, challenge: str, scope: str, refusal: Refused) -> None:
        """Get what the challenge asks for. Raises NoCredentials, or what the token server said."""
        kind, _, rest = challenge.partition(" ")
        said = {name.lower(): quoted or plain for name, quoted, plain in PARAMETER.findall(rest)}
        if kind.lower() == "basic":
            if not self._password():
                raise NoCredentials(401, refusal.code, "no basic auth credentials")
            self._basic = True
        elif kind.lower() == "bearer" and said.get("realm"):
            await self._fetch(said, scope)
        else:
            raise refusal

    async def _fetch(self, said: Mapping[str, str], scope: str) -> None:
        scopes = (scope or said.get("scope", "")).split()
        query = [("service", said["service"])] if said.get("service") else []
        query += [("scope", one) for one in scopes]
        known = self.credentials or {}
        if identity := known.get("identitytoken"):
            form = {"grant_type": "refresh_token", "refresh_token": identity, "client_id": "rorqual"}
            form |= {"service": said.get("service", ""), "scope": " ".join(scopes)}
            kind = {"content-type": "application/x-www-form-urlencoded"}
            document = await self._ask("POST", said["realm"], kind, urlencode(form).encode())
        else:
            word = self._password()
            if word:
                query.append(("account", known.get("username", "")))
            url = f"{said['realm']}{'&' if '?' in said['realm'] else '?'}{urlencode(query, quote_via=quote)}"
            document = await self._ask("GET", url, {"authorization": word} if word else {}, b"")
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token:
            raise Unreachable(f"the token server {said['realm']} gave no token")
        life = document.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) and life > 0 else LIFE_SECONDS
        self._tokens[scope] = token, time.monotonic() + max(seconds - EARLY_SECONDS, seconds / 2)

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        try:
            async with self.web.exchange(method, url, headers, body) as response:
                content = await response.read()
        except HttpFault as fault:
            raise Unreachable(f"the token server {url.partition('?')[0]} can't be asked: {fault}") from fault
        if response.status >= 400:
            raise Refused.of(response.status, content)
        try:
            document = json.loads(content[:LARGEST_ANSWER])
        except ValueError as error:
            raise Unreachable(f"the token server {url.partition('?')[0]} gave no JSON") from error
        return document if isinstance(document, dict) else {}
