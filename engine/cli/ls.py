"""`rorqual ls`: the projects on this engine, whichever tool made them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Annotated

import anyio
import typer

from engine.api.containers import ContainerSummary
from engine.cli.connection import connected
from engine.cli.members import labels_of
from engine.cli.options import EngineOptions, with_options
from engine.cli.render.listing import listing, show
from engine.plan.lower.naming import COMPOSE, ONEOFF, PROJECT

COLUMNS = {"Name": "NAME", "Status": "STATUS", "ConfigFiles": "CONFIG FILES"}


@with_options(EngineOptions)
def ls(
    engine: EngineOptions,
    all: Annotated[bool, typer.Option("--all", "-a", help="Stopped projects too")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the names")] = False,
    format: Annotated[str, typer.Option("--format", help="table, json, a template or table TEMPLATE")] = "table",
    filter: Annotated[list[str] | None, typer.Option("--filter", help="name=PATTERN; repeatable")] = None,
) -> None:
    """List the projects that run on the engine. Example: rorqual ls --all"""
    patterns = [pattern_of(text) for text in filter or ()]

    async def run() -> list[ContainerSummary]:
        async with connected(engine) as client:
            return await client.containers.list(all=all, filters={"label": [PROJECT, f"{ONEOFF}=False"]})

    rows = [row for row in rows_of(anyio.run(run)) if all_match(patterns, row["Name"])]
    if quiet:
        show("\n".join(row["Name"] for row in rows))
    else:
        show(listing(rows, COLUMNS, format, array=True))


def pattern_of(text: str) -> re.Pattern[str]:
    key, _, value = text.partition("=")
    if key != "name":
        raise typer.BadParameter(f'--filter takes name=PATTERN, not "{text}"')
    try:
        return re.compile(value)
    except re.error as error:
        raise typer.BadParameter(f'"{value}" is no pattern: {error}') from None


def all_match(patterns: list[re.Pattern[str]], name: str) -> bool:
    return not patterns or any(pattern.search(name) for pattern in patterns)


def rows_of(containers: list[ContainerSummary]) -> list[dict[str, str]]:
    """One row a project, by name: how many containers are in which state, and which files made them."""
    states: defaultdict[str, Counter[str]] = defaultdict(Counter)
    files: defaultdict[str, list[str]] = defaultdict(list)
    for container in containers:
        labels = labels_of(container)
        name = labels[PROJECT]
        states[name][container.get("State") or "unknown"] += 1
        files[name] += [f for f in labels.get(f"{COMPOSE}project.config_files", "").split(",") if f]
    return [
        {
            "Name": name,
            "Status": ", ".join(f"{state}({count})" for state, count in sorted(states[name].items())),
            "ConfigFiles": ",".join(dict.fromkeys(files[name])) or "N/A",
        }
        for name in sorted(states)
    ]
