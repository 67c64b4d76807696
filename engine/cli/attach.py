"""`rorqual attach`: this terminal joined to a service's main process."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import anyio
import typer

from engine.api.containers import WaitCondition
from engine.api.errors import Conflict
from engine.cli.connection import connected
from engine.cli.detachkeys import DEFAULT
from engine.cli.members import container_of, name_of, named_project
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.terminal import Conversation, Ended, raw_mode
from engine.client.session import Engine


@with_options(ProjectOptions, EngineOptions)
def attach(
    project: ProjectOptions,
    engine: EngineOptions,
    service: Annotated[str, typer.Argument(help="The service")],
    detach_keys: Annotated[str, typer.Option("--detach-keys", help="The keys that leave it running")] = DEFAULT,
    index: Annotated[int | None, typer.Option("--index", help="Which replica")] = None,
    no_stdin: Annotated[bool, typer.Option("--no-stdin", help="Only look")] = False,
    sig_proxy: Annotated[bool, typer.Option("--sig-proxy/--no-sig-proxy", help="Pass signals on")] = True,
) -> None:
    """Join the main process of a running container. Example: rorqual attach web"""
    named = named_project(project)

    async def run() -> int:
        async with connected(engine) as client:
            container = await container_of(client, named.name, service, index)
            state = (await client.containers.inspect(container["Id"]))["State"]
            if state.get("Paused"):
                raise Conflict(f"{name_of(container)} is paused: `rorqual unpause {service}` first")
            if engine.dry_run:
                print(f"would attach to {name_of(container)}")
                return 0
            return await join(client, container["Id"], detach_keys, stdin=not no_stdin, proxy=sig_proxy)

    raise typer.Exit(anyio.run(run))


async def join(
    engine: Engine,
    id: str,
    detach_keys: str,
    *,
    stdin: bool,
    proxy: bool,
    start: Callable[[], Awaitable[object]] | None = None,
    condition: WaitCondition | None = None,
) -> int:
    """The container's exit code; 0 where it was left running. `start` begins it, once its streams are joined."""
    config = (await engine.containers.inspect(id))["Config"]
    tty, open_stdin = bool(config.get("Tty")), stdin and bool(config.get("OpenStdin"))

    async def resize(height: int, width: int) -> None:
        await engine.containers.resize(id, height=height, width=width)

    async def forward(signal: str) -> None:
        await engine.containers.kill(id, signal)

    resized = resize if sys.stdout.isatty() else None
    talk = Conversation(
        open_stdin, tty, resized, forward if proxy else None, detach_keys, sends_end=bool(config.get("StdinOnce"))
    )
    condition = condition or ("not-running" if start is None else "next-exit")
    async with engine.containers.waiting(id, condition) as waiting:
        with raw_mode(wanted=tty and open_stdin):
            try:
                async with engine.containers.attach(id, stdin=open_stdin, detach_keys=detach_keys, tty=tty) as stream:
                    if start is not None:
                        await start()
                    if not await talk.run(stream):
                        return 0
            except Ended as end:
                return end.code
        return (await waiting.result()).get("StatusCode", 0)
