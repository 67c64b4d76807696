"""`rorqual run`: one command in a container of its own, beside the service, with its dependencies up."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Annotated

import anyio
import typer

from engine.api.errors import InvalidArgument, NotFound
from engine.cli.connection import connected
from engine.cli.converge import Convergence, convergence
from engine.cli.oneoff import OneOff, beside, environment_of, keys_given, oneoff_plan, oneoff_project, shared_plan
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options
from engine.cli.project import load_project
from engine.cli.terminal import Conversation, Ended, is_terminal, raw_mode
from engine.cli.turns import writing
from engine.client.session import Engine
from engine.plan.options import PlanOptions
from engine.reconcile.convergence import first_steps


@with_options(ProjectOptions, EngineOptions, LockOptions)
def run(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    service: Annotated[str, typer.Argument(help="The service")],
    command: Annotated[list[str] | None, typer.Argument(help="Instead of the service's own command")] = None,
    build: Annotated[bool, typer.Option("--build", help="Build images first")] = False,
    cap_add: Annotated[list[str] | None, typer.Option("--cap-add", help="Add a capability; repeatable")] = None,
    cap_drop: Annotated[list[str] | None, typer.Option("--cap-drop", help="Drop a capability; repeatable")] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave it running, and print its name")] = False,
    entrypoint: Annotated[str | None, typer.Option("--entrypoint", help="Instead of the image's")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", "-e", help="NAME=VALUE, or NAME as it is here")] = None,
    env_from_file: Annotated[list[str] | None, typer.Option("--env-from-file", help="Variables from a file")] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive/--no-interactive", "-i", help="Pass standard input on")
    ] = True,
    label: Annotated[list[str] | None, typer.Option("--label", "-l", help="NAME=VALUE; repeatable")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The container's name")] = None,
    no_tty: Annotated[bool, typer.Option("--no-tty", "--no-TTY", "-T", help="No terminal")] = False,
    tty: Annotated[bool, typer.Option("--tty", "-t", help="A terminal, even if none is here", hidden=True)] = False,
    no_deps: Annotated[bool, typer.Option("--no-deps", help="Leave dependencies as they are")] = False,
    publish: Annotated[list[str] | None, typer.Option("--publish", "-p", help="Publish a port; repeatable")] = None,
    pull: Annotated[str | None, typer.Option("--pull", help="always, missing or never")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the container's own output")] = False,
    quiet_build: Annotated[bool, typer.Option("--quiet-build", help="Build without output")] = False,
    quiet_pull: Annotated[bool, typer.Option("--quiet-pull", help="Pull without progress")] = False,
    remove_orphans: Annotated[bool, typer.Option("--remove-orphans", help="Remove what no service made")] = False,
    rm: Annotated[bool, typer.Option("--rm", help="Remove the container when it ends")] = False,
    service_ports: Annotated[
        bool, typer.Option("--service-ports", "-P", help="Publish the service's own ports")
    ] = False,
    use_aliases: Annotated[
        bool, typer.Option("--use-aliases", help="Answer to the service's names on its networks")
    ] = False,
    user: Annotated[str | None, typer.Option("--user", "-u", help="As this user")] = None,
    volume: Annotated[list[str] | None, typer.Option("--volume", "-v", help="SOURCE:TARGET; repeatable")] = None,
    workdir: Annotated[str | None, typer.Option("--workdir", "-w", help="In this directory")] = None,
) -> None:
    """Run one command in a new container of a service. Example: rorqual run --rm web sh"""
    if pull not in {None, "always", "missing", "never", "policy"}:
        raise typer.BadParameter(f'--pull takes always, missing or never, not "{pull}"')
    loaded = load_project(project, (service,), only_services=False)
    assert loaded.project is not None
    separator, slug = "_" if project.compatibility else "-", secrets.token_hex(6)
    wanted = OneOff(
        service=service,
        name=name or separator.join((loaded.project.name, service, "run", slug)),
        slug=slug,
        command=tuple(command or ()),
        entrypoint=entrypoint,
        environment=environment_of(env_from_file or (), env or ()),
        labels=labels_of(label or ()),
        publish=tuple(publish or ()),
        volumes=tuple(volume or ()),
        service_ports=service_ports,
        use_aliases=use_aliases,
        user=user,
        workdir=workdir,
        cap_add=tuple(cap_add or ()),
        cap_drop=tuple(cap_drop or ()),
        deps=not no_deps,
        tty=(tty or is_terminal()) and not no_tty and not detach,
        stdin=interactive and not detach,
        remove=rm,
    )
    options = PlanOptions(
        services=(service,),
        deps=not no_deps,
        build=True if build else None,
        pull=None if pull == "policy" else pull,
        remove_orphans=remove_orphans,
    )
    silent = frozenset({"pull"} if quiet_pull else ()) | frozenset({"build"} if quiet_build else ())
    shown = replace(engine, progress="quiet") if quiet else engine

    async def go() -> int:
        async with connected(shown, announce=True, project=loaded.name) as client:
            work = convergence(client, loaded, project, shown, silent)
            # Podman forgets the exit code of what it removes by itself: there it is removed from here
            by_engine = detach or (await client.capabilities()).engine != "podman"
            made = replace(wanted, remove=rm and by_engine)
            work.project, work.given = oneoff_project(work.project, made), keys_given(made)
            async with writing(work, lock):
                if not await prepare(work, options, made):
                    return 1
            if engine.dry_run:
                return 0
            if detach:
                await client.containers.start(wanted.name)
                print(wanted.name)
                return 0
            try:
                return await converse(client, made)
            finally:
                if rm and not by_engine:
                    await removed(client, made.name)

    raise typer.Exit(anyio.run(go))


# What comes after the service is the command's own, options and all.
run.context_settings = {"allow_interspersed_args": False}  # type: ignore[attr-defined]


def labels_of(entries: Iterable[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


async def prepare(work: Convergence, options: PlanOptions, wanted: OneOff) -> bool:
    """Images, networks, volumes and dependencies up, and the container created; False when something failed.

    Images come first, as for `up`: what they turn out to be decides whether dependencies are made anew. The lock is for
    what the project shares: a run that makes nothing but its own container waits for nobody.
    """
    observed = await work.observe()
    plan = work.plan(options, beside(observed, wanted.service))
    if await work.take(shared_plan(plan, wanted.service), observed):
        plan = work.plan(options, beside(await work.observe(), wanted.service))
    first = first_steps(plan)
    if not first.empty and not work.engine_options.dry_run:
        if not (await work.apply(first._replace(warnings=()))).ok:
            return False
        settled = options._replace(images_settled=True)
        plan = work.plan(settled, beside(await work.observe(), wanted.service))
    return (await work.apply(oneoff_plan(plan, wanted))).ok


async def converse(engine: Engine, wanted: OneOff) -> int:
    """Start it with this terminal as its own; its exit code, or 0 where the detach keys left it running."""
    id, containers = wanted.name, engine.containers

    async def resize(height: int, width: int) -> None:
        await containers.resize(id, height=height, width=width)

    async def forward(signal: str) -> None:
        await containers.kill(id, signal)

    talk = Conversation(wanted.stdin, wanted.tty, resize if sys.stdout.isatty() else None, forward)
    async with containers.waiting(id, "removed" if wanted.remove else "next-exit") as waiting:
        with raw_mode(wanted=wanted.tty and wanted.stdin):
            try:
                async with containers.attach(id, stdin=wanted.stdin, tty=wanted.tty) as stream:
                    await started(engine, wanted)
                    if not await talk.run(stream):
                        return 0
            except Ended as end:
                return end.code
        result = await waiting.result()
    if error := result.get("Error"):
        raise InvalidArgument(error.get("Message") or f"the engine could not wait for {id}")
    return result.get("StatusCode", 0)


async def started(engine: Engine, wanted: OneOff) -> None:
    """Start it, or take it away again: an --rm container that never ran is nobody's."""
    try:
        await engine.containers.start(wanted.name)
    except BaseException:
        if wanted.remove:
            await removed(engine, wanted.name)
        raise


async def removed(engine: Engine, name: str) -> None:
    """Remove it whatever happens here; the engine may have done so already."""
    with anyio.move_on_after(10, shield=True), suppress(NotFound):
        await engine.containers.remove(name, force=True, volumes=True)
