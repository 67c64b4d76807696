"""One build: the stages that its target needs, side by side where they don't wait for each other, then the image."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from engine.api.errors import EngineError, InvalidArgument
from engine.daemon.build.context import Context
from engine.daemon.build.faults import refusal
from engine.daemon.build.options import BuildOptions, platform_arguments
from engine.daemon.build.remotes import Remotes
from engine.daemon.build.rooms import BuildRooms
from engine.daemon.build.sharing import SharedCaches
from engine.daemon.build.sources import Sources
from engine.daemon.build.stage import StageRun
from engine.daemon.build.state import Scope, State
from engine.daemon.build.transcript import Transcript, Voice
from engine.daemon.protocols import ImageRecord
from engine.dockerfile.faults import DockerfileError
from engine.dockerfile.parse import Dockerfile, Stage, parse_strictly
from engine.dockerfile.stages import PREDEFINED, SCRATCH, base_of, global_values, needed_stages, target_of

# Arguments that speak to the builder and not to the Dockerfile.
OURS = ("BUILDKIT_", "SOURCE_DATE_EPOCH")


@dataclass(slots=True)
class Plan:
    """A Dockerfile read for one request. Raises InvalidArgument (every fault of the text) where it can't be built."""

    dockerfile: Dockerfile
    stages: list[Stage]
    values: Mapping[str, str]
    platform: Mapping[str, str]

    @classmethod
    def of(cls, text: str, options: BuildOptions) -> Plan:
        try:
            dockerfile = parse_strictly(text)
            platform = platform_arguments(options.platform, options.target)
            values = global_values(dockerfile, options.args, platform)
            stages = needed_stages(dockerfile, target_of(dockerfile, options.target), values)
        except DockerfileError as error:
            raise refusal(error, options.dockerfile) from None
        return cls(dockerfile, stages, values, platform)

    @property
    def target(self) -> Stage:
        return self.stages[-1]

    @property
    def steps(self) -> int:
        return sum(1 + len(stage.instructions) for stage in self.stages) + len(self.dockerfile.arguments)


@dataclass(slots=True)
class Doing:
    """What runs: each stage's end, and its state then."""

    done: dict[int, anyio.Event] = field(default_factory=dict)
    states: dict[int, State] = field(default_factory=dict)
    failed: int | None = None


