"""Attached `up`: converge, then show what the containers write until they end, or there is cause to stop them."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace

import anyio

from engine.api.errors import Conflict, InvalidArgument, NotFound
from engine.cli.converge import Convergence
from engine.cli.follow import LogFollower, Source
from engine.cli.loglines import LogLine
from engine.cli.options import LockOptions
from engine.cli.render.colour import wants_colour
from engine.cli.render.logs import LogPrinter
from engine.plan.lifecycle import Lifecycle
from engine.plan.options import PlanOptions
from engine.plan.order import select
from engine.reconcile.outcome import Report

INTERRUPTED = 130
# A container that the engine restarts, or that a dependency's restart takes along, is back by then.
LINGER_SECONDS = 0.3
# How long the last lines may take once everything is stopped.
LAST_LINES_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """`abort_on` is "" (never), "exit" or "failure"; `attach` empty means the services that `up` was asked for."""

    attach: tuple[str, ...] = ()
    no_attach: frozenset[str] = frozenset()
    dependencies: bool = False
    timestamps: bool = False
    prefix: bool = True
    colour: bool = True
    abort_on: str = ""
    exit_code_from: str | None = None
    stop_seconds: float | None = None
    watch: bool = False


@dataclass
class Attached:
    """One attached run. `stop` is set by the first Ctrl-C or by a container's end, `kill` by the second Ctrl-C."""

    work: Convergence
    options: PlanOptions
    attach: AttachOptions
    lock: LockOptions = field(default_factory=LockOptions)
    stop: anyio.Event = field(default_factory=anyio.Event)
    kill: anyio.Event = field(default_factory=anyio.Event)
    code: int = 0
    interrupted: bool = False
    codes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        attach = self.attach
        self.keys = select(self.work.project, self.options.services, deps=self.options.deps)
        for name in (*attach.attach, *attach.no_attach, *filter(None, [attach.exit_code_from])):
            if name not in self.work.project.services:
                raise InvalidArgument(f"no such service: {name}")
        self.shown = self.services_shown()
        colour = attach.colour and wants_colour(sys.stdout, self.work.engine_options.ansi)
        self.printer = LogPrinter(colour=colour, prefix=attach.prefix, timestamps=attach.timestamps, apart=True)
        self.follower = LogFollower(
            self.work.engine.reader,
            self.work.project.name,
            frozenset(self.keys),
            self.line,
            on_exit=self.exited,
            warn=lambda text: print(f"rorqual: {text}", file=sys.stderr),
            found=self.found,
        )

    def services_shown(self) -> Collection[str]:
        attach, services = self.attach, self.work.project.services
        wanted = attach.attach or (() if attach.dependencies else self.options.services) or self.keys
        return {key for key in wanted if key not in attach.no_attach and services[key].attach is not False}

    def found(self, source: Source) -> None:
        if source.service in self.shown:
            self.printer.expect(source)

    def line(self, source: Source, line: LogLine) -> None:
        if source.service in self.shown:
            self.printer.line(source, line)

    def exited(self, source: Source, code: int, restarting: bool) -> None:
        if source.service in self.shown:
            self.printer.status(source, f"exited with code {code}{' (restarting)' if restarting else ''}")
        if restarting:
            return
        self.codes.setdefault(source.service, code)
        if self.stop.is_set():
            return
        if self.attach.abort_on == "exit" or (self.attach.abort_on == "failure" and code):
            print(f"stopping: {source.label} has exited", file=sys.stderr)
            self.code = code
            self.stop.set()

    async def run(self, converge: Callable[[], Awaitable[Report]]) -> int:
        """The exit code: 1 where converging failed, 130 after Ctrl-C, else what the containers and flags say."""
        watcher = None
        if self.attach.watch:
            # late: watchfiles is only for those who watch
            from engine.cli.watcher import Watcher

            watcher = Watcher(beside_output(self.work), tuple(self.keys), self.lock)
            # before anything is started: where there is nothing to watch, nothing is wanted
            watcher.checked_rules()
        await self.follower.mark()
        report = await converge()
        if not report.ok:
            return 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.listen)
            tasks.start_soon(self.until_stopped)
            if watcher is not None:
                tasks.start_soon(watcher.run)
            # a watch may start again what has ended
            linger_seconds = math.inf if self.attach.watch else LINGER_SECONDS
            await self.follower.follow(linger_seconds, marked=True)
            tasks.cancel_scope.cancel()
        if self.interrupted:
            return INTERRUPTED
        if self.attach.exit_code_from is not None:
            return self.codes.get(self.attach.exit_code_from, self.code)
        return self.code

    async def listen(self) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                if self.stop.is_set():
                    self.kill.set()
                    continue
                self.interrupted = True
                print("\nstopping the containers; press Ctrl-C again to kill them", file=sys.stderr)
                self.stop.set()

    async def until_stopped(self) -> None:
        """Stop everything once asked to; the followed logs end by that."""
        await self.stop.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.killing)
            observed = await self.work.observe()
            plan = Lifecycle(self.work.project, observed, tuple(self.keys)).stop(self.attach.stop_seconds)
            await beside_output(self.work).carry_out(plan, anyio.Event())
            tasks.cancel_scope.cancel()
        self.follower.linger_seconds = LINGER_SECONDS
        self.follower.tell()
        await anyio.sleep(LAST_LINES_SECONDS)
        self.follower.give_up()

    async def killing(self) -> None:
        await self.kill.wait()
        for container in (await self.work.observe()).containers:
            if container.running and container.service in self.keys:
                try:
                    await self.work.engine.containers.kill(container.id)
                except (Conflict, NotFound):
                    # it has stopped meanwhile
                    continue


def beside_output(work: Convergence) -> Convergence:
    """The same with progress in plain lines: a live block would be drawn over what others write."""
    options = work.engine_options
    plain = options if options.progress in {"json", "quiet"} else replace(options, progress="plain")
    return replace(work, engine_options=plain)
