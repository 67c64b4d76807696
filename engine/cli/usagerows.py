"""What containers use, asked once and printed, for `stats` and `container stats`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio

from engine.api.containers import ContainerSummary
from engine.api.errors import EngineError
from engine.cli.members import name_of
from engine.cli.render.listing import listing, show
from engine.cli.render.usage import COLUMNS, MORE, usage_row
from engine.client.session import EngineReader

EVERY_SECONDS = 0.5


def print_rows(rows: Sequence[dict[str, Any]], format: str, *, whole: bool) -> None:
    shown = [row if whole else {**row, "ID": row["ID"][:12]} for row in rows]
    show(listing(shown, COLUMNS, format, fields=MORE))


async def once(engine: EngineReader, containers: Sequence[ContainerSummary]) -> list[dict[str, Any]]:
    """Two samples each, taken side by side, as CPU shares need them."""
    rows: dict[str, dict[str, Any]] = {}

    async def look(container: ContainerSummary) -> None:
        try:
            sample = await engine.containers.stats(container["Id"])
        except EngineError:
            sample = {}
        rows[container["Id"]] = usage_row(container["Id"], name_of(container), sample)

    async with anyio.create_task_group() as tasks:
        for container in containers:
            tasks.start_soon(look, container)
    return [rows[container["Id"]] for container in containers]
