"""The plan of a project that waits in the agent, for a word or for somebody's hands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.cli.render.planned import planned
from engine.gitops.api.client import open_agent_client, project_path


async def show_plan(address: str, token_file: Path | None, key: str, format: str) -> None:
    async with open_agent_client(address, token_file) as client:
        path = project_path(key)
        project, plan = await client.get(path), await client.get(f"{path}/plan")
    if format == "json":
        print(json.dumps(plan, indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines(project, plan)))


def lines(project: dict[str, Any], plan: dict[str, Any] | None) -> Iterator[str]:
    if plan is None:
        yield f"{project['project']}: no plan waits"
        return
    yield f"{project['project']}: plan {project['pending_plan']}: {project['reason'] or project['waiting']}"
    yield ""
    for step in plan["steps"]:
        yield from planned(step)
