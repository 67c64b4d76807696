"""The engine that a command talks to: found, reached, named in the first line of progress."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import typer

from engine.api.errors import InvalidArgument
from engine.cli.options import EngineOptions
from engine.client.session import Engine, open_client
from engine.client.target import NoEngineFound, Target, resolve_target


@asynccontextmanager
async def connected(
    options: EngineOptions, *, announce: bool = False, project: str | None = None
) -> AsyncIterator[Engine]:
    """The engine that the options, the environment and this machine point to (CLI.md, "Which engine").

    `announce` is for commands that write: the engine's name goes to stderr first, and with `project` it must be clear
    on which engine that project is. Naming an engine twice is a usage error. With --dry-run nothing can be written.
    """
    if options.host is not None and options.context is not None:
        raise typer.BadParameter("--context and --host each name an engine; leave one out")
    target = target_of(options)
    if project is not None and target.detected:
        # late: only where nobody names an engine
        from engine.cli.placement import detected_target

        target = await detected_target(target, project, os.environ, writing=announce)
    async with open_client(target, os.environ, looks_only=options.dry_run) as engine:
        if announce and options.progress != "quiet":
            capabilities = await engine.capabilities()
            major, minor = engine.api_version
            name = f"{capabilities.engine.capitalize()} {capabilities.version}"
            print(f"Engine: {name}, API {major}.{minor}, at {target.address} ({target.chosen_by})", file=sys.stderr)
        yield engine


def target_of(options: EngineOptions) -> Target:
    """The engine meant; where nothing is named and none is found, root starts the embedded one."""
    try:
        return resolve_target(options.host, options.context, os.environ)
    except NoEngineFound as nothing:
        # late: only a machine without any engine needs it
        from engine.cli.ondemand import started_engine

        return started_engine(nothing)


def is_limited(options: EngineOptions) -> bool:
    """Whether somebody has said how many; -1 and 0 say nothing."""
    text = os.environ.get("COMPOSE_PARALLEL_LIMIT") or ""
    return (options.parallel or 0) > 0 or (options.parallel is None and text.isdigit() and int(text) > 0)


def parallel_limit(options: EngineOptions) -> int:
    """How many effects at a time: --parallel, COMPOSE_PARALLEL_LIMIT, else eight a processor, sixteen at the least
    (stops and removals then have a pace of their own).

    -1 is no limit, as in Compose.
    """
    text = os.environ.get("COMPOSE_PARALLEL_LIMIT") or ""
    try:
        asked = options.parallel if options.parallel is not None else int(text) if text else 0
    except ValueError:
        raise InvalidArgument(f'COMPOSE_PARALLEL_LIMIT must be a number, not "{text}"') from None
    if asked < 0:
        return 1_000_000
    # they wait for the engine rather than for us
    return asked or max(16, 8 * (os.cpu_count() or 1))
