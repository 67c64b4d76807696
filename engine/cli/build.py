"""`rorqual build`: make the images that the project builds."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import anyio
import typer

from engine.builders.build import BuildOptions
from engine.cli.connection import connected
from engine.cli.converge import convergence
from engine.cli.exitcodes import ERROR
from engine.cli.imageplans import ImagePlan, arguments_of, with_build_changes
from engine.cli.members import ServiceNames
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.project import load_project
from engine.plan.lower.naming import Naming
from engine.plan.order import select
from specs.load import Loaded
from specs.source import Report
from specs.units import size_in_bytes


@with_options(ProjectOptions, EngineOptions)
def build(
    project: ProjectOptions,
    engine: EngineOptions,
    services: ServiceNames = None,
    builder: Annotated[str | None, typer.Option("--builder", help="The buildx builder to use")] = None,
    build_arg: Annotated[list[str] | None, typer.Option("--build-arg", help="NAME=VALUE; repeatable")] = None,
    check: Annotated[bool, typer.Option("--check", help="Check the Dockerfiles, and build nothing")] = False,
    memory: Annotated[
        str | None, typer.Option("--memory", "-m", help="Limit of a build's memory (64m); not with BuildKit")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Every step anew")] = False,
    printed: Annotated[
        bool,
        typer.Option("--print", help="Print the builds as the file that `docker buildx bake` takes; build nothing"),
    ] = False,
    provenance: Annotated[str | None, typer.Option("--provenance", help="Add a provenance attestation")] = None,
    pull: Annotated[bool, typer.Option("--pull", help="Newer base images where there are some")] = False,
    push: Annotated[bool, typer.Option("--push", help="Push what was built")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Without the build's output")] = False,
    sbom: Annotated[str | None, typer.Option("--sbom", help="Add a bill of materials")] = None,
    ssh: Annotated[list[str] | None, typer.Option("--ssh", help="ID or ID=PATH of a key or agent")] = None,
    with_dependencies: Annotated[
        bool, typer.Option("--with-dependencies", help="What the services depend on, too")
    ] = False,
) -> None:
    """Build the services' images. Example: rorqual build --pull web"""
    loaded = load_project(project, tuple(services or ()), only_services=False)
    if check:
        raise typer.Exit(checked(loaded, services or ()))
    limit = bytes_of(memory) if memory else 0
    shown = replace(engine, progress="quiet") if quiet else engine
    build_options = BuildOptions(fresh=pull, no_cache=no_cache, memory=limit, builder=builder or "")
    changes: dict[str, Any] = {}
    if provenance is not None:
        changes["provenance"] = provenance
    if sbom is not None:
        changes["sbom"] = sbom
    if ssh:
        changes["ssh"] = [{id: path} for id, _, path in (entry.partition("=") for entry in ssh)]

    if printed:
        # late: only who prints bakes
        from engine.cli.bake import bake_file

        assert loaded.project is not None
        keys = select(loaded.project, services or (), deps=with_dependencies)
        changed = with_build_changes(loaded.project, keys, arguments_of(build_arg or ()), **changes)
        naming = Naming(changed.name, "_" if project.compatibility else "-")
        print(json.dumps(bake_file(changed, keys, naming, push=push, pull=pull, no_cache=no_cache), indent=2))
        return

    async def run() -> int:
        async with connected(shown, announce=True, project=loaded.name) as client:
            work = convergence(client, loaded, project, shown)
            keys = select(work.project, services or (), deps=with_dependencies)
            work.written = work.project
            work.project = with_build_changes(work.project, keys, arguments_of(build_arg or ()), **changes)
            plan = ImagePlan(work.project, await work.observe(), work.separator)
            for key in keys:
                plan.build_service(key)
            for name in work.project.images if not services else ():
                plan.build_entry(name)
            for key in keys if push else ():
                plan.push_service(key)
            if not plan.draft.steps:
                print("no service has an image to build", file=sys.stderr)
            report = await work.apply(plan.finished(), build_options)
            return 0 if report.ok else 1

    raise typer.Exit(anyio.run(run))


def checked(loaded: Loaded, services: Sequence[str]) -> int:
    """Say what is wrong with the Dockerfiles of these services (all, and `images:`, where none is named): 1 where
    something is.
    """
    # late: only a check reads Dockerfiles here
    from engine.cli.dockerfiles import check_dockerfiles
    from engine.cli.render.diagnostics import render_text

    values = loaded.values or {}
    if services:
        values = {"services": {key: values["services"][key] for key in services}}
    report = Report()
    check_dockerfiles(values, report)
    if len(report):
        print(render_text(report))
    return ERROR if len(report) else 0


def bytes_of(text: str) -> int:
    try:
        return size_in_bytes(text)
    except ValueError:
        raise typer.BadParameter(f'--memory takes a size such as 512m, not "{text}"') from None
