"""Carries out `develop.watch`: changes in batches, each service's work one after another, until it is cancelled."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import anyio
import watchfiles

from engine.api.containers import ContainerSummary
from engine.api.errors import Conflict, EngineError, InvalidArgument, NotFound
from engine.builders.context import read_ignore
from engine.cli.converge import Convergence
from engine.cli.imageplans import ImagePlan
from engine.cli.members import containers_of, name_of
from engine.cli.options import LockOptions
from engine.cli.turns import writing
from engine.cli.watchrules import Rule, Work, rules_of, work_of
from engine.dockerfile.ignore import Ignore
from engine.plan.desired import Hook
from engine.plan.options import PlanOptions
from engine.reconcile.apply import StepFailed
from engine.reconcile.hooks import run_hook
from specs.models import Project

# A batch is whole when nothing changes for STEP, or after LONGEST.
STEP_MS, LONGEST_MS = 200, 2000
Seen: TypeAlias = tuple[watchfiles.Change, Path]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass
class Watcher:
    """`keys` are the services that are watched; `prune` removes images that a rebuild left without a name. The work on
    each service is done under the project's lock, and makes no release: it changes every minute.
    """

    work: Convergence
    keys: tuple[str, ...]
    lock: LockOptions = field(default_factory=LockOptions)
    prune: bool = True
    rules: list[Rule] = field(default_factory=list)

    def checked_rules(self) -> list[Rule]:
        """Raises InvalidArgument where there is nothing to watch, NotFound where a path is missing."""
        rules = rules_of(self.work.project, self.keys, context_ignores(self.work.project, self.keys))
        if not rules:
            raise InvalidArgument("nothing to watch: no service has a develop.watch section")
        for rule in rules:
            if not rule.path.exists():
                raise NotFound(f'service "{rule.service}": {rule.path}, which it watches, does not exist')
        return rules

    async def run(self) -> None:
        """Raises as checked_rules does."""
        rules = self.rules = self.checked_rules()
        await self.carry_out(initial_work(rules))
        say("watching for changes; press Ctrl-C to end")
        async with batches(rules) as changes:
            async for changed in changes:
                await self.carry_out(work_of(rules, expanded(changed)))

    async def carry_out(self, works: Mapping[str, Work]) -> None:
        """A failure is said, and the watch goes on: the next change may mend it."""
        for service, work in works.items():
            try:
                async with writing(self.work, self.lock) as turn:
                    await turn.take_now()
                    await (self.rebuild(service) if work.rebuild else self.refresh(service, work))
            except EngineError as error:
                say(f"{service}: {error.message}")

    async def refresh(self, service: str, work: Work) -> None:
        containers = await containers_of(self.work.engine, self.work.project.name, [service])
        if not containers:
            say(f"{service}: has no running container")
        for container in containers:
            if work.files:
                await self.sync(container, work.files)
            for hook in work.hooks:
                await self.run_hook(container, hook)
            if work.restart:
                say(f"restarting {name_of(container)}")
                await self.work.engine.containers.restart(container["Id"])

    async def sync(self, container: ContainerSummary, files: Mapping[str, Path]) -> None:
        there = {target: path for target, path in files.items() if path.exists() or path.is_symlink()}
        gone = [target for target in files if target not in there]
        say(f"syncing {name_of(container)}: {len(there)} changed, {len(gone)} removed")
        if gone:
            # of what was replaced by a folder, or a folder by a file, nothing may be left
            await self.run_hook(container, Hook(("rm", "-rf", "--", *sorted(gone)), user="0"))
        if there:
            body = await anyio.to_thread.run_sync(tar_of, there)
            await self.work.engine.containers.put_archive(container["Id"], "/", body)

    async def run_hook(self, container: ContainerSummary, hook: Hook) -> None:
        try:
            await run_hook(self.work.engine, container["Id"], hook)
        except StepFailed as failed:
            say(f"{name_of(container)}: {failed.message}")
            for line in failed.evidence:
                say(f"    {line}")

    async def rebuild(self, service: str) -> None:
        """Build, then replace what runs the old image. The old image goes, where nothing else names or uses it."""
        say(f"rebuilding {service}")
        observed = await self.work.observe()
        plan = ImagePlan(self.work.project, observed, self.work.separator)
        plan.build_service(service)
        old = (observed.images.get(plan.reference(service)) or {}).get("Id")
        if not (await self.work.carry_out(plan.finished(), anyio.Event())).ok:
            return
        options = PlanOptions(services=(service,), deps=False, images_settled=True)
        observed = await self.work.observe()
        if not (await self.work.carry_out(self.work.plan(options, observed), anyio.Event())).ok:
            return
        new = (observed.images.get(plan.reference(service)) or {}).get("Id")
        if self.prune and old and old != new:
            with suppress(Conflict, NotFound):
                await self.work.engine.images.remove(old)
        if work := initial_work([rule for rule in self.rules if rule.service == service]).get(service):
            await self.refresh(service, work)


def context_ignores(project: Project, keys: Iterable[str]) -> dict[str, Ignore]:
    """The ignore files of the services' build contexts, where these are folders here."""
    found = {}
    for key in keys:
        build = project.services[key].build
        if build is not None and build.context and Path(build.context).is_dir():
            dockerfile = Path(build.context, build.dockerfile or "Dockerfile")
            found[key] = read_ignore(Path(build.context), dockerfile)
    return found


