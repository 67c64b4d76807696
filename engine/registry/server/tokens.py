"""Bearer tokens that this registry gives and takes: JSON Web Tokens signed with a key of its own (HS256).

Source: distribution's token authentication specification ("Docker Registry v2 Bearer token specification"); RFC 7519.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

LIFE_SECONDS = 300
# How far two machines' clocks may be apart.
LEEWAY_SECONDS = 60
ACTIONS = frozenset({"pull", "push", "delete", "*"})


@dataclass(frozen=True, slots=True)
class Scope:
    """`repository:shop/web:pull,push`."""

    kind: str
    name: str
    actions: frozenset[str]

    @classmethod
    def parse_all(cls, texts: list[str]) -> list[Scope]:
        """Those that can be read; a scope holds no spaces, so that one text may hold several."""
        found: list[Scope] = []
        for text in " ".join(texts).split():
            kind, _, rest = text.partition(":")
            name, _, actions = rest.rpartition(":")
            if name and actions:
                found.append(cls(kind, name, frozenset(actions.split(","))))
        return found

    def __str__(self) -> str:
        order = ("pull", "push", "delete", "*")
        return f"{self.kind}:{self.name}:{','.join(action for action in order if action in self.actions)}"


class Tokens:
    def __init__(self, service: str, now: Callable[[], float], key: bytes | None = None) -> None:
        self.service = service
        self._now = now
        self._key = key or os.urandom(32)

    def issue(self, user: str, scopes: list[Scope]) -> dict[str, Any]:
        """The answer to a client that has shown who it is; `scopes` are what it may do."""
        now = int(self._now())
        access = [{"type": s.kind, "name": s.name, "actions": sorted(s.actions)} for s in scopes if s.actions]
        claims = {
            "iss": self.service,
            "aud": self.service,
            "sub": user,
            "iat": now,
            "nbf": now - LEEWAY_SECONDS,
            "exp": now + LIFE_SECONDS,
            "jti": os.urandom(12).hex(),
            "access": access,
        }
        signed = f"{packed({'typ': 'JWT', 'alg': 'HS256'})}.{packed(claims)}"
        token = f"{signed}.{self._signature(signed)}"
        return {"token": token, "access_token": token, "expires_in": LIFE_SECONDS, "issued_at": rfc3339(now)}

    def read(self, token: str) -> tuple[str, list[Scope]] | None:
        """(user, scopes) of a token of ours that is still good."""
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        claims = unpacked(signed.partition(".")[2])
        if claims is None or not claims["nbf"] <= self._now() < claims["exp"] or claims["aud"] != self.service:
            return None
        return claims["sub"], [Scope(a["type"], a["name"], frozenset(a["actions"])) for a in claims["access"]]

    def _signature(self, text: str) -> str:
        return trimmed(hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).digest())


def trimmed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def packed(document: Mapping[str, Any]) -> str:
    return trimmed(json.dumps(document, separators=(",", ":")).encode())


def unpacked(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return None
    return found if isinstance(found, dict) else None


def rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
