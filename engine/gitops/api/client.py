"""The API from the other side: what `rorqual agent status` and its like ask a running agent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.client.errors import EngineError, Forbidden, NotFound, SystemFailure, Unauthorized, Unavailable
from engine.http.dial import dial_tcp, dial_unix
from engine.http.errors import HttpFault
from engine.http.message import Request
from engine.http.pool import Pool

FAULTS: dict[int, type[EngineError]] = {401: Unauthorized, 403: Forbidden, 404: NotFound}


@dataclass(frozen=True, slots=True)
class AgentClient:
    """`address` is a socket's path or ADDRESS:PORT, for messages."""

    pool: Pool
    address: str
    token: str = ""

    async def get(self, path: str) -> Any:
        return await self.ask("GET", path)

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return await self.ask("POST", path, json.dumps(body or {}).encode())

    async def ask(self, method: str, path: str, body: bytes = b"") -> Any:
        """The answer's JSON. Raises Unavailable where no agent answers, and what the agent refuses."""
        headers = {"content-type": "application/json", **self.authorization()}
        try:
            response, content = await self.pool.fetch(Request(method, path, headers, body), timeout_seconds=30)
        except HttpFault as fault:
            raise Unavailable(f"no agent answers at {self.address} ({fault}): {advice(fault)}") from None
        try:
            found = json.loads(content)
        except ValueError:
            raise SystemFailure(f"what answers at {self.address} is no agent") from None
        if response.status >= 400:
            raise FAULTS.get(response.status, SystemFailure)(str(found.get("message", response.status)))
        return found

    def authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}


@asynccontextmanager
async def open_agent_client(address: str, token_file: Path | None = None) -> AsyncIterator[AgentClient]:
    token = read_token(token_file) if token_file is not None else ""
    if address.startswith("/"):
        pool = Pool(partial(dial_unix, address), host="agent")
    else:
        host, _, port = address.rpartition(":")
        pool = Pool(partial(dial_tcp, host.strip("[]"), int(port)), host=address)
    try:
        yield AgentClient(pool, address, token)
    finally:
        await pool.aclose()


def project_path(key: str) -> str:
    """Of a project in the API; a key may have a slash."""
    return f"/v1/projects/{quote(key, safe='')}"


def advice(fault: HttpFault) -> str:
    if "permission" in str(fault).lower():
        return "its socket is root's, unless `api` in agent.yaml names another with tokens"
    return "start one with `rorqual agent run`, or name where it listens with --agent"


def read_token(file: Path) -> str:
    return file.read_text().strip()