def initial_work(rules: Iterable[Rule]) -> dict[str, Work]:
    """What rules with `initial_sync` ask for when a container is new: all that they watch."""
    wanted = [rule for rule in rules if rule.initial_sync]
    return work_of(wanted, [path for rule in wanted for path in below(rule.path)])


def below(path: Path) -> list[Path]:
    """The path itself, if it is a file, and every file and link below it."""
    if not path.is_dir() or path.is_symlink():
        return [path]
    return [Path(folder, name) for folder, _, files in os.walk(path) for name in files]


def expanded(changed: Iterable[Seen]) -> list[Path]:
    """A folder that came stands for all that is in it: files may have been there before anybody watched it."""
    found = []
    for kind, path in changed:
        if path.is_dir() and not path.is_symlink():
            found += below(path) if kind is watchfiles.Change.added else []
        else:
            found.append(path)
    return found


@asynccontextmanager
async def batches(rules: Iterable[Rule]) -> AsyncIterator[AsyncIterator[list[Seen]]]:
    """What changes below the rules' paths. A file is watched by its folder, since editors put a new one there."""
    folders = {rule.path for rule in rules if rule.path.is_dir()}
    parents = {rule.path.parent for rule in rules if not rule.path.is_dir()}
    send, receive = anyio.create_memory_object_stream[list[Seen]](16)
    # a thread waits for changes; it looks at this, and at no cancellation
    stop = anyio.Event()

    async def watch(paths: set[Path], recursive: bool) -> None:
        async for changes in watchfiles.awatch(
            *paths, watch_filter=None, step=STEP_MS, debounce=LONGEST_MS, recursive=recursive, stop_event=stop
        ):
            await send.send([(kind, Path(path)) for kind, path in changes])

    async with send, receive, anyio.create_task_group() as tasks:
        for paths, recursive in ((folders, True), (parents, False)):
            if paths:
                tasks.start_soon(watch, paths, recursive)
        try:
            yield receive
        finally:
            stop.set()
            tasks.cancel_scope.cancel()


def tar_of(files: Mapping[str, Path]) -> bytes:
    """The files at their places in the container, root's own; what vanishes meanwhile comes as a change of its own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for target, path in sorted(files.items()):
            with suppress(FileNotFoundError):
                info = tar.gettarinfo(str(path), target.lstrip("/"))
                info.uid = info.gid = 0
                info.uname = info.gname = ""
                if info.isreg():
                    tar.addfile(info, io.BytesIO(path.read_bytes()[: info.size].ljust(info.size, b"\0")))
                else:
                    tar.addfile(info)
    return buffer.getvalue()
