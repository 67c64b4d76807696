"""`rorqual up`: converge the host to the file. And what `create` and `scale` share with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import anyio
import typer

from engine.cli.connection import connected
from engine.cli.converge import honouring
from engine.cli.lifecycle import Grace, Services
from engine.cli.options import PULLS, EngineOptions, LockOptions, ProjectOptions, one_of, said_beside, with_options
from engine.cli.project import load_project
from engine.cli.turns import KEEP, Keep, writing
from engine.plan.options import PlanOptions
from engine.plan.order import select
from engine.reconcile.outcome import Report

if TYPE_CHECKING:
    from engine.cli.attached import AttachOptions

Scale = Annotated[list[str] | None, typer.Option("--scale", help="SERVICE=N: how many replicas; repeatable")]
# What --watch-source goes by; every other flag would be passed over.
FOLLOWED = frozenset(
    {"watch_source", "file", "project_name", "project_directory", "profile", "env_file", "host", "context"}
    | {"ansi", "progress"}
)
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Accept the loss of data in volumes made anew")]


def scales(entries: Sequence[str] | None) -> dict[str, int]:
    """`["web=3"]` → `{"web": 3}`. Raises a usage error for anything else."""
    found = {}
    for entry in entries or ():
        key, equals, count = entry.partition("=")
        if not key or not equals or not count.isdigit():
            raise typer.BadParameter(f'--scale takes SERVICE=NUMBER, not "{entry}"')
        found[key] = int(count)
    return found


@with_options(ProjectOptions, EngineOptions, LockOptions)
def up(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    call: typer.Context,
    services: Services = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave the containers running and return")] = False,
    build: Annotated[bool, typer.Option("--build", help="Build images before starting")] = False,
    no_build: Annotated[bool, typer.Option("--no-build", help="Build nothing, even if it is missing")] = False,
    pull: Annotated[str | None, typer.Option("--pull", help="always, missing or never")] = None,
    quiet_pull: Annotated[bool, typer.Option("--quiet-pull", help="Pull without progress")] = False,
    quiet_build: Annotated[bool, typer.Option("--quiet-build", help="Build without output")] = False,
    force_recreate: Annotated[bool, typer.Option("--force-recreate", help="Replace even what is equal")] = False,
    no_recreate: Annotated[bool, typer.Option("--no-recreate", help="Leave what exists as it is")] = False,
    always_recreate_deps: Annotated[
        bool, typer.Option("--always-recreate-deps", help="With --force-recreate, dependencies too")
    ] = False,
    no_deps: Annotated[bool, typer.Option("--no-deps", help="Leave out what the services depend on")] = False,
    no_start: Annotated[bool, typer.Option("--no-start", help="Create, and start nothing")] = False,
    renew_anon_volumes: Annotated[
        bool, typer.Option("--renew-anon-volumes", "-V", help="New anonymous volumes instead of the old ones")
    ] = False,
    remove_orphans: Annotated[
        bool,
        typer.Option("--remove-orphans", envvar="COMPOSE_REMOVE_ORPHANS", help="Remove what no service made"),
    ] = False,
    scale: Scale = None,
    rerun: Annotated[list[str] | None, typer.Option("--rerun", help="Run this finished one-shot again")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when all is running and healthy; implies -d")] = False,
    wait_timeout: Annotated[float | None, typer.Option("--wait-timeout", help="Seconds that --wait may take")] = None,
    timeout: Grace = None,
    yes: Yes = False,
    rollback_on_failure: Annotated[
        bool,
        typer.Option(
            "--rollback-on-failure",
            help="When a step or a health check fails, return to the last good release and exit with 3; implies --wait",
        ),
    ] = False,
    keep: Keep = KEEP,
    attach: Annotated[
        list[str] | None, typer.Option("--attach", help="Show only this service's output; repeatable")
    ] = None,
    no_attach: Annotated[
        list[str] | None, typer.Option("--no-attach", help="Don't show this service's output; repeatable")
    ] = None,
    attach_dependencies: Annotated[
        bool, typer.Option("--attach-dependencies", help="Show the output of dependencies too")
    ] = False,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="Each line with its time")] = False,
    no_log_prefix: Annotated[bool, typer.Option("--no-log-prefix", help="Lines without the container's name")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours")] = False,
    abort_on_container_exit: Annotated[
        bool, typer.Option("--abort-on-container-exit", help="Stop all as soon as one has ended")
    ] = False,
    abort_on_container_failure: Annotated[
        bool, typer.Option("--abort-on-container-failure", help="Stop all as soon as one has failed")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep the containers in step with files")] = False,
    watch_source: Annotated[
        bool, typer.Option("--watch-source", help="Follow the project's folder: converge when it or the host changes")
    ] = False,
    menu: Annotated[
        bool, typer.Option("--menu/--no-menu", help="Shortcuts on the keyboard: there are none", hidden=True)
    ] = False,
    exit_code_from: Annotated[
        str | None,
        typer.Option("--exit-code-from", help="Exit as this service does; implies --abort-on-container-exit"),
    ] = None,
) -> None:
    """Create, update and start what the file asks for. Example: rorqual up -d --wait"""
    if menu:
        raise typer.BadParameter("--menu: there are no shortcuts on the keyboard; Ctrl-C stops, and -d detaches")
    check_policies(pull, build=build, no_build=no_build, force_recreate=force_recreate, no_recreate=no_recreate)
    options = PlanOptions(
        services=tuple(services or ()),
        scale=scales(scale),
        deps=not no_deps,
        start=not no_start,
        build=True if build else False if no_build else None,
        pull=pull,
        force_recreate=force_recreate,
        always_recreate_deps=always_recreate_deps,
        recreate=not no_recreate,
        renew_anonymous_volumes=renew_anon_volumes,
        remove_orphans=remove_orphans,
        rerun=frozenset(rerun or ()),
        stop_seconds=timeout,
    )
    if watch_source:
        if others := said_beside(call, FOLLOWED):
            raise typer.BadParameter(
                f"--watch-source follows the whole project as its files say: leave out {', '.join(others)}"
            )
        # late: only this flag runs the loop
        from engine.cli.watchsource import stay_with_source

        stay_with_source(project, engine)
    quiet = frozenset({"pull"} if quiet_pull else ()) | frozenset({"build"} if quiet_build else ())
    aborts = abort_on_container_exit or exit_code_from is not None
    if aborts and abort_on_container_failure:
        raise typer.BadParameter("--abort-on-container-failure contradicts --abort-on-container-exit")
    wait = wait or rollback_on_failure
    if wait and no_start:
        raise typer.BadParameter("--no-start starts nothing: --wait and --rollback-on-failure would wait for ever")
    if wait_timeout is not None and not wait:
        typer.echo("rorqual: --wait-timeout says something only with --wait, and is passed over", err=True)
    away = detach or wait
    if away and (attach or attach_dependencies or aborts or abort_on_container_failure or watch):
        raise typer.BadParameter(
            "--detach, --wait and --rollback-on-failure can't be combined with --attach, --attach-dependencies, "
            "--watch, --exit-code-from, --abort-on-container-exit or --abort-on-container-failure"
        )
    if away or no_start or engine.dry_run:
        converge_and_exit(
            project,
            engine,
            lock,
            options,
            yes=yes,
            quiet=quiet,
            wait=wait,
            wait_seconds=wait_timeout,
            kind="up",
            keep=keep,
            rollback=rollback_on_failure,
        )
    # late: only a run that stays follows logs
    from engine.cli.attached import AttachOptions

    shown = AttachOptions(
        attach=tuple(attach or ()),
        no_attach=frozenset(no_attach or ()),
        dependencies=attach_dependencies,
        timestamps=timestamps,
        prefix=not no_log_prefix,
        colour=not no_color,
        abort_on="exit" if aborts else "failure" if abort_on_container_failure else "",
        exit_code_from=exit_code_from,
        stop_seconds=timeout,
        watch=watch,
    )
    stay_and_exit(project, engine, lock, options, shown, yes=yes, quiet=quiet, keep=keep)


def check_policies(pull: str | None, *, build: bool, no_build: bool, force_recreate: bool, no_recreate: bool) -> None:
    """Raises typer.BadParameter for what can't be meant of images and containers, by `up` as by `create`."""
    if build and no_build:
        raise typer.BadParameter("--build and --no-build contradict each other")
    if force_recreate and no_recreate:
        raise typer.BadParameter("--force-recreate and --no-recreate contradict each other")
    one_of("--pull", pull, PULLS)