class Build:
    """`scratch` is a folder on the disk, `run` one in memory; both are the room's to remove."""

    def __init__(
        self,
        rooms: BuildRooms,
        options: BuildOptions,
        plan: Plan,
        context: Context,
        transcript: Transcript,
        *,
        scratch: Path,
        run: Path,
    ) -> None:
        self._rooms = rooms
        self._options = options
        self._plan = plan
        self._context = context
        self._transcript = transcript
        self._scratch = scratch
        self._run = run
        self._doing = Doing({stage.number: anyio.Event() for stage in plan.stages})
        self._used: set[str] = set()
        self._pulls: dict[str, anyio.Lock] = {}
        self._remotes = Remotes(context.extension.remotes, scratch)
        self._allowed = self._allowed_keys()
        self._shared = SharedCaches(rooms, options.credentials)

    def _allowed_keys(self) -> set[str] | None:
        """With cachefrom, only the steps that led to those images; names that aren't here give none."""
        if self._options.cache_from is None:
            return None
        found: set[str] = set()
        for name in self._options.cache_from:
            image = self._rooms.images.find(name)
            if image is not None:
                found |= self._rooms.cache.lineage(image.id)
        return found

    async def run(self) -> State:
        """→ the target's state. Raises what the first stage that failed raised."""
        steps = itertools.count(1)
        numbers: dict[int, itertools.count[int]] = {}
        at = 1
        first = self._transcript.voice(self._plan.stages[0].number)
        for name in () if self._options.no_cache else self._options.imports:
            await first.say(f"# {await self._shared.open(name)}\n")
        for argument in self._plan.dockerfile.arguments:
            await first.say(f"Step {next(steps)}/{self._plan.steps} : {argument.said.source}\n")
            at += 1
            self._used |= {name for name, _ in argument.values}
        for stage in self._plan.stages:
            numbers[stage.number] = itertools.count(at)
            at += 1 + len(stage.instructions)
        try:
            async with anyio.create_task_group() as tasks:
                for stage in self._plan.stages:
                    tasks.start_soon(self._stage, stage, numbers[stage.number], name=f"stage {stage.number}")
        except BaseExceptionGroup as group:
            await self._transcript.fail(self._doing.failed)
            raise first_fault(group) from None
        return self._doing.states[self._plan.target.number]

    async def export(self) -> None:
        """Put the steps where they were asked for. Raises StepFault."""
        states = self._doing.states
        for target in self._options.exports:
            ends = list(states.values()) if target.whole else [states[self._plan.target.number]]
            said = await self._shared.export(target, ends)
            if not self._options.quiet:
                await self._transcript.tell({"stream": f"{said}\n"})

    async def _stage(self, stage: Stage, numbers: itertools.count[int]) -> None:
        voice = self._transcript.voice(stage.number)
        try:
            state = await self._begin(stage, voice)
            self._doing.states[stage.number] = await self._runner(stage, voice, numbers).run(state)
        except Exception as error:
            if self._doing.failed is None:
                self._doing.failed = stage.number
            if isinstance(error, DockerfileError):
                raise refusal(error, self._options.dockerfile) from None
            raise
        self._doing.done[stage.number].set()
        await voice.end()

    async def _begin(self, stage: Stage, voice: Voice) -> State:
        base = base_of(self._plan.dockerfile, stage, self._plan.values)
        self.check_platform(base.platform)
        if base.stage is not None:
            return await self._stage_done(base.stage.number)
        if base.image in self._context.named or base.image in self._remotes:
            raise InvalidArgument(f"FROM {base.image} names a context that is no image: only an image can be built on")
        if base.image == SCRATCH:
            return self._rooms.begin(None)
        return self._rooms.begin(await self._image(base.image, voice))

    def check_platform(self, text: str) -> None:
        ours = self._options.platform
        if text and text not in (str(ours), f"{ours.os}/{ours.architecture}", ours.os):
            raise InvalidArgument(f"this engine builds for {ours} alone: FROM asks for the platform {text}")

    def _runner(self, stage: Stage, voice: Voice, numbers: itertools.count[int]) -> StageRun:
        async def image(name: str) -> ImageRecord:
            return await self._image(name, voice)

        sources = Sources(
            self._rooms,
            self._plan.dockerfile,
            stage,
            self._context,
            self._remotes,
            done=self._stage_done,
            image=image,
        )
        return StageRun(
            self._rooms,
            self._options,
            stage,
            sources,
            Scope(self._options.args, self._plan.values, self._plan.platform, self._used),
            voice,
            numbers=numbers,
            total=self._plan.steps,
            escape=self._plan.dockerfile.escape,
            scratch=self._scratch,
            run=self._run,
            allowed=self._allowed,
            shared=self._shared,
        )

    async def _stage_done(self, number: int) -> State:
        await self._doing.done[number].wait()
        return self._doing.states[number]

    async def _image(self, name: str, voice: Voice) -> ImageRecord:
        async def show(document: Mapping[str, Any]) -> None:
            await voice.show(document)

        ours = self._context.extension.images.get(name)
        name = ours or name
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._pulls.setdefault(name, anyio.Lock()))
            return await self._rooms.image(
                name,
                fresh=self._options.pull and ours is None,
                credentials=self._options.credentials,
                show=show,
                platform=self._options.platform,
            )

    @property
    def unused_arguments(self) -> list[str]:
        known = self._used | PREDEFINED | set(self._plan.platform)
        return sorted(name for name in self._options.args if name not in known and not name.startswith(OURS))


def first_fault(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The fault that a user must read: ours before any other."""
    leaves: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        error = waiting.pop()
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(error.exceptions)
        else:
            leaves.append(error)
    return next((leaf for leaf in leaves if isinstance(leaf, EngineError)), leaves[0])
