"""The one way from a loaded project to a converged host: observe, plan, ask, apply, report. Used by every command that
changes a project's containers.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import anyio
import typer

from engine.cli.connection import parallel_limit
from engine.cli.exitcodes import ERROR, INTERRUPTED
from engine.cli.options import EngineOptions, ProjectOptions
from engine.client.session import Engine
from engine.graph.address import Address, Kind
from engine.plan.draft import Draft
from engine.plan.lower.containers import shared_hash
from engine.plan.lower.naming import Naming
from engine.plan.make import make_plan
from engine.plan.observed import Observed
from engine.plan.options import PlanOptions
from engine.plan.steps import BuildImage, Plan, PullImage, PushImage, ReplaceVolume, WaitFor
from engine.reconcile.contents import Sealer, read_contents, read_profiles, read_sealer, state_directory
from engine.reconcile.observe import observe
from engine.reconcile.outcome import Report
from specs.check.capabilities import check_capabilities
from specs.load import Loaded
from specs.models import Project
from specs.source import Report as Diagnostics
from specs.source import Span, SpecInvalid

if TYPE_CHECKING:
    from engine.builders.build import BuildOptions


@dataclass
class Convergence:
    """One project on one engine, under way. `quiet` are words of steps whose own output isn't shown."""

    engine: Engine
    project: Project
    span_of: Callable[..., Span | None]
    engine_options: EngineOptions
    quiet: frozenset[str] = frozenset()
    separator: str = "-"
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @cached_property
    def sealer(self) -> Sealer:
        return read_sealer(state_directory(self.environment))

    def completed(self, options: PlanOptions) -> PlanOptions:
        """The options with what this machine adds to them: time, contents, seal, names."""
        return options._replace(
            separator=self.separator,
            now=time.time(),
            contents=read_contents(self.project, self.sealer),
            profiles=read_profiles(self.project),
            image_keys={} if options.images_settled else self.image_keys(),
            seal=self.sealer.seal,
        )

    def image_keys(self) -> Mapping[str, str]:
        if not self.project.images:
            return {}
        # late: only a project with images of its own needs the builders to plan
        from engine.reconcile.images import image_keys

        return image_keys(self.project, Naming(self.project.name, self.separator))

    async def observe(self) -> Observed:
        return await observe(self.engine.reader, self.project.name, self.project, self.separator)

    def plan(self, options: PlanOptions, observed: Observed) -> Plan:
        return make_plan(self.project, observed, self.completed(options))

    async def converge(self, options: PlanOptions, build: BuildOptions | None = None, *, yes: bool = False) -> Report:
        """Plan and apply. Where containers stand already, images are pulled and built first, and the rest is planned
        by what they turned out to be.
        """
        observed = await self.observe()
        plan = self.plan(options, observed)
        consent(plan, yes=yes)
        images = tuple(s for s in plan.steps if isinstance(s.action, PullImage | BuildImage | PushImage))
        if images and observed.containers and not self.engine_options.dry_run:
            report = await self.apply(plan._replace(steps=images), build)
            if not report.ok:
                return report
            plan = self.plan(options._replace(images_settled=True), await self.observe())
        return await self.apply(plan, build)

    async def wait(self, keys: Iterable[str], timeout_seconds: float | None) -> Report:
        """Until every container of these services runs, is healthy where it is checked, or has done its work."""
        draft, wanted, observed = Draft(), set(keys), await self.observe()
        for container in observed.containers:
            if container.service in wanted and not container.oneoff:
                address = Address(Kind.SERVICE, container.service, container.number)
                action = WaitFor(container.name, "settled", timeout_seconds=timeout_seconds)
                draft.add(address, action, "--wait asks for it")
        return await self.apply(Plan(self.project.name, observed.engine, tuple(draft.steps)))

    async def apply(self, plan: Plan, build: BuildOptions | None = None) -> Report:
        """Carry the plan out, or with --dry-run only say it."""
        for warning in plan.warnings:
            print(warning, file=sys.stderr)
        if self.engine_options.dry_run:
            # late: only a dry run shows the plan here
            from engine.plan.render.text import render_text

            print(render_text(plan))
            return Report(plan)
        if plan.empty:
            return Report(plan)
        async with interruptible() as stopping:
            report = await self.carry_out(plan, stopping, build)
        # late: an empty plan moves nothing
        from engine.cli.placement import remember

        await remember(self.engine, self.project.name, self.environment)
        if stopping.is_set():
            raise typer.Exit(INTERRUPTED)
        return report

    async def carry_out(self, plan: Plan, stopping: anyio.Event, build: BuildOptions | None = None) -> Report:
        """Apply it, its progress and failures shown; nothing new starts once `stopping` is set."""
        # late: a plan that is empty needs none of these, and they take a fifth of a second
        from engine.builders.build import BuildOptions
        from engine.cli.render.progress import make_progress
        from engine.cli.render.report import render_failures
        from engine.reconcile.apply import apply
        from engine.reconcile.effects import Effects
        from engine.reconcile.images import image_maker

        progress = make_progress(self.engine_options.progress, self.engine_options.ansi)
        effects = Effects(
            self.engine,
            seal=self.sealer.seal,
            make_image=image_maker(
                self.engine, self.project, options=build or BuildOptions(), separator=self.separator
            ),
            say=lambda step, *line: None if step.word in self.quiet else progress.line(step, *line),
            hash_shared=lambda key, ids: shared_hash(self.project, key, ids),
            warn=lambda address, text: print(f"warning: {address}: {text}", file=sys.stderr),
        )
        limit = parallel_limit(self.engine_options)
        report = await apply(plan, effects, progress, limit=limit, stopping=stopping)
        if not report.ok:
            print(render_failures(report, self.span_of), file=sys.stderr)
        return report


