"""`rorqual events`: what happens to the project's containers, as it happens."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

import anyio
import typer

from engine.api.system import Event
from engine.cli.connection import connected
from engine.cli.members import ServiceNames, named_project
from engine.cli.moments import for_query, moment_of, to_rfc3339
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.output import write
from engine.cli.render.template import to_json
from engine.plan.lower.naming import COMPOSE, ONEOFF, OURS, PROJECT, SERVICE


@with_options(ProjectOptions, EngineOptions)
def events(
    project: ProjectOptions,
    engine: EngineOptions,
    services: ServiceNames = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line")] = False,
    since: Annotated[str | None, typer.Option("--since", help="From this time or this long ago on")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Until this time")] = None,
) -> None:
    """Print the containers' events until Ctrl-C. Example: rorqual events --json --since 10m"""
    named, wanted, now = named_project(project), frozenset(services or ()), time.time_ns()
    named.check(wanted)
    limits = {"--since": since, "--until": until}
    start, end = (None if text is None else for_query(moment_of(text, flag, now)) for flag, text in limits.items())

    async def run() -> None:
        filters = {"label": f"{PROJECT}={named.name}", "type": "container"}
        async with (
            connected(engine, project=named.name) as client,
            client.system.events(filters=filters, since=start, until=end) as stream,
        ):
            async for event in stream:
                if wanted_event(event, wanted):
                    line = to_json(as_object(event)) if as_json else as_line(event)
                    write(sys.stdout.buffer, f"{line}\n".encode())

    anyio.run(run)


def wanted_event(event: Event, services: Collection[str]) -> bool:
    attributes = attributes_of(event)
    return attributes.get(ONEOFF) != "True" and (not services or attributes.get(SERVICE) in services)


def attributes_of(event: Event) -> dict[str, str]:
    return (event.get("Actor") or {}).get("Attributes") or {}


def said(event: Event) -> dict[str, str]:
    """The attributes that tell of the event, without the labels that only identify."""
    return {key: value for key, value in sorted(attributes_of(event).items()) if not key.startswith((COMPOSE, OURS))}


def as_object(event: Event) -> dict[str, Any]:
    return {
        "action": event.get("Action", ""),
        "attributes": said(event),
        "id": (event.get("Actor") or {}).get("ID", ""),
        "service": attributes_of(event).get(SERVICE, ""),
        "time": to_rfc3339(nanoseconds(event)),
        "type": event.get("Type", "container"),
    }


def nanoseconds(event: Event) -> int:
    return event.get("timeNano") or event.get("time", 0) * 10**9


def as_line(event: Event) -> str:
    when = datetime.fromtimestamp(nanoseconds(event) / 1e9).strftime("%Y-%m-%d %H:%M:%S.%f")
    words = ", ".join(f"{key}={value}" for key, value in said(event).items())
    return f"{when} container {event.get('Action', '')} {(event.get('Actor') or {}).get('ID', '')} ({words})"
