"""One JSON request to somebody else's server, tried again a few times while that may help."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from engine.client.errors import SystemFailure, Unavailable
from engine.http.dial import dial_tcp, dial_tls
from engine.http.errors import HttpFault
from engine.http.message import Request
from engine.http.pool import Pool
from engine.kit.backoff import Backoff
from engine.kit.clock import Clock

TRIES, TIMEOUT_SECONDS = 4, 15.0
RETRY = Backoff(first=0.5, factor=3.0, longest=10.0)


async def post(clock: Clock, url: str, value: Any, headers: Mapping[str, str] | None = None) -> None:
    """Raises SystemFailure for what the server refuses, Unavailable where it can't be reached; neither names the
    address's path or login, which may be secret.
    """
    where = urlsplit(url).netloc.rpartition("@")[2]
    body = json.dumps(value, ensure_ascii=False).encode()
    delays = RETRY.delays()
    for last in (*(False,) * (TRIES - 1), True):
        try:
            status, words = await once(url, body, headers or {})
        except HttpFault as fault:
            if last:
                raise Unavailable(f"{where}: {fault}") from None
        else:
            if status < 300:
                return
            if last or (status < 500 and status != 429):
                raise SystemFailure(f"{where} answered {status}: {words[:200]}")
        await clock.sleep(next(delays))


async def once(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    parts = urlsplit(url)
    host, target = parts.hostname or "", f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    if parts.scheme == "https":
        dial = partial(dial_tls, host, parts.port or 443, ssl.create_default_context(), host)
    else:
        dial = partial(dial_tcp, host, parts.port or 80)
    pool = Pool(dial, host=parts.netloc.rpartition("@")[2])
    given = {"content-type": "application/json", "user-agent": "rorqual", **login_of(parts), **headers}
    try:
        response, content = await pool.fetch(Request("POST", target, given, body), timeout_seconds=TIMEOUT_SECONDS)
        return response.status, content.decode(errors="replace").strip()
    finally:
        await pool.aclose()


def login_of(parts: SplitResult) -> dict[str, str]:
    """`user:password@` of an address, as a header."""
    if parts.username is None:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"authorization": f"Basic {b64encode(login.encode()).decode()}"}
