"""One request of the API while it is answered: who asks, for what, with which body; and its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from engine.client.errors import InvalidArgument
from engine.gitops.api.documents import plain
from engine.gitops.loop.agent import Agent
from engine.gitops.settings.models import Role
from engine.http.server import Exchange

LARGEST_BODY = 64 << 10


@dataclass(slots=True)
class Call:
    """`who` is the token's name, for events; `path` are the values of the route's names."""

    agent: Agent
    exchange: Exchange
    role: Role | None = None
    who: str = ""
    path: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.exchange.target.partition("?")[2]))

    async def body(self) -> dict[str, Any]:
        """The JSON object that was sent; empty where nothing was. Raises InvalidArgument, BadRequest."""
        text = await self.exchange.read(LARGEST_BODY)
        try:
            found = json.loads(text) if text.strip() else {}
        except ValueError:
            raise InvalidArgument("the body is no JSON") from None
        if not isinstance(found, dict):
            raise InvalidArgument("the body must be an object")
        return found

    async def answer(self, value: Any, status: int = 200) -> None:
        text = json.dumps(value, ensure_ascii=False, default=plain).encode()
        await self.exchange.answer(status, {"Content-Type": "application/json"}, text + b"\n")

    async def text(self, text: str, status: int = 200, kind: str = "text/plain; charset=utf-8") -> None:
        await self.exchange.answer(status, {"Content-Type": kind}, text.encode())
