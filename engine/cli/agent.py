"""`rorqual agent`: the loop that keeps a host as its sources say, and the commands that talk to it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.exitcodes import CLEAN, ERROR, FINDINGS
from engine.cli.options import one_of

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
    print(f"{config}: {counted(len(settings.sources), 'source')}, {counted(projects, 'project')} named")
    raise typer.Exit(CLEAN)


def counted(number: int, noun: str) -> str:
    """`1 source`, `2 sources`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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

    anyio.run(keep, settings, log_format, config)


def settings_of(config: Path) -> Settings:
    """Raises SpecInvalid; warnings go to stderr."""
    from engine.cli.render.diagnostics import render_text
    from engine.gitops.settings.read import read_settings

    settings, report = read_settings(config)
    if len(report):
        print(render_text(report), file=sys.stderr)
    return settings


async def keep(settings: Settings, log_format: str, config: Path | None = None) -> None:
    """The loop with its API, until a signal ends it; what happens goes to stderr. `config` is read again."""
    # late: see run
    from contextlib import ExitStack

    import anyio.lowlevel

    from engine.gitops.api.server import open_doors, serve_api
    from engine.gitops.loop.open import open_agent
    from engine.gitops.loop.renewing import keep_settings
    from engine.gitops.tell.teller import keep_telling

    async with open_agent(settings) as found:
        with ExitStack() as stack, found.desk.bus.listening() as events:
            doors = open_doors(found, stack)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stop_at_signals, found)
                tasks.start_soon(log, events, log_format)
                tasks.start_soon(serve_api, found, doors)
                tasks.start_soon(keep_telling, found)
                if config is not None:
                    tasks.start_soon(keep_settings, found, config)
                sources = counted(len(settings.sources), "source")
                print(f"agent: {sources}, state in {found.desk.places.root}", file=sys.stderr)
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


Address = Annotated[
    str | None, typer.Option("--agent", help="A socket's path or ADDRESS:PORT (default: where -c says that it runs)")
]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="Holds the token, where one is needed")]
Project = Annotated[str, typer.Argument(help="The project, as agent.yaml or its folder names it")]


def address_of(config: Path, given: str | None) -> str:
    """Where the agent of these settings listens; without settings, where one without a `state` of its own does."""
    if given is not None:
        port = given.rpartition(":")[2]
        if not given.startswith("/") and not (":" in given and port.isdigit() and int(port) < 65536):
            raise typer.BadParameter(f'--agent takes the path of a socket or ADDRESS:PORT, not "{given}"')
        return given
    # late: see validate
    import os

    from engine.gitops.loop.open import places_of
    from engine.gitops.places import Places
    from engine.gitops.settings.read import read_settings
    from engine.reconcile.contents import state_directory

    if config == DEFAULT_CONFIG and not config.exists():
        return str(Places(state_directory(os.environ) / "agent").socket)
    return str(places_of(read_settings(config)[0]).socket)


def told(
    config: Path, agent: str | None, token: Path | None, project: str, order: str, body: dict[str, str] | None = None
) -> None:
    """Send one order for a project, and print what came of it."""
    # late: an event loop
    import anyio

    from engine.gitops.api.client import open_agent_client, project_path

    async def send() -> None:
        async with open_agent_client(address_of(config, agent), token) as client:
            found = await client.post(f"{project_path(project)}/{order}", body)
            print(f"{found['project']}: {found['done']}")

    anyio.run(send)


@agent.command("status")
def status(
    config: Config = DEFAULT_CONFIG,
    agent: Address = None,
    token_file: TokenFile = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay, and show what changes")] = False,
    format: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> None:
    """Show all projects and how they do. Example: rorqual agent status --watch"""
    if format not in {"table", "json"}:
        raise typer.BadParameter(f'--format takes table or json, not "{format}"')
    if watch and format == "json":
        raise typer.BadParameter("--watch shows a table; programs follow GET /v1/events")
    # late: an event loop, and the table
    import anyio

    from engine.cli.agentstatus import show, stay

    address = address_of(config, agent)
    anyio.run(stay, address, token_file) if watch else anyio.run(show, address, token_file, format)


@agent.command("sync")
def sync(
    project: Project, config: Config = DEFAULT_CONFIG, agent: Address = None, token_file: TokenFile = None
) -> None:
    """Look at a project now, and try again what was held or rested. Example: rorqual agent sync shop"""
    told(config, agent, token_file, project, "sync")


@agent.command("suspend")
def suspend(
    project: Project, config: Config = DEFAULT_CONFIG, agent: Address = None, token_file: TokenFile = None
) -> None:
    """Leave a project alone until it is resumed. Example: rorqual agent suspend shop"""
    told(config, agent, token_file, project, "suspend")


@agent.command("resume")
def resume(
    project: Project, config: Config = DEFAULT_CONFIG, agent: Address = None, token_file: TokenFile = None
) -> None:
    """Care for a suspended project again. Example: rorqual agent resume shop"""
    told(config, agent, token_file, project, "resume")


@agent.command("plan")
def plan(
    project: Project,
    config: Config = DEFAULT_CONFIG,
    agent: Address = None,
    token_file: TokenFile = None,
    format: Annotated[str, typer.Option("--format", help="text or json")] = "text",
) -> None:
    """Show the plan of a project that waits for a word. Example: rorqual agent plan shop"""
    one_of("--format", format, ("text", "json"))
    # late: an event loop
    import anyio

    from engine.cli.agentplan import show_plan

    anyio.run(show_plan, address_of(config, agent), token_file, project, format)


@agent.command("approve")
def approve(
    project: Project,
    plan: Annotated[str | None, typer.Option("--plan", help="The plan's digest; another one is refused")] = None,
    config: Config = DEFAULT_CONFIG,
    agent: Address = None,
    token_file: TokenFile = None,
) -> None:
    """Accept the plan that waits for a word. Example: rorqual agent approve shop"""
    told(config, agent, token_file, project, "approve", {"plan": plan} if plan else None)


@agent.command("rollback")
def rollback(
    project: Project,
    revision: Annotated[str | None, typer.Argument(help="The commit; default: the last healthy one before")] = None,
    config: Config = DEFAULT_CONFIG,
    agent: Address = None,
    token_file: TokenFile = None,
) -> None:
    """Hold the newest revision and go back. Example: rorqual agent rollback shop"""
    told(config, agent, token_file, project, "rollback", {"revision": revision} if revision else None)
