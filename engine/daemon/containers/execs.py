"""exec: one more process in a running container, joined to a client or on its own.

An exec lives in the daemon's memory: its process ends with the daemon's pipes. It is forgotten some time after its end
and with its container.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup

from engine.api.containers import ExecInspect
from engine.api.errors import Conflict, EngineError, InvalidArgument, NotFound
from engine.api.frames import Frame, Stream, encode
from engine.daemon.containers.attaching import TakeOver
from engine.daemon.containers.body_types import TEXTS, check_types
from engine.daemon.containers.capabilities import capabilities_of
from engine.daemon.containers.limits import rlimits_of
from engine.daemon.containers.phase import Phase, must_run
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry, Signal
from engine.daemon.containers.sources import find_account
from engine.daemon.containers.spec import environment, security_options, set_capabilities, user_of, with_home
from engine.daemon.containers.streams import Emit, Joining, join
from engine.daemon.faults import fault_of
from engine.daemon.runtime.execution import Execution
from engine.daemon.runtime.monitor import NotStartable
from engine.http.upgraded import Upgraded
from engine.oci.runtime_spec import Process

FORGET_SECONDS = 300.0
# After the process' end, how long what it left behind may still hold its pipes open.
DRAIN_SECONDS = 1.0
TYPES: dict[str, Any] = {
    **dict.fromkeys(["AttachStdin", "AttachStdout", "AttachStderr", "Tty", "Privileged"], bool),
    **dict.fromkeys(["DetachKeys", "User", "WorkingDir"], str),
    **dict.fromkeys(["Env", "Cmd"], TEXTS),
}


@dataclass(eq=False, slots=True)
class Exec:
    id: str
    entry: Entry
    body: Mapping[str, Any]
    keys: bytes
    begun: bool = False
    pid: int = 0
    code: int | None = None
    execution: Execution | None = None
    # Its process has begun, or could not.
    started: Signal = field(default_factory=Signal)
    done: Signal = field(default_factory=Signal)

    @property
    def tty(self) -> bool:
        return bool(self.body.get("Tty"))

    @property
    def running(self) -> bool:
        return self.begun and self.code is None

    @property
    def words(self) -> str:
        program, *arguments = self.body.get("Cmd") or [""]
        return f"{program} {' '.join(arguments)}"  # the space is there in dockerd's events, with arguments or without


# How long the end of an exec's output may come before that of its process.
CODE_SECONDS = 1.0


class ExecEnds:
    """An execution's streams as one, to the end of all of them."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        # A frame is whole before the other stream's next begins.
        self._writing = anyio.Lock()

    async def copy_output(self, emit: Emit) -> None:
        async with anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as pumps:
                tasks.start_soon(self._end)
                for handle in self._execution.readers:
                    pumps.start_soon(self._pump, handle, emit)
            tasks.cancel_scope.cancel()

    async def _pump(self, handle: int, emit: Emit) -> None:
        while (frame := await self._execution.read(handle)) is not None:
            async with self._writing:
                await emit(frame)

    async def _end(self) -> None:
        """A child of the process that lives on and holds the pipes keeps nobody waiting for long."""
        await self._execution.wait()
        await anyio.sleep(DRAIN_SECONDS)
        self._execution.close()

    async def send(self, content: bytes) -> bool:
        return await self._execution.send(content)

    def send_eof(self) -> None:
        self._execution.send_eof()


