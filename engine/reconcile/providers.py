"""Runs the program of a service's provider, and listens to what it says: Compose's protocol for providers.

`docker-TYPE` (a plugin of the Docker CLI) or `TYPE` on PATH is called as `compose --project-name=P up --OPT=VALUE…
SERVICE`; each line of its output is `{"type": "info|error|setenv|debug", "message"}`. Asked for `compose metadata`
first: who answers takes only the options that it names. Source: docker/compose, docs/extension.md.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, Process

from engine.api.errors import NotFound
from engine.kit.process import ProcessTimeout, end_process, run_process
from engine.plan.steps import RunProvider
from engine.reconcile.apply import StepFailed

PLUGIN_FOLDERS = (
    *("/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins"),
    *("/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins"),
)
METADATA_SECONDS = 10.0
TAIL_BYTES = 65536


async def run_provider(
    action: RunProvider, project: str, environment: Mapping[str, str], *, say: Callable[[str], None]
) -> dict[str, str]:
    """Run it to its end; return the variables that it sets. `say` hears its information.

    Raises NotFound where there is no such program, StepFailed with its own words for what it couldn't do.
    """
    program = find_program(action.type, environment)
    command = [program, "compose", f"--project-name={project}", action.verb]
    command += await options_of(program, action, environment)
    with anyio.CancelScope(shield=True):
        # a cancel that lands while it starts would leave its pipes open
        process = await anyio.open_process([*command, action.service], env=dict(environment), stdin=None)
    try:
        return await Listening(action, say).until_end(process)
    finally:
        await end_process(process)


def find_program(type: str, environment: Mapping[str, str]) -> str:
    if type == "compose":
        raise NotFound('"compose" is no type of provider')
    own = Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME") or "/") / ".docker")
    for folder in (own / "cli-plugins", *map(Path, PLUGIN_FOLDERS)):
        path = folder / f"docker-{type}"
        if os.access(path, os.X_OK) and path.is_file():
            return str(path)
    path_text = environment.get("PATH")
    found = shutil.which(f"docker-{type}", path=path_text) or shutil.which(type, path=path_text)
    if found is None or "/" in type:
        raise NotFound(f'there is no program for the provider "{type}": install docker-{type} or {type} on PATH')
    return found


async def options_of(program: str, action: RunProvider, environment: Mapping[str, str]) -> list[str]:
    """As words of the command line; those that its metadata doesn't name are left out, as in Compose."""
    known = await metadata(program, environment)
    parameters = [p for p in (known.get(action.verb) or {}).get("parameters") or () if isinstance(p, dict)]
    given = {name for name, _ in action.options}
    missing = [str(p.get("name")) for p in parameters if p.get("required") and p.get("name") not in given]
    if missing:
        raise StepFailed(f'provider "{action.type}" needs the option {", ".join(missing)}: name it under options:')
    names = {p.get("name") for p in parameters}
    return [f"--{name}={value}" for name, value in action.options if not known or name in names]


async def metadata(program: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """What the program says of itself; empty for one that says nothing."""
    try:
        done = await run_process(
            [program, "compose", "metadata"], environment=environment, timeout_seconds=METADATA_SECONDS
        )
        found = json.loads(done.stdout) if done.code == 0 else {}
    except (OSError, ProcessTimeout, ValueError):
        return {}
    return found if isinstance(found, dict) and found.keys() & {"description", "up", "down"} else {}


class Listening:
    """To one run of a provider."""

    def __init__(self, action: RunProvider, say: Callable[[str], None]) -> None:
        self.action = action
        self.say = say
        self.variables: dict[str, str] = {}
        self.fault = ""
        self.errors = b""

    async def until_end(self, process: Process) -> dict[str, str]:
        assert process.stdout is not None and process.stderr is not None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.collect, process.stderr)
            async for line in lines_of(process.stdout):
                self.hear(line)
            code = await process.wait()
        tail = tuple(self.errors.decode(errors="replace").splitlines()[-10:])
        if self.fault:
            raise StepFailed(self.fault, tail)
        if code:
            verb = "bring up" if self.action.verb == "up" else "take down"
            raise StepFailed(f'provider "{self.action.type}" could not {verb} the service (exit code {code})', tail)
        return self.variables

    def hear(self, line: bytes) -> None:
        if not line.strip() or self.fault:
            return
        try:
            message = json.loads(line)
            kind, text = str(message["type"]), str(message.get("message") or "")
        except (ValueError, KeyError, TypeError):
            self.fault = f'provider "{self.action.type}" said what is no message: {line[:200].decode(errors="replace")}'
            return
        name, equals, value = text.partition("=")
        match kind:
            case "info":
                self.say(text)
            case "error":
                self.fault = text or f'provider "{self.action.type}" failed'
            case "setenv" if equals and name:
                self.variables[name] = value
            case "debug":
                pass
            case _:
                self.fault = (
                    f'provider "{self.action.type}" said what is no message: {line[:200].decode(errors="replace")}'
                )

    async def collect(self, stream: ByteReceiveStream) -> None:
        async for piece in stream:
            self.errors = (self.errors + piece)[-TAIL_BYTES:]


async def lines_of(stream: ByteReceiveStream) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in stream:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
    yield rest
