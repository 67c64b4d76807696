"""The one way from a loaded project to a converged host: observe, plan, ask, apply, report. Used by every command that
changes a project's containers.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import anyio
import typer

from engine.api.capabilities import Kind
from engine.cli.connection import is_limited, parallel_limit
from engine.cli.exitcodes import ERROR, INTERRUPTED
from engine.cli.options import EngineOptions, ProjectOptions
from engine.cli.render.progress import Quiet, make_progress
from engine.client.session import Engine
from engine.plan.faults import Unplannable
from engine.plan.observed import Observed
from engine.plan.options import PlanOptions
from engine.plan.render.text import render_text
from engine.plan.steps import CreateContainer, Plan, ReplaceContainer, ReplaceVolume, RunProvider
from engine.reconcile.contents import Sealer, passing_sealer
from engine.reconcile.convergence import Convergence as Reconciling
from engine.reconcile.convergence import Signed, first_steps
from engine.reconcile.outcome import Report
from engine.reconcile.pins import pinned
from specs.check.capabilities import check_capabilities
from specs.load import Loaded
from specs.source import Report as Diagnostics
from specs.source import Span, SpecInvalid

if TYPE_CHECKING:
    from engine.builders.build import BuildOptions


def no_spans(*path: str) -> Span | None:
    """For a project that no file of this run describes."""
    return None


async def look_for_signature(reference: str, key: str) -> str:
    # late: only an image that must be signed needs registries asked
    from engine.gitops.signed import signed_digest

    return await signed_digest(reference, key)


@dataclass
class Convergence(Reconciling):
    """As reconcile has it, with words for the user. `quiet` are words of steps whose own output isn't shown; `given`
    the keys of a service that the command line has set in place of the spec.
    """

    span_of: Callable[..., Span | None] = no_spans
    signed: Signed | None = look_for_signature
    engine_options: EngineOptions = field(default_factory=EngineOptions)
    quiet: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()

    @cached_property
    def sealer(self) -> Sealer:
        """Where this machine's key can't be made, one for this run: a state that can't be written stops no run."""
        try:
            return super().sealer
        except OSError as error:
            text = "sensitive values are sealed under a key of this run only, and later runs can't compare them"
            print(f"rorqual: {error.filename}: {error.strerror}: {text}", file=sys.stderr)
            return passing_sealer()

    def plan(self, options: PlanOptions, observed: Observed) -> Plan:
        """Raises SpecInvalid, with the place, for what can't be on this host."""
        try:
            return super().plan(options, observed)
        except Unplannable as fault:
            report = Diagnostics()
            report.error(fault.code, fault.bare, self.place(*fault.path), hint=fault.hint)
            raise SpecInvalid(report) from fault

    def place(self, *path: str) -> Span | None:
        """The smallest place there is on the way to a path of the spec."""
        return next(filter(None, (self.span_of(*path[:end]) for end in range(len(path), 1, -1))), None)

    async def converge(self, options: PlanOptions, build: BuildOptions | None = None, *, yes: bool = False) -> Report:
        """Plan and apply. Where containers stand already, images are pulled and built first, and the rest is planned
        by what they turned out to be.
        """
        observed = await self.observe()
        plan = self.plan(options, observed)
        consent(plan, yes=yes)
        if await self.take(plan, observed):
            observed = await self.observe()
            plan = self.plan(options, observed)
            consent(plan, yes=yes)
        first = first_steps(plan)
        provided = any(isinstance(step.action, RunProvider) for step in first.steps)
        if not first.empty and (observed.containers or provided) and not self.engine_options.dry_run:
            report = await self.apply(first, build)
            if not report.ok:
                return report
            plan = self.plan(options._replace(images_settled=True), await self.observe())
        if plan.empty and not self.engine_options.dry_run:
            self.progress().note(render_text(plan))
        return await self.apply(plan, build)

    async def apply_planned(self, make: Callable[[Observed], Plan], observed: Observed) -> Report:
        """Apply what `make` plans for what is observed; made again where the host moved before the lock was had."""
        plan = make(observed)
        if await self.take(plan, observed):
            plan = make(await self.observe())
        return await self.apply(plan)

    async def take(self, plan: Plan, observed: Observed) -> bool:
        return not self.engine_options.dry_run and await super().take(plan, observed)

    async def wait(self, keys: Iterable[str], timeout_seconds: float | None) -> Report:
        """Until every container of these services runs, is healthy where it is checked, or has done its work."""
        return await self.apply(self.settling(keys, timeout_seconds, await self.observe(), "--wait asks for it"))

    async def apply(self, plan: Plan, build: BuildOptions | None = None) -> Report:
        """Carry the plan out, or with --dry-run only say it."""
        for warning in plan.warnings:
            print(warning, file=sys.stderr)
        if self.engine_options.dry_run:
            print(render_text(plan))
            return Report(plan)
        if plan.empty:
            return Report(plan)
        async with interruptible() as stopping:
            report = await self.carry_out(plan, stopping, build)
        # late: an empty plan moves nothing
        from engine.cli.placement import remember

        # what was made by a step that went well is there: the engine need not be asked for it
        made = any(isinstance(o.step.action, CreateContainer | ReplaceContainer) for o in report.done)
        await remember(self.engine, self.project.name, self.environment, known=True if made else None)
        if stopping.is_set():
            raise typer.Exit(INTERRUPTED)
        return report

    def progress(self) -> Quiet:
        return make_progress(self.engine_options.progress, self.engine_options.ansi)

    async def carry_out(self, plan: Plan, stopping: anyio.Event, build: BuildOptions | None = None) -> Report:
        """Apply it, its progress and failures shown; nothing new starts once `stopping` is set."""
        # late: only a plan that is carried out can fail
        from engine.cli.render.report import render_failures

        report = await self.run(
            plan,
            self.progress(),
            limit=parallel_limit(self.engine_options),
            strict=is_limited(self.engine_options),
            warn=lambda address, text: print(f"warning: {address}: {text}", file=sys.stderr),
            stopping=stopping,
            build=build,
            quiet=self.quiet,
        )
        if not report.ok:
            print(render_failures(report, self.span_of, self.project, self.given), file=sys.stderr)
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
    return Convergence(
        engine,
        pinned(loaded.project),
        separator,
        span_of=loaded.span_of,
        engine_options=engine_options,
        quiet=quiet,
    )


async def honouring(
    engine: Engine,
    loaded: Loaded,
    options: ProjectOptions,
    engine_options: EngineOptions,
    quiet: frozenset[str] = frozenset(),
) -> Convergence:
    """As convergence, each key that this engine can't honour being named first (with --strict: refused)."""
    can = await engine.capabilities()
    tell_unhonoured(loaded, can.engine, can.api_version, options)
    return convergence(engine, loaded, options, engine_options, quiet)


def tell_unhonoured(loaded: Loaded, kind: Kind, api: tuple[int, int] | None, options: ProjectOptions) -> None:
    """Raises SpecInvalid with --strict where there is such a key."""
    report = Diagnostics()
    assert loaded.root is not None
    check_capabilities(loaded.root, kind, report, api=api, strict=options.strict)
    if report.failed:
        raise SpecInvalid(report)
    if len(report):
        # late: most files have nothing that the engine can't honour
        from engine.cli.render.diagnostics import render_text

        print(render_text(report), file=sys.stderr)


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