def stay_and_exit(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    options: PlanOptions,
    shown: AttachOptions,
    *,
    yes: bool,
    quiet: frozenset[str],
    keep: int,
) -> NoReturn:
    """As converge_and_exit, and then stay with the containers."""
    # late: see up
    from engine.cli.attached import Attached

    loaded = load_project(project, options.services, only_services=False)

    async def run() -> int:
        async with connected(engine, announce=True, project=loaded.name) as client:
            work = await honouring(client, loaded, project, engine, quiet)

            async def converge() -> Report:
                async with writing(work, lock, kind="up", options=options, keep=keep):
                    return await work.converge(options, yes=yes)

            return await Attached(work, options, shown, lock).run(converge)

    raise typer.Exit(anyio.run(run))


def converge_and_exit(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    options: PlanOptions,
    *,
    yes: bool = False,
    quiet: frozenset[str] = frozenset(),
    wait: bool = False,
    wait_seconds: float | None = None,
    kind: str | None = None,
    keep: int = KEEP,
    rollback: bool = False,
) -> NoReturn:
    """Load, connect, plan and apply; end the command with 0, or with 1 when something failed. With a `kind`, what was
    changed is a release.
    """
    loaded = load_project(project, options.services, only_services=False)

    async def run() -> int:
        async with connected(engine, announce=True, project=loaded.name) as client:
            work = await honouring(client, loaded, project, engine, quiet)
            async with writing(work, lock, kind=kind, options=options, keep=keep) as turn:
                report = await work.converge(options, yes=yes)
                if report.ok and wait and not engine.dry_run:
                    keys = select(work.project, options.services, deps=options.deps)
                    report = await work.wait(keys, wait_seconds)
            if not report.ok and rollback and turn.recorder is not None and turn.recorder.number is not None:
                # late: only a failure goes back
                from engine.cli.back import after_failure

                return await after_failure(work, lock, keep, yes=yes, wait_seconds=wait_seconds)
            return 0 if report.ok else 1

    raise typer.Exit(anyio.run(run))
