"""`container start/stop/restart/kill/pause/unpause/rename/update/rm/prune`: a container's life."""

from __future__ import annotations

from typing import Annotated, Any

import anyio
import typer

from engine.api.containers import ContainerUpdate
from engine.api.errors import NotFound
from engine.cli.detachkeys import DEFAULT
from engine.cli.joining import join
from engine.cli.objects.amounts import bytes_from, nano_cpus, restart_policy
from engine.cli.objects.group import (
    Containers,
    Force,
    One,
    PruneFilter,
    agreed,
    filters_from,
    on_each,
    reached,
    rehearsed,
)
from engine.cli.options import EngineOptions, with_options
from engine.cli.render.amounts import decimal_size
from engine.client.session import Engine

Grace = Annotated[
    int | None, typer.Option("--timeout", "--time", "-t", help="Seconds until it is killed; -1 waits for ever")
]
Signal = Annotated[str | None, typer.Option("--signal", "-s", help="Instead of the container's stop signal")]


@with_options(EngineOptions)
def start(
    engine: EngineOptions,
    containers: Containers,
    attach: Annotated[bool, typer.Option("--attach", "-a", help="Join its output, and exit with its code")] = False,
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="Join its input too")] = False,
    detach_keys: Annotated[str, typer.Option("--detach-keys", help="The keys that leave it running")] = DEFAULT,
) -> None:
    """Start containers that exist. Example: rorqual container start -a job"""
    if not (attach or interactive):
        on_each(engine, "start", containers, lambda client, name: client.containers.start(name))
    if len(containers) != 1:
        raise typer.BadParameter("one container at a time can be joined: name one, or leave -a and -i out")
    if rehearsed(engine, f"start {containers[0]}, and join it"):
        return

    async def run() -> int:
        async with reached(engine) as client:
            id = (await client.containers.inspect(containers[0]))["Id"]
            return await join(
                client, id, detach_keys, stdin=interactive, proxy=True, start=lambda: client.containers.start(id)
            )

    raise typer.Exit(anyio.run(run))


@with_options(EngineOptions)
def stop(engine: EngineOptions, containers: Containers, signal: Signal = None, timeout: Grace = None) -> None:
    """Stop running containers. Example: rorqual container stop -t 5 web"""
    on_each(
        engine,
        "stop",
        containers,
        lambda client, name: client.containers.stop(name, signal=signal, grace_seconds=timeout),
    )


@with_options(EngineOptions)
def restart(engine: EngineOptions, containers: Containers, signal: Signal = None, timeout: Grace = None) -> None:
    """Stop and start containers. Example: rorqual container restart web"""
    on_each(
        engine,
        "restart",
        containers,
        lambda client, name: client.containers.restart(name, signal=signal, grace_seconds=timeout),
    )


@with_options(EngineOptions)
def kill(
    engine: EngineOptions,
    containers: Containers,
    signal: Annotated[str, typer.Option("--signal", "-s", help="Which signal")] = "KILL",
) -> None:
    """Send a signal to running containers. Example: rorqual container kill -s HUP web"""
    on_each(engine, "kill", containers, lambda client, name: client.containers.kill(name, signal))


@with_options(EngineOptions)
def pause(engine: EngineOptions, containers: Containers) -> None:
    """Freeze running containers. Example: rorqual container pause web"""
    on_each(engine, "pause", containers, lambda client, name: client.containers.pause(name))


@with_options(EngineOptions)
def unpause(engine: EngineOptions, containers: Containers) -> None:
    """Let frozen containers go on. Example: rorqual container unpause web"""
    on_each(engine, "unpause", containers, lambda client, name: client.containers.unpause(name))


@with_options(EngineOptions)
def rename(engine: EngineOptions, container: One, name: Annotated[str, typer.Argument(help="Its new name")]) -> None:
    """Give a container another name. Example: rorqual container rename web web-old"""
    on_each(engine, "rename", [container], lambda client, old: client.containers.rename(old, name), quiet=True)