def convergence(
    engine: Engine,
    loaded: Loaded,
    options: ProjectOptions,
    engine_options: EngineOptions,
    quiet: frozenset[str] = frozenset(),
) -> Convergence:
    """The convergence of a project that load_project returned, and so is valid."""
    assert loaded.project is not None
    separator = "_" if options.compatibility else "-"
    return Convergence(engine, loaded.project, loaded.span_of, engine_options, quiet, separator)


async def honouring(
    engine: Engine,
    loaded: Loaded,
    options: ProjectOptions,
    engine_options: EngineOptions,
    quiet: frozenset[str] = frozenset(),
) -> Convergence:
    """As convergence, each key that this engine can't honour being named first (with --strict: refused)."""
    report = Diagnostics()
    capabilities = await engine.capabilities()
    assert loaded.root is not None
    check_capabilities(loaded.root, capabilities.engine, report, strict=options.strict)
    if report.failed:
        raise SpecInvalid(report)
    if len(report):
        # late: most files have nothing that the engine can't honour
        from engine.cli.render.diagnostics import render_text

        print(render_text(report), file=sys.stderr)
    return convergence(engine, loaded, options, engine_options, quiet)


def no_spans(*path: str) -> Span | None:
    """For a project that no file of this run describes."""
    return None


@asynccontextmanager
async def interruptible() -> AsyncIterator[anyio.Event]:
    """Ctrl-C once sets the event: what runs is finished, nothing new starts. Twice leaves at once, with 130."""
    stopping = anyio.Event()

    async def listen(scope: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                if stopping.is_set():
                    print("leaving at once; the next run converges from what stands", file=sys.stderr)
                    scope.cancel()
                    return
                print("finishing the steps in flight; press Ctrl-C again to leave at once", file=sys.stderr)
                stopping.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, tasks.cancel_scope)
        yield stopping
        tasks.cancel_scope.cancel()
    if tasks.cancel_scope.cancelled_caught and stopping.is_set():
        raise typer.Exit(INTERRUPTED)


def consent(plan: Plan, *, yes: bool) -> None:
    """Ask before data is lost (CLI.md, "Asking"): on a terminal a question, elsewhere an error that names the flag."""
    doomed = [str(s.address) for s in plan.steps if isinstance(s.action, ReplaceVolume)]
    if not doomed or yes:
        return
    text = f"{', '.join(doomed)} must be made anew, and the data in it is lost"
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{text}: say --yes to accept that")
    if not typer.confirm(f"{text}. Go on?", err=True):
        raise typer.Exit(ERROR)
