"""`rorqual agent`: the loop that keeps a host as its sources say, and the commands that talk to it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.exitcodes import CLEAN, ERROR, FINDINGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.gitops.loop.agent import Agent
    from engine.gitops.settings.models import Settings
    from engine.gitops.state.store import Event

DEFAULT_CONFIG = Path("/etc/rorqual/agent.yaml")

agent = typer.Typer(no_args_is_help=True, help="Keep a host as its git repositories say.")

Config = Annotated[Path, typer.Option("--config", "-c", help="The agent's settings")]


@agent.command("validate")
def validate(config: Config = DEFAULT_CONFIG) -> None:
    """Say everything that is wrong with the settings. Example: rorqual agent validate -c agent.yaml"""
    # late: reading YAML and all the shapes
    from engine.cli.render.diagnostics import render_text
    from engine.gitops.settings.read import read_settings
    from specs.source import SpecInvalid

    try:
        settings, report = read_settings(config)
    except SpecInvalid as error:
        print(render_text(error.report))
        raise typer.Exit(FINDINGS) from None
    if len(report):
        print(render_text(report))
    projects = sum(len(source.projects) for source in settings.sources)
    print(f"{config}: {len(settings.sources)} sources, {projects} projects named")
    raise typer.Exit(CLEAN)


@agent.command("run")
def run(
    config: Config = DEFAULT_CONFIG,
    log_format: Annotated[str, typer.Option("--log-format", help="text or json")] = "text",
) -> None:
    """Run the loop in the foreground, until SIGTERM. Example: rorqual agent run -c agent.yaml"""
    if log_format not in {"text", "json"}:
        raise typer.BadParameter(f'--log-format takes text or json, not "{log_format}"')
    settings = settings_of(config)
    # late: an event loop, SQLite and the whole loop
    import anyio

    anyio.run(keep, settings, log_format)


def settings_of(config: Path) -> Settings:
    """Raises SpecInvalid; warnings go to stderr."""
    from engine.cli.render.diagnostics import render_text
    from engine.gitops.settings.read import read_settings

    settings, report = read_settings(config)
    if len(report):
        print(render_text(report), file=sys.stderr)
    return settings


async def keep(settings: Settings, log_format: str) -> None:
    # late: see run
    import anyio.lowlevel

    from engine.gitops.loop.open import open_agent

    async with open_agent(settings) as found:
        with found.desk.bus.listening() as events:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stop_at_signals, found)
                tasks.start_soon(log, events, log_format)
                print(f"agent: {len(settings.sources)} sources, state in {found.desk.places.root}", file=sys.stderr)
                await found.run()
                await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
    print("agent: stopped", file=sys.stderr)


async def stop_at_signals(found: Agent) -> None:
    """Once: steps in flight are finished. Twice: at once; the next run goes on from what stands."""
    import anyio

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            if found.desk.stopping.is_set():
                raise SystemExit(ERROR)
            print("agent: finishing the steps in flight", file=sys.stderr)
            found.stop()


async def log(events: AsyncIterator[Event], format: str) -> None:
    async for event in events:
        print(line_of(event, format), file=sys.stderr, flush=True)


def line_of(event: Event, format: str) -> str:
    # late: only a running agent logs
    import json
    from dataclasses import asdict

    from engine.gitops.moments import iso

    if format == "json":
        return json.dumps({**asdict(event), "at": iso(event.at)}, ensure_ascii=False)
    subject = f" {event.project}" if event.project else ""
    return f"{iso(event.at)} {event.kind}{subject}: {event.text}"
