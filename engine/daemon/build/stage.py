"""One stage from its FROM to its end: each instruction from the cache, or done and kept there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.daemon.build.configuring import Words, configured, directory_of
from engine.daemon.build.copying import Copying, Job
from engine.daemon.build.faults import StepFault
from engine.daemon.build.options import BuildOptions
from engine.daemon.build.rooms import BuildRooms
from engine.daemon.build.running import Running
from engine.daemon.build.sharing import SharedCaches
from engine.daemon.build.sources import Sources
from engine.daemon.build.state import NOP, Scope, State, key_of
from engine.daemon.build.transcript import Voice
from engine.daemon.snapshots.layers import chain_id_of
from engine.dockerfile.expand import CantExpand, expand
from engine.dockerfile.instructions import Arg, Cmd, Copy, Instruction, Maintainer, Run, Workdir
from engine.dockerfile.parse import Stage, parse_triggers
from engine.kit.rooted import RootedFolder

Json = Any


class StageRun:
    """`numbers` counts the build's steps; `allowed` are the cache's keys that may be used, None for all."""

    def __init__(
        self,
        rooms: BuildRooms,
        options: BuildOptions,
        stage: Stage,
        sources: Sources,
        scope: Scope,
        voice: Voice,
        *,
        numbers: Iterator[int],
        total: int,
        escape: str,
        scratch: Path,
        run: Path,
        allowed: set[str] | None,
        shared: SharedCaches,
    ) -> None:
        self._rooms = rooms
        self._options = options
        self._stage = stage
        self._scope = scope
        self._voice = voice
        self._numbers = numbers
        self._total = total
        self._escape = escape
        self._running = Running(rooms, options, sources, scope, scratch, run)
        self._copying = Copying(rooms, options, sources, scope, scratch)
        self._allowed = allowed
        self._shared = shared
        self._cmd_was_set = False
        # Once a step was made anew, nothing after it can be in the cache: its own key says so, too.
        self._state: State | None = None

    async def run(self, state: State) -> State:
        """From the base's state to the stage's own. Raises StepFault, DockerfileError, EngineError."""
        self._rooms.hold(state)
        await self._announce(self._stage.head.said.source)
        await self._voice.say(f" ---> {state.short if state.history or state.diff_ids else ''}\n")
        self._state = state
        triggers = list(state.config.get("OnBuild") or ())
        if triggers:
            many = "s" if len(triggers) > 1 else ""
            await self._voice.say(f"# Executing {len(triggers)} build trigger{many}\n")
            self._state = replace(state, config={**state.config, "OnBuild": None}, key=key_of(state.key, "ONBUILD"))
            for instruction in parse_triggers(triggers, self._escape):
                await self._step(instruction)
        for instruction in self._stage.instructions:
            await self._announce(instruction.said.source)
            await self._step(instruction)
        return self._state

    async def _announce(self, source: str) -> None:
        await self._voice.say(f"Step {next(self._numbers)}/{self._total} : {source}\n")

    async def _step(self, instruction: Instruction) -> None:
        assert self._state is not None
        state = self._state
        words = Words(instruction.said, self._scope.environment(state.config), self._escape)
        match instruction:
            case Arg():
                self._state = await self._argument(instruction, state, words)
            case Run():
                self._state = await self._run(instruction, state, words)
            case Copy():
                self._state = await self._copy(instruction, state, words)
            case Workdir():
                self._state = await self._workdir(instruction, state, words)
            case _:
                self._state = await self._configure(instruction, state, words)
        await self._voice.say(f" ---> {self._state.short}\n")

    # --- the cache
    def _key(self, state: State, inputs: Sequence[Json]) -> str:
        return key_of(state.key, inputs, self._options.epoch)

    async def _cached(self, key: str) -> State | None:
        if self._options.no_cache:
            return None
        may_be_ours = self._allowed is None or key in self._allowed
        found = (self._rooms.cache.find(key) if may_be_ours else None) or await self._shared.bring(key)
        if found is not None:
            self._rooms.hold(found)
            await self._voice.say(" ---> Using cache\n")
        return found

    def _done(
        self,
        state: State,
        key: str,
        created_by: str,
        *,
        diff_id: str = "",
        size: int = 0,
        config: Mapping[str, Json] | None = None,
        author: str | None = None,
    ) -> State:
        before = state if author is None else replace(state, author=author)
        after = before.stepped(key, self._rooms.moment(self._options.epoch), created_by, diff_id=diff_id, config=config)
        if diff_id:
            assert after.top == chain_id_of(state.top, diff_id)
        self._rooms.cache.keep(state.key, after, created_by, size)
        return after

    # --- the instructions
    async def _argument(self, instruction: Arg, state: State, words: Words) -> State:
        said = []
        # one environment for the whole instruction: `ARG A=1 B=$A` takes the A of before
        env = self._scope.environment(state.config)
        for name, default in instruction.values:
            name = words.one(name)
            try:
                value = None if default is None else expand(default, env, self._escape)
            except CantExpand as error:
                raise words.wrong("expand", f"{default}: {error}") from None
            self._scope.declare(name, value)
            said.append(name if value is None else f"{name}={value}")
        created_by = f"{NOP} ARG {' '.join(said)}"
        # what an argument holds counts where it is used
        key = self._key(state, ["ARG", said])
        return await self._cached(key) or self._done(state, key, created_by)

    async def _configure(self, instruction: Any, state: State, words: Words) -> State:
        config, said = configured(instruction, state.config, words, cmd_was_set=self._cmd_was_set)
        self._cmd_was_set = self._cmd_was_set or isinstance(instruction, Cmd)
        created_by = f"{NOP} {said}"
        key = self._key(state, ["CONFIG", said, config])
        author = words.one(instruction.name) if isinstance(instruction, Maintainer) else None
        return await self._cached(key) or self._done(state, key, created_by, config=config, author=author)

    async def _workdir(self, instruction: Workdir, state: State, words: Words) -> State:
        asked = words.one(instruction.path)
        if not asked:
            hint = "the WORKDIR is empty once its variables are replaced"
            raise words.wrong("workdir", "cannot normalize nothing", hint)
        path = directory_of(state.config, asked)
        config = {**state.config, "WorkingDir": path}
        created_by = f"{NOP}WORKDIR {path}"
        key = self._key(state, ["WORKDIR", path])
        if found := await self._cached(key):
            return found
        async with self._rooms.view(state.top) as root:
            there = has_folder(root, path)
        if there:
            return self._done(state, key, created_by, config=config)
        diff_id, size = await self._rooms.changed(state, self._options.epoch, lambda root: make_folder(root, path))
        return self._done(state, key, created_by, diff_id=diff_id, size=size, config=config)

    async def _copy(self, instruction: Copy, state: State, words: Words) -> State:
        job = await self._copying.prepare(instruction, state.config, words)
        manner = job.manner
        asked = [manner.destination, manner.chown, manner.chmod, manner.keeps_owner, manner.parents, job.unpack_local]
        key = self._key(state, [job.word, asked, job.digest])
        if found := await self._cached(key):
            return found
        diff_id, size = await self._copying.run(job, state)
        return self._done(state, key, copied_by(job), diff_id=diff_id, size=size)

    async def _run(self, instruction: Run, state: State, words: Words) -> State:
        key = self._key(state, await self._running.inputs(instruction, state.config, words))
        if found := await self._cached(key):
            return found
        made = await self._running.run(instruction, state, words, self._voice)
        return self._done(state, key, made.created_by, diff_id=made.diff_id, size=made.size)


def copied_by(job: Job) -> str:
    """As the classic builder writes it: by content, not by name."""
    kind = "file" if len(job.local) + len(job.downloads) + len(job.inline) == 1 else "multi"
    return f"{NOP}{job.word} {kind}:{job.digest} in {job.manner.destination} "


def has_folder(root: Path, path: str) -> bool:
    with RootedFolder(root) as rooted, suppress(OSError):
        rooted.folder(path.strip("/").encode())
        return True
    return False


def make_folder(root: Path, path: str) -> None:
    with RootedFolder(root) as rooted:
        try:
            rooted.folder(path.strip("/").encode(), make=True)
        except NotADirectoryError:
            raise StepFault(f"Cannot mkdir: {path} is not a directory") from None
