"""What the object commands share: the engine's flags before and after the command, filters, one verb on many names."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Annotated, Any, TypeAlias, TypeVar

import anyio
import typer

from engine.api.errors import EngineError, InvalidArgument
from engine.cli.connection import connected
from engine.cli.options import EngineOptions, with_options
from engine.cli.render.listing import listing, show
from engine.cli.render.template import parse_template, to_json
from engine.client.session import Engine

Found = TypeVar("Found")
# What a table shows, by key, and what else a template may name.
Columns: TypeAlias = tuple[dict[str, str], tuple[str, ...]]

# The flags that stood before the command's own word: `rorqual -H … container ls`.
OUTER: ContextVar[EngineOptions | None] = ContextVar("outer", default=None)

Format = Annotated[str, typer.Option("--format", help="table, json, a template or table TEMPLATE")]
InspectFormat = Annotated[str, typer.Option("--format", "-f", help="json, or a template")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only the ids")]
NoTrunc = Annotated[bool, typer.Option("--no-trunc", help="Cut nothing")]
Filter = Annotated[list[str] | None, typer.Option("--filter", "-f", help="KEY=VALUE; repeatable")]
PruneFilter = Annotated[list[str] | None, typer.Option("--filter", help="KEY=VALUE (until, label); repeatable")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Do not ask")]
Containers = Annotated[list[str], typer.Argument(help="Containers, by name or id")]
One = Annotated[str, typer.Argument(help="The container, by name or id")]


def make_group(help: str) -> typer.Typer:
    """A command word with commands below it, that takes the engine's flags at both places."""
    group = typer.Typer(no_args_is_help=True, help=help)

    @group.callback(help=help)
    @with_options(EngineOptions)
    def before(engine: EngineOptions, call: typer.Context) -> None:
        call.obj = engine
        OUTER.set(engine)

    return group


def whole(engine: EngineOptions) -> EngineOptions:
    """The flags of both places; the command's own win."""
    outer = OUTER.get()
    if outer is None:
        return engine
    return replace(
        engine,
        host=engine.host or (outer.host if engine.context is None else None),
        context=engine.context or (outer.context if engine.host is None else None),
        dry_run=engine.dry_run or outer.dry_run,
    )


@asynccontextmanager
async def reached(engine: EngineOptions) -> AsyncIterator[Engine]:
    async with connected(whole(engine)) as client:
        yield client


def filters_from(texts: Sequence[str] | None) -> dict[str, list[str]]:
    """`label=a=b` → {"label": ["a=b"]}. Raises BadParameter."""
    found: dict[str, list[str]] = {}
    for text in texts or ():
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise typer.BadParameter(f'--filter takes KEY=VALUE, not "{text}"')
        if key.endswith("!"):
            key = f"{key[:-1]}!"
        found.setdefault(key.strip(), []).append(value)
    return found


def on_each(
    engine: EngineOptions,
    verb: str,
    names: Sequence[str],
    act: Callable[[Engine, str], Awaitable[Any]],
    *,
    quiet: bool = False,
) -> None:
    """Do it to every name, say each that was done, tell of each that was not; exit 1 when one was not."""

    async def run() -> int:
        code = 0
        async with reached(engine) as client:
            for name in names:
                if rehearsed(engine, f"{verb} {name}"):
                    continue
                try:
                    said = await act(client, name)
                except EngineError as error:
                    print(f"rorqual: {error.message}", file=sys.stderr)
                    code = 1
                else:
                    if not quiet:
                        print(said if isinstance(said, str) else name)
        return code

    raise typer.Exit(anyio.run(run))


def show_found(found: Sequence[Any], format: str) -> None:
    """Inspected objects: one JSON array, indented, or a template for each."""
    if format in {"", "json"}:
        import json  # late: only an inspect prints for people

        indented = json.dumps(list(found), indent=4, ensure_ascii=False)
        print(indented if not format else "\n".join(map(to_json, found)))
        return
    for one in found:
        show(parse_template(format, list(one)).render(one))


def list_all(
    engine: EngineOptions,
    look: Callable[[Engine], Awaitable[Sequence[Found]]],
    row_of: Callable[[Found], dict[str, Any]],
    columns: Columns,
    format: str,
    *,
    only: str | None,
) -> None:
    """What the engine has, by name: as a table, or with `only` that column of it alone."""

    async def run() -> Sequence[Found]:
        async with reached(engine) as client:
            return await look(client)

    rows = sorted(map(row_of, anyio.run(run)), key=lambda row: str(row["Name"]))
    table, more = columns
    show("\n".join(row[only] for row in rows) if only else listing(rows, table, format, fields=more))


def inspect_all(
    engine: EngineOptions, names: Sequence[str], format: str, look: Callable[[Engine, str], Awaitable[Any]]
) -> None:
    """What is there is shown, what isn't is told; exit 1 when one isn't."""
    found: list[Any] = []
    code = 0

    async def run() -> None:
        nonlocal code
        async with reached(engine) as client:
            for name in names:
                try:
                    found.append(await look(client, name))
                except EngineError as error:
                    print(f"rorqual: {error.message}", file=sys.stderr)
                    code = 1

    anyio.run(run)
    if found or not format:
        show_found(found, format)
    raise typer.Exit(code)


def rehearsed(engine: EngineOptions, words: str) -> bool:
    """Whether this is a dry run: then it has been said what would be done, and that is all."""
    dry = whole(engine).dry_run
    if dry:
        print(f"would {words}")
    return dry


def agreed(engine: EngineOptions, force: bool, what: str) -> bool:
    """Whether the user wants `what` removed: `-f`, or a yes on a terminal. A dry run ends here.

    Raises InvalidArgument where nobody can be asked.
    """
    if rehearsed(engine, f"remove {what}"):
        raise typer.Exit(0)
    if force:
        return True
    if not sys.stdin.isatty():
        raise InvalidArgument("nobody can be asked here: -f says yes beforehand")
    print(f"WARNING! This will remove {what}.", file=sys.stderr)
    return input("Are you sure you want to continue? [y/N] ").strip().lower() in {"y", "yes"}
