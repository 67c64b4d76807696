"""A build's request with what Docker's has no place for: secrets, ssh agents, named contexts (docs/build.md).

For engines that announce it. Secrets go from the file or variable to the engine, and nowhere else.
"""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio

from engine.builders.context import BuildContext, is_remote, members, read_ignore, written
from engine.builders.sources import BuildSecret, DockerfileBuild
from engine.builders.tar_stream import END_OF_ARCHIVE, header
from engine.client.errors import InvalidArgument, NotImplementedByEngine
from engine.client.session import Engine

EXTENDED = "application/vnd.rorqual.build.v1+tar"
LARGEST_SECRET = 1 << 20
IMAGE = "docker-image://"


def folders_of(build: DockerfileBuild) -> dict[str, Path]:
    """The named contexts that are folders of this machine."""
    return {
        name: Path(value)
        for name, value in build.additional_contexts.items()
        if not value.startswith(IMAGE) and "://" not in value and not is_remote(value)
    }


def remotes_of(build: DockerfileBuild) -> dict[str, str]:
    """The named contexts that the engine fetches: git repositories and files by http(s)."""
    return {name: value for name, value in build.additional_contexts.items() if is_remote(value)}


@asynccontextmanager
async def extended_body(
    engine: Engine, build: DockerfileBuild, context: BuildContext
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The body. Agents that had to be started live as long as the block. Raises InvalidArgument, naming the key."""
    async with AsyncExitStack() as stack:
        agents = {}
        for entry in build.ssh:
            id, _, path = entry.partition("=")
            agents[id or "default"] = await stack.enter_async_context(agent(engine, id or "default", path))
        yield pieces(build, context, await anyio.to_thread.run_sync(secrets_of, build), agents)


async def pieces(
    build: DockerfileBuild, context: BuildContext, secrets: Mapping[str, bytes], agents: Mapping[str, str]
) -> AsyncIterator[bytes]:
    folders = folders_of(build)
    images = {
        name: value.removeprefix(IMAGE) for name, value in build.additional_contexts.items() if value.startswith(IMAGE)
    }
    said: dict[str, Mapping[str, str]] = {
        "contexts": {name: str(number) for number, name in enumerate(folders)},
        "secrets": {id: str(number) for number, id in enumerate(secrets)},
        "images": images,
        "remotes": remotes_of(build),
        "ssh": dict(agents),
    }
    yield written("build.json", json.dumps(said).encode())
    for number, content in enumerate(secrets.values()):
        yield written(f"secrets/{number}", content)
    async for piece in members(context, "context/"):
        yield piece
    for number, folder in enumerate(folders.values()):
        named = await anyio.to_thread.run_sync(named_context, folder)
        # an empty folder is a context, too
        yield folder_member(f"contexts/{number}/")
        async for piece in members(named, f"contexts/{number}/"):
            yield piece
    yield END_OF_ARCHIVE


def folder_member(name: str) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    return header(member)


def named_context(folder: Path) -> BuildContext:
    if not folder.is_dir():
        raise InvalidArgument(f"{folder}: no such folder (a build's additional context)")
    return BuildContext(folder, "", read_ignore(folder, None))


def secrets_of(build: DockerfileBuild) -> dict[str, bytes]:
    """Blocking. Raises InvalidArgument for one that can't be read."""
    return {secret.id: content_of(secret) for secret in build.secrets}


def content_of(secret: BuildSecret) -> bytes:
    if secret.file is None:
        name = secret.environment or secret.id
        if name not in os.environ:
            raise InvalidArgument(f'build secret "{secret.id}": the variable {name} is not set')
        content = os.environb[name.encode()]
    else:
        try:
            content = secret.file.read_bytes()
        except OSError as error:
            raise InvalidArgument(f'build secret "{secret.id}": {secret.file}: {error.strerror}') from None
    if len(content) > LARGEST_SECRET:
        raise InvalidArgument(f'build secret "{secret.id}" is larger than 1 MB')
    return content


@asynccontextmanager
async def agent(engine: Engine, id: str, path: str) -> AsyncIterator[str]:
    """The socket of an ssh agent: the one named, the session's own, or one that holds the key for the block.

    Raises InvalidArgument, NotImplementedByEngine (an engine on another machine can't reach it).
    """
    if engine.target.scheme != "unix":
        raise NotImplementedByEngine(f"build.ssh ({id}): agents are forwarded to an engine on this machine only")
    place = path or os.environ.get("SSH_AUTH_SOCK", "")
    if not place:
        raise InvalidArgument(f"build.ssh ({id}): no agent runs (SSH_AUTH_SOCK is not set): name a socket or a key")
    try:
        mode = (await anyio.Path(place).stat()).st_mode
    except OSError as error:
        raise InvalidArgument(f"build.ssh ({id}): {place}: {error.strerror}") from None
    if stat.S_ISSOCK(mode):
        yield str(await anyio.Path(place).absolute())
        return
    async with agent_with(id, place) as socket:
        yield socket


@asynccontextmanager
async def agent_with(id: str, key: str) -> AsyncIterator[str]:
    """An agent of our own that holds one key."""
    with tempfile.TemporaryDirectory(prefix="rorqual-agent-") as folder:
        socket = f"{folder}/agent"
        try:
            # it answers when it returns, and stays behind
            started = await anyio.run_process(["ssh-agent", "-s", "-a", socket], stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            raise InvalidArgument(f"build.ssh ({id}): ssh-agent is not installed: name an agent's socket") from None
        pid = re.search(rb"SSH_AGENT_PID=(\d+)", started.stdout)
        try:
            environment = {**os.environ, "SSH_AUTH_SOCK": socket, "SSH_ASKPASS_REQUIRE": "never"}
            command = ["ssh-add", "-q", key]
            added = await anyio.run_process(command, check=False, env=environment, stdin=subprocess.DEVNULL)
            if added.returncode != 0:
                said = added.stderr.decode(errors="replace").strip()
                raise InvalidArgument(f"build.ssh ({id}): {key} can't be used: {said}")
            yield socket
        finally:
            if pid is not None:
                os.kill(int(pid[1]), signal.SIGTERM)
