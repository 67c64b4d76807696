"""The table of `rorqual agent status`: projects, what stands, what waits and why; redrawn with --watch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio

from engine.cli.render.table import render_table, terminal_width
from engine.client.errors import Unavailable
from engine.gitops.api.client import AgentClient, open_agent_client

HEADER = ("PROJECT", "SYNC", "HEALTH", "REVISION", "WAITING", "REASON")
REFRESH_SECONDS = 1.0


async def show(address: str, token_file: Path | None, format: str) -> None:
    async with open_agent_client(address, token_file) as client:
        if format == "json":
            found = {"projects": await client.get("/v1/projects"), "sources": await client.get("/v1/sources")}
            print(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            print(await table(client))


async def table(client: AgentClient) -> str:
    projects, sources = await client.get("/v1/projects"), await client.get("/v1/sources")
    lines = render_table(HEADER, [row(each) for each in projects], width=terminal_width())
    faults = [f"source {each['source']}: {each['error']}" for each in sources if each["error"]]
    return "\n".join([lines, *faults])


def row(project: dict[str, Any]) -> tuple[str, ...]:
    synced, target = project["synced"][:12], project["target"][:12]
    revision = synced if synced == target or not target else f"{synced or '-'} → {target}"
    words = (project["sync"], project["health"], revision, project["waiting"] or "-", project["reason"] or "-")
    return (project["project"], *words)


async def stay(address: str, token_file: Path | None) -> None:
    """Until Ctrl-C; an agent that ends is waited for."""
    # late: only --watch draws
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False) as live:
        async with open_agent_client(address, token_file) as client:
            while True:
                try:
                    text = await table(client)
                except Unavailable as error:
                    text = error.message
                live.update(Text(text), refresh=True)
                await anyio.sleep(REFRESH_SECONDS)