class Execs:
    def __init__(self, rooms: Rooms, tasks: TaskGroup) -> None:
        self._rooms = rooms
        self._tasks = tasks
        self._execs: dict[str, Exec] = {}

    def create(self, entry: Entry, body: Mapping[str, Any], keys: bytes) -> str:
        """Raises InvalidArgument, Conflict when it doesn't run."""
        check_types(body, TYPES)
        if not body.get("Cmd"):
            raise InvalidArgument("No exec command specified")
        must_run(entry.phase, entry.container.name if entry.phase is Phase.PAUSED else entry.id, "exec")
        made = Exec(secrets.token_hex(32), entry, dict(body), keys)
        self._execs[made.id] = made
        entry.execs[made.id] = made
        self._tell(made, f"exec_create: {made.words}")
        return made.id

    def get(self, id: str) -> Exec:
        """Raises NotFound."""
        found = self._execs.get(id)
        if found is None:
            matches = [e for known, e in self._execs.items() if len(id) >= 12 and known.startswith(id)]
            found = matches[0] if len(matches) == 1 else None
        if found is None or found.entry.removed.happened:
            raise NotFound(f"No such exec instance: {id}")
        return found

    def ids_of(self, entry: Entry) -> list[str] | None:
        """Those that run; None for none, as inspect has it."""
        found = [id for id, e in entry.execs.items() if isinstance(e, Exec) and e.running]
        return found or None

    def inspect(self, found: Exec) -> ExecInspect:
        body = found.body
        words = body.get("Cmd") or []
        process = {
            "tty": found.tty,
            "entrypoint": words[0],
            "arguments": list(words[1:]),
            "privileged": bool(body.get("Privileged")),
        }
        if body.get("User"):
            process["user"] = body["User"]
        return {
            "ID": found.id,
            "Running": found.running,
            "ExitCode": found.code,
            "ProcessConfig": process,
            "OpenStdin": bool(body.get("AttachStdin")),
            "OpenStderr": bool(body.get("AttachStderr")),
            "OpenStdout": bool(body.get("AttachStdout")),
            "CanRemove": False,
            "ContainerID": found.entry.id,
            "DetachKeys": b64encode(found.keys).decode() if body.get("DetachKeys") else "",
            "Pid": found.pid,
        }

    def claim(self, found: Exec) -> None:
        """Whoever claims it starts it, once. Raises Conflict."""
        if found.begun:
            raise Conflict(f"Error: Exec command {found.id} has already run")
        must_run(found.entry.phase, found.entry.id, "exec")
        found.begun = True

    async def begin(self, found: Exec, size: tuple[int, int] | None = None) -> Execution:
        """Start the process of one that was claimed. Raises NotStartable."""
        self._tell(found, f"exec_start: {found.words}")
        try:
            process = self._process(found, size)
            stdin = bool(found.body.get("AttachStdin"))
            execution = await self._rooms.runtime.exec(found.entry.id, found.id, process, stdin=stdin)
        except Exception as fault:
            # whatever it is: an exec that could not begin runs no more, and no probe's fault ends the daemon
            error = fault_of(fault)
            found.code = error.code if isinstance(error, NotStartable) else 126
            found.started.set()
            found.done.set(found.code)
            self._forget_later(found)
            if error is fault:
                raise
            raise error from fault
        if size is not None:
            execution.resize(height=size[0], width=size[1])
        found.execution, found.pid = execution, execution.pid
        found.started.set()
        self._tasks.start_soon(self._follow, found, execution)
        return execution

    async def run(self, found: Exec, take_over: TakeOver, size: tuple[int, int] | None, *, raw: bool) -> None:
        """Joined to a client until its end, or until the client leaves: then it runs on by itself.

        `raw`: the stream has no frames, which the start says, whatever the exec has for a terminal.
        """
        self.claim(found)
        async with take_over() as client:
            try:
                execution = await self.begin(found, size)
            except EngineError as error:
                # The stream is the client's already: it reads the words there, and the code in an inspect.
                frame = Frame(Stream.STDOUT, f"{error.message}\r\n".encode())
                await client.send(frame.data if raw else encode(frame))
                return
            await self._join(found, execution, client, raw=raw)

    async def _join(self, found: Exec, execution: Execution, client: Upgraded, *, raw: bool) -> None:
        body = found.body
        how = Joining(
            raw=raw,
            stdin=bool(body.get("AttachStdin")),
            stdout=bool(body.get("AttachStdout")),
            stderr=bool(body.get("AttachStderr")),
            keys=found.keys if found.tty else None,
        )
        try:
            if await join(client, ExecEnds(execution), how):
                self._tell(found, f"exec_detach: {found.words}")
            else:
                # Who reads the end of the stream asks for the exit code next, and the pipes end before the process.
                with anyio.move_on_after(CODE_SECONDS):
                    await found.done.wait()
        finally:
            if not execution.ended:
                self._tasks.start_soon(drain, execution)

    async def run_alone(self, found: Exec) -> None:
        """Detached: its output is read, lest it blocks, and dropped."""
        self.claim(found)
        execution = await self.begin(found)
        self._tasks.start_soon(drain, execution)

    async def _follow(self, found: Exec, execution: Execution) -> None:
        code = await execution.wait()
        found.code = code
        found.done.set(code)
        self._tell(found, "exec_die", {"exitCode": str(code)})
        await anyio.sleep(DRAIN_SECONDS + 0.5)
        execution.close()
        self._forget_later(found)

    def _forget_later(self, found: Exec) -> None:
        if found.id in self._execs:
            self._tasks.start_soon(self._forget, found)

    async def _forget(self, found: Exec) -> None:
        await self._rooms.clock.sleep(FORGET_SECONDS)
        self.forget(found)

    def forget(self, found: Exec) -> None:
        self._execs.pop(found.id, None)
        found.entry.execs.pop(found.id, None)

    async def resize(self, found: Exec, *, height: int, width: int) -> None:
        """A client that has the stream may be faster than the process' start: it is waited for."""
        if found.running:
            await found.started.wait()
        if not found.running or found.execution is None:
            raise Conflict(f"exec {found.id} is not running")
        found.execution.resize(height=height, width=width)

    def _tell(self, found: Exec, action: str, attributes: Mapping[str, str] | None = None) -> None:
        self._rooms.tell(found.entry, action, {"execID": found.id, **(attributes or {})})

    def _process(self, found: Exec, size: tuple[int, int] | None) -> Process:
        """The container's own process but for what the exec says. Blocks for moments."""
        container, body = found.entry.container, found.body
        root = self._rooms.snapshots.root_mount(container.id)
        user = body.get("User") or container.config.get("User") or ""
        account = find_account(root, user, list(container.host.get("GroupAdd") or []))
        env = environment(container, container.config.get("Hostname") or "")
        process: Process = {
            "terminal": found.tty,
            "user": user_of(account),
            "args": list(body["Cmd"]),
            "env": with_home(merged(env, body.get("Env") or [], terminal=found.tty), account),
            "cwd": body.get("WorkingDir") or container.config.get("WorkingDir") or "/",
        }
        if size is not None:
            process["consoleSize"] = {"height": size[0], "width": size[1]}
        privileged = bool(body.get("Privileged")) or bool(container.host.get("Privileged"))
        held, _ = capabilities_of(
            container.host.get("CapAdd") or [],
            container.host.get("CapDrop") or [],
            privileged=privileged,
            available=self._rooms.host.capabilities,
        )
        set_capabilities(process, held)
        if limits := rlimits_of(container.host.get("Ulimits") or [], self._rooms.host)[0]:
            process["rlimits"] = limits
        if security_options(container.host.get("SecurityOpt") or []).get("no-new-privileges") == "true":
            process["noNewPrivileges"] = True
        return process


def merged(base: list[str], more: list[str], *, terminal: bool) -> list[str]:
    made = dict(entry.partition("=")[::2] for entry in base)
    if terminal:
        made.setdefault("TERM", "xterm")
    made.update(entry.partition("=")[::2] for entry in more)
    return [f"{name}={value}" for name, value in made.items()]


async def drain(execution: Execution) -> None:
    """Read what nobody wants until the process ends."""

    async def drop(frame: Frame) -> None:
        return None

    await ExecEnds(execution).copy_output(drop)
