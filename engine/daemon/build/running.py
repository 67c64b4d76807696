"""RUN: one command in a real container over the stage's layers; what it changed is the step's layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from anyio import to_thread

from engine.api.container_config import ContainerConfig
from engine.daemon.build.configuring import Words, command_of
from engine.daemon.build.faults import StepFault
from engine.daemon.build.mounting import Mounted, Mounting, missing_below, mounts_of, remove_stubs
from engine.daemon.build.options import BuildOptions
from engine.daemon.build.picking import NotThere, Picking
from engine.daemon.build.rooms import BuildRooms
from engine.daemon.build.sources import Sources
from engine.daemon.build.state import Scope, State
from engine.daemon.build.transcript import Voice
from engine.dockerfile.instructions import Command, Run
from engine.dockerfile.mounts import Mount
from engine.dockerfile.stages import PREDEFINED

# Where a here-document with a shebang lies while it runs.
PIPES = "/dev/pipes"


@dataclass(frozen=True, slots=True)
class Made:
    """A step's layer, and the container's part of the history."""

    diff_id: str
    size: int
    created_by: str


class Running:
    """The RUNs of one stage."""

    def __init__(
        self, rooms: BuildRooms, options: BuildOptions, sources: Sources, scope: Scope, scratch: Path, run: Path
    ) -> None:
        self._rooms = rooms
        self._options = options
        self._sources = sources
        self._scope = scope
        self._scratch = scratch
        self._run = run

    # --- what it is
    def words(self, instruction: Run, config: Mapping[str, Any]) -> list[str]:
        """The command's words, here-documents in."""
        command, script = instruction.command, self.script(instruction)
        if script is not None:
            return [f"{PIPES}/{instruction.heredocs[0].name}"]
        if instruction.heredocs:
            first = instruction.heredocs[0]
            if len(instruction.heredocs) == 1 and self.is_bare(instruction):
                command = Command((first.text,), shell=True)
            else:
                bodies = "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in instruction.heredocs)
                command = Command((command.words[0] + bodies,), shell=True)
        return command_of(command, config)

    def is_bare(self, instruction: Run) -> bool:
        """`RUN <<EOF` and nothing else: the document is the script."""
        return instruction.command.words[0].strip().startswith("<<") and len(instruction.command.words[0].split()) == 1

    def script(self, instruction: Run) -> bytes | None:
        """A here-document that names its own interpreter."""
        if len(instruction.heredocs) == 1 and self.is_bare(instruction):
            text = instruction.heredocs[0].text
            return text.encode("utf-8", "surrogateescape") if text.startswith("#!") else None
        return None

    def arguments(self, config: Mapping[str, Any]) -> dict[str, str]:
        """The build arguments in its environment: those declared, where no ENV has the name."""
        names = {entry.partition("=")[0] for entry in config.get("Env") or ()}
        return {name: value for name, value in self._scope.values.items() if name not in names}

    def created_by(self, words: Sequence[str], arguments: Mapping[str, str]) -> str:
        """As the classic builder writes it: `|1 A=b /bin/sh -c make`."""
        said = [f"{name}={value}" for name, value in sorted(arguments.items()) if name not in PREDEFINED]
        return " ".join([f"|{len(said)}", *said, *words] if said else words)

    async def inputs(self, instruction: Run, config: Mapping[str, Any], words: Words) -> list[Any]:
        """All that its outcome depends on; secrets, caches' contents and proxies are no part of it."""
        arguments = {name: value for name, value in self.arguments(config).items() if name not in PREDEFINED}
        mounts = mounts_of(instruction, words)
        seen = [[mount.type, mount.target, await self._content(mount)] for mount in mounts]
        script = self.script(instruction)
        return [
            "RUN",
            self.words(instruction, config),
            sorted(arguments.items()),
            seen,
            instruction.network,
            script.decode("utf-8", "surrogateescape") if script is not None else "",
        ]

    async def _content(self, mount: Mount) -> str:
        if mount.type != "bind":
            return mount.id
        origin = await self._sources.origin(mount.origin)
        if origin.folder is None:
            return f"{origin.top} {mount.source}"
        folder = origin.folder

        def digest() -> str:
            with Picking(folder) as picking:
                picking.pick(mount.source or "/")
                return picking.digest(owners=True)

        try:
            return await to_thread.run_sync(digest)
        except NotThere as error:
            raise StepFault(f"bind mount {mount.source}: {error}") from None

    # --- what it does
    async def run(self, instruction: Run, state: State, words: Words, voice: Voice) -> Made:
        """Raises StepFault with the command's exit code, or what a start raises."""
        command = self.words(instruction, state.config)
        mounting = Mounting(self._rooms, self._sources, self._scratch, self._run)
        async with AsyncExitStack() as stack:
            mounts = mounts_of(instruction, words)
            mounted = await stack.enter_async_context(mounting.mounted(mounts, state.config))
            if (script := self.script(instruction)) is not None:
                self._add_script(mounted, instruction.heredocs[0].name, script)
            config = self._config(state, command, mounted)
            host = self._host(instruction, words, mounted)
            step = await stack.enter_async_context(self._rooms.steps.step(state.record(), config, host))
            stubs: list[str] = []
            if mounted.mounts:
                async with self._rooms.snapshots.mounted(step.id) as root:
                    stubs = await to_thread.run_sync(missing_below, root, mounted.targets)
            await voice.say(f" ---> Running in {step.id[:12]}\n")
            code = await step.run(voice.hear)
            if code != 0:
                if not self._options.force_remove:
                    await self._leave(state)
                    step.keep()
                raise StepFault(f"The command '{' '.join(command)}' returned a non-zero code: {code}", code)
            if stubs:
                await to_thread.run_sync(remove_stubs, self._rooms.snapshots.upper(step.id), stubs)
            diff_id, size = await self._rooms.layer(step.id, state, self._options.epoch)
            if not self._options.remove:
                await self._leave(state)
                step.keep()
        if self._options.remove:
            await voice.say(f"Removing intermediate container {step.id[:12]}\n")
        return Made(diff_id, size, self.created_by(command, self.arguments(state.config)))

    async def _leave(self, state: State) -> None:
        """A container that stays needs the image that it was made on."""
        if state.diff_ids:
            await self._rooms.images.add_built(state.document, (), parent=state.parent)

    def _add_script(self, mounted: Mounted, name: str, script: bytes) -> None:
        path = self._scratch / f"script-{len(list(self._scratch.iterdir()))}"
        path.write_bytes(script)
        path.chmod(0o755)
        mounted.mounts.append({"Type": "bind", "Source": str(path), "Target": f"{PIPES}/{name}", "ReadOnly": True})

    def _config(self, state: State, command: Sequence[str], mounted: Mounted) -> ContainerConfig:
        config = state.config
        given = {name: value for name, value in self._options.args.items() if name in PREDEFINED}
        env = [
            *(config.get("Env") or ()),
            *(f"{name}={value}" for name, value in {**given, **self.arguments(config)}.items()),
            *(f"{name}={value}" for name, value in mounted.env.items()),
        ]
        made = {
            "Env": env,
            "Cmd": list(command),
            "Entrypoint": [],
            "User": config.get("User") or "",
            "WorkingDir": config.get("WorkingDir") or "",
            "Healthcheck": {"Test": ["NONE"]},
        }
        return cast(ContainerConfig, made)

    def _host(self, instruction: Run, words: Words, mounted: Mounted) -> dict[str, Any]:
        security = words.one(instruction.security) if instruction.security else ""
        if security == "insecure":
            raise StepFault("RUN --security=insecure needs an entitlement that this engine does not give")
        network = words.one(instruction.network) if instruction.network else ""
        chosen = self._options.network if network in ("", "default") else network
        return {
            "NetworkMode": chosen or "default",
            "ExtraHosts": list(self._options.extra_hosts),
            "SecurityOpt": list(self._options.security),
            "Mounts": mounted.mounts,
            **self._options.limits,
        }