@with_options(EngineOptions)
def rm(
    engine: EngineOptions,
    containers: Containers,
    force: Annotated[bool, typer.Option("--force", "-f", help="Running ones too, by SIGKILL")] = False,
    volumes: Annotated[bool, typer.Option("--volumes", "-v", help="Their anonymous volumes too")] = False,
) -> None:
    """Remove containers. Example: rorqual container rm -f web"""

    async def act(client: Engine, name: str) -> None:
        try:
            await client.containers.remove(name, force=force, volumes=volumes)
        except NotFound:
            if not force:
                raise

    on_each(engine, "remove", containers, act)


@with_options(EngineOptions)
def update(
    engine: EngineOptions,
    containers: Containers,
    memory: Annotated[str | None, typer.Option("--memory", "-m", help="Limit of memory, such as 512m")] = None,
    memory_reservation: Annotated[str | None, typer.Option("--memory-reservation", help="Soft limit of memory")] = None,
    memory_swap: Annotated[str | None, typer.Option("--memory-swap", help="Memory and swap; -1 for no limit")] = None,
    cpus: Annotated[str | None, typer.Option("--cpus", help="How many processors, such as 1.5")] = None,
    cpu_shares: Annotated[int | None, typer.Option("--cpu-shares", "-c", help="Weight among others")] = None,
    cpu_period: Annotated[int | None, typer.Option("--cpu-period", help="Microseconds")] = None,
    cpu_quota: Annotated[int | None, typer.Option("--cpu-quota", help="Microseconds of each period")] = None,
    cpuset_cpus: Annotated[str | None, typer.Option("--cpuset-cpus", help="Which processors: 0-2,4")] = None,
    cpuset_mems: Annotated[str | None, typer.Option("--cpuset-mems", help="Which memory nodes")] = None,
    pids_limit: Annotated[int | None, typer.Option("--pids-limit", help="How many processes; -1 for no limit")] = None,
    blkio_weight: Annotated[int | None, typer.Option("--blkio-weight", help="Weight of block I/O, 10 to 1000")] = None,
    restart: Annotated[str | None, typer.Option("--restart", help="no, always, unless-stopped, on-failure[:N]")] = None,
) -> None:
    """Change limits and the restart policy in place. Example: rorqual container update -m 512m --cpus 1.5 web"""
    said: dict[str, Any] = {
        "Memory": bytes_from(memory, "--memory"),
        "MemoryReservation": bytes_from(memory_reservation, "--memory-reservation"),
        "MemorySwap": bytes_from(memory_swap, "--memory-swap"),
        "NanoCpus": nano_cpus(cpus),
        "CpuShares": cpu_shares,
        "CpuPeriod": cpu_period,
        "CpuQuota": cpu_quota,
        "CpusetCpus": cpuset_cpus,
        "CpusetMems": cpuset_mems,
        "PidsLimit": pids_limit,
        "BlkioWeight": blkio_weight,
        "RestartPolicy": restart_policy(restart),
    }
    body: ContainerUpdate = {key: value for key, value in said.items() if value is not None}  # type: ignore[assignment]
    if not body:
        raise typer.BadParameter("name at least one limit or the restart policy")

    async def act(client: Engine, name: str) -> None:
        for warning in await client.containers.update(name, body):
            typer.echo(f"rorqual: {warning}", err=True)

    on_each(engine, "update", containers, act)


@with_options(EngineOptions)
def prune(engine: EngineOptions, force: Force = False, filter: PruneFilter = None) -> None:
    """Remove every stopped container. Example: rorqual container prune -f --filter until=24h"""
    if not agreed(engine, force, "all stopped containers"):
        raise typer.Exit(1)

    async def run() -> Any:
        async with reached(engine) as client:
            return await client.containers.prune(filters=filters_from(filter))

    found = anyio.run(run)
    if deleted := found.get("ContainersDeleted"):
        print("Deleted Containers:", *deleted, "", sep="\n")
    print(f"Total reclaimed space: {decimal_size(found.get('SpaceReclaimed') or 0)}")


def add_to(group: typer.Typer) -> None:
    for command in (start, stop, restart, kill, pause, unpause, rename, update, rm, prune):
        group.command(command.__name__)(command)
    group.command("remove", hidden=True)(rm)
