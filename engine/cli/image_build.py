"""`rorqual image build`: an image from a Dockerfile and a folder, without a project."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from engine.api.errors import EngineError, InvalidArgument
from engine.cli.buildoutput import Output
from engine.cli.objects.group import reached, rehearsed
from engine.cli.options import EngineOptions, with_options
from engine.dockerfile.durations import CantRead
from engine.dockerfile.mounts import size_of

if TYPE_CHECKING:
    # The builders take 50 ms to import: only a build needs them.
    from engine.builders.sources import BuildSecret

Many = list[str] | None
STDIN = "-"


@with_options(EngineOptions)
def build(
    engine: EngineOptions,
    folder: Annotated[
        str, typer.Argument(metavar="CONTEXT", help="The folder, a git address or URL; - for a Dockerfile on stdin")
    ],
    tag: Annotated[Many, typer.Option("--tag", "-t", help="NAME[:TAG]; repeatable")] = None,
    file: Annotated[str | None, typer.Option("--file", "-f", help="The Dockerfile; - for stdin")] = None,
    target: Annotated[str, typer.Option("--target", help="The stage to build")] = "",
    build_arg: Annotated[Many, typer.Option("--build-arg", help="NAME=VALUE, or NAME from the environment")] = None,
    label: Annotated[Many, typer.Option("--label", help="NAME=VALUE; repeatable")] = None,
    secret: Annotated[Many, typer.Option("--secret", help="id=ID,src=FILE or id=ID,env=NAME; repeatable")] = None,
    ssh: Annotated[Many, typer.Option("--ssh", help="default, or ID=PATH of an agent's socket or a key")] = None,
    build_context: Annotated[
        Many, typer.Option("--build-context", help="NAME=FOLDER, URL, docker-image:// or oci-layout://")
    ] = None,
    cache_from: Annotated[
        Many, typer.Option("--cache-from", help="An image whose steps may be taken, or type=registry,ref=CACHE")
    ] = None,
    cache_to: Annotated[
        Many, typer.Option("--cache-to", help="Where the steps are put: type=registry,ref=CACHE[,mode=max]")
    ] = None,
    add_host: Annotated[Many, typer.Option("--add-host", help="HOST:ADDRESS; repeatable")] = None,
    network: Annotated[str, typer.Option("--network", help="Of the commands: default, none, host, a name")] = "",
    shm_size: Annotated[str, typer.Option("--shm-size", help="Of /dev/shm, as 64m")] = "",
    platform: Annotated[str, typer.Option("--platform", help="As linux/arm64; default: the engine's")] = "",
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Every step anew")] = False,
    pull: Annotated[bool, typer.Option("--pull", help="Newer base images where there are some")] = False,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="The files to DIR, or type=local|tar|docker|oci,dest=PLACE; - for stdout"),
    ] = None,
    iidfile: Annotated[Path | None, typer.Option("--iidfile", help="Write the image's id to this file")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the image's id alone")] = False,
) -> None:
    """Build an image from a Dockerfile. Example: rorqual image build -t web:1 ."""
    from engine.builders.build import BuildOptions, build_image
    from engine.builders.progress import BuildLine
    from engine.builders.sources import DockerfileBuild

    if rehearsed(engine, f"build {', '.join(tag or ()) or 'an image'} from {folder}"):
        return
    place = Output.parse(output) if output is not None else None
    lines = sys.stderr if place is not None and place.place == STDIN else sys.stdout

    def heard(line: BuildLine) -> None:
        if not quiet and line.total is None:
            print(line.text, file=lines, flush=True)

    async def run() -> None:
        with context_at(folder) as (context, inline):
            source = DockerfileBuild(
                context=context,
                dockerfile=None if file == STDIN else file and dockerfile_in(context, file),
                dockerfile_inline=sys.stdin.read() if file == STDIN else inline,
                args=dict(arguments(build_arg or ())),
                labels=dict(pair("--label", entry) for entry in label or ()),
                target=target,
                cache_from=tuple(cache_from or ()),
                cache_to=tuple(cache_to or ()),
                extra_hosts=tuple(add_host or ()),
                network=network,
                shm_size=bytes_of(shm_size),
                secrets=tuple(secret_of(entry) for entry in secret or ()),
                ssh=tuple(ssh or ()),
                additional_contexts=dict(context_of(entry) for entry in build_context or ()),
            )
            options = BuildOptions(fresh=pull, no_cache=no_cache, platform=platform, marked=False)
            async with reached(engine) as client:
                built = await build_image(client, source, list(tag or ()), options=options, on_line=heard)
                if place is not None:
                    await place.write(client, built.image_id, tag or ())
                    if not tag and not (await client.images.inspect(built.image_id)).get("RepoTags"):
                        # nobody can call it by a name; what others need of it stays
                        with suppress(EngineError):
                            await client.images.remove(built.image_id)
        for warning in built.warnings:
            print(f"rorqual: {warning}", file=sys.stderr)
        if quiet and place is None:
            print(built.image_id)
        if iidfile is not None:
            await anyio.Path(iidfile).write_text(built.image_id)

    anyio.run(run)


@contextmanager
def context_at(context: str) -> Iterator[tuple[str, str | None]]:
    """The context as the builders take it, and the Dockerfile where stdin is that."""
    from engine.builders.context import is_remote

    if context == STDIN:
        with tempfile.TemporaryDirectory(prefix="rorqual-build-") as empty:
            yield empty, sys.stdin.read()
    else:
        yield context if is_remote(context) else os.path.abspath(context), None


def dockerfile_in(context: str, file: str) -> str:
    """-f is relative to where the user is; the builders want it relative to the context."""
    return os.path.relpath(os.path.abspath(file), context) if os.path.isabs(context) else file


def pair(flag: str, entry: str) -> tuple[str, str]:
    name, _, value = entry.partition("=")
    if not name:
        raise InvalidArgument(f"{flag} takes NAME=VALUE, not {entry!r}")
    return name, value


def arguments(entries: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A name alone takes its value from the environment, and counts as unset without one there."""
    for entry in entries:
        name, equals, value = entry.partition("=")
        if equals:
            yield name, value
        elif name in os.environ:
            yield name, os.environ[name]


def secret_of(entry: str) -> BuildSecret:
    from engine.builders.sources import BuildSecret

    found = dict(part.partition("=")[::2] for part in entry.split(","))
    file, variable = found.get("src") or found.get("source"), found.get("env")
    id = found.get("id") or ""
    if not id or unknown_in(found):
        raise InvalidArgument(f"--secret takes id=ID,src=FILE or id=ID,env=NAME, not {entry!r}")
    return BuildSecret(id, Path(file) if file else None, variable)


def unknown_in(found: dict[str, str]) -> bool:
    return bool(found.keys() - {"id", "src", "source", "env", "type"})


def context_of(entry: str) -> tuple[str, str]:
    # late: as above
    from engine.builders.context import is_remote

    name, value = pair("--build-context", entry)
    return name, value if "://" in value or is_remote(value) else os.path.abspath(value)


def bytes_of(text: str) -> int:
    try:
        return size_of(text) if text else 0
    except CantRead:
        raise InvalidArgument(f"--shm-size takes a size like 64m, not {text!r}") from None
