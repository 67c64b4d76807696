"""One call of the distribution API: the path split, the query read, and the ways to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from engine.http.server import Exchange

COMMON = {"Docker-Distribution-Api-Version": "registry/2.0", "X-Content-Type-Options": "nosniff"}
JSON_TYPE = "application/json"


class Call:
    """`path` is decoded; `user` is who calls, empty for nobody."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.method = exchange.method
        target = exchange.target
        if not target.startswith("/"):
            # the absolute form, which a proxy's client sends
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, self.query_text = target.partition("?")
        self.path = unquote(path)
        self.headers = exchange.headers
        self.user = ""

    @cached_property
    def query(self) -> Mapping[str, list[str]]:
        return parse_qs(self.query_text, keep_blank_values=True, max_num_fields=1000)

    def text(self, name: str) -> str:
        return self.query.get(name, [""])[0]

    @property
    def length(self) -> int | None:
        """The body's size, None when it comes in chunks."""
        said = self.headers.get("content-length")
        return int(said) if said is not None else None

    async def answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        await self.exchange.answer(status, {**COMMON, **(headers or {})}, body)

    async def answer_json(self, value: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> None:
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        await self.answer(status, {"Content-Type": JSON_TYPE, **(headers or {})}, body)

    async def answer_file(
        self, status: int, headers: Mapping[str, str], handle: int, *, offset: int, length: int
    ) -> None:
        await self.exchange.answer_file(status, {**COMMON, **headers}, handle, offset, length)


def next_link(path: str, query: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The Link header to what comes after (RFC 5988)."""
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query)
    return {"Link": f'<{path}?{text}>; rel="next"'}
