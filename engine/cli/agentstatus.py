"""The table of `rorqual agent status`: projects, what stands, what waits and why; redrawn with --watch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import anyio

from engine.cli.render.table import cell_width, render_table, terminal_width
from engine.client.errors import Unavailable
from engine.gitops.api.client import AgentClient, open_agent_client

HEADER = ("PROJECT", "SYNC", "HEALTH", "REVISION", "WAITING", "REASON")
# How many columns there are, and letters of a revision, from wide terminals to narrow ones.
LAYOUTS = ((6, 12), (5, 12), (5, 7), (4, 7))
REFRESH_SECONDS = 1.0


async def show(address: str, token_file: Path | None, format: str) -> None:
    async with open_agent_client(address, token_file) as client:
        if format == "json":
            found = {"projects": await client.get("/v1/projects"), "sources": await client.get("/v1/sources")}
            print(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            print(await table(client))


async def table(client: AgentClient, *, troubled_first: bool = False) -> str:
    projects, sources = await client.get("/v1/projects"), await client.get("/v1/sources")
    if troubled_first:
        # a live table ends where the terminal does
        projects = sorted(projects, key=is_well)
    return render_status(projects, sources, terminal_width())


def is_well(project: Mapping[str, Any]) -> bool:
    return (project["sync"], project["health"], project["waiting"]) == ("synced", "healthy", "")


def render_status(
    projects: Sequence[Mapping[str, Any]], sources: Sequence[Mapping[str, Any]], width: int | None
) -> str:
    """One line a project, its reason at the end; where the terminal is too narrow for it, reasons come whole below, and
    in a still narrower one less of the ids is shown, and what is waited for only by its reason.
    """
    told: list[str] = []
    for columns, letters in LAYOUTS:
        rows = [row(each, letters)[:columns] for each in projects]
        lines = render_table(HEADER[:columns], rows)
        if width is None or max(map(cell_width, lines.splitlines())) <= width:
            break
    else:
        lines = render_table(HEADER[:columns], rows, width=width)
    if columns < len(HEADER):
        told = [f"{each['project']}: {each['reason']}" for each in projects if each["reason"]]
    told += [f"source {each['source']}: {each['error']}" for each in sources if each["error"]]
    return "\n".join([lines, *(part for text in told for part in wrapped(text, width))])


def wrapped(text: str, width: int | None) -> list[str]:
    return [text] if width is None else wrap(text, width, subsequent_indent="  ")


def row(project: Mapping[str, Any], letters: int) -> tuple[str, ...]:
    """`letters` are those of a revision that are shown."""
    synced, target = project["synced"][:letters], project["target"][:letters]
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
                    text = await table(client, troubled_first=True)
                except Unavailable as error:
                    text = error.message
                live.update(Text(text), refresh=True)
                await anyio.sleep(REFRESH_SECONDS)
