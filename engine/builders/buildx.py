"""Dockerfile builds through `docker buildx build`, where that is on this machine: BuildKit with all it can do."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from engine.builders.progress import Listener, OnLine
from engine.builders.sources import BuildSecret, DockerfileBuild
from engine.client.errors import InvalidArgument, SystemFailure
from engine.client.session import Engine

INLINE = "-"


@cache
def docker() -> str | None:
    return shutil.which("docker")


async def has_buildx() -> bool:
    """Whether `docker buildx version` answers."""
    if (program := docker()) is None:
        return False
    try:
        answer = await anyio.run_process([program, "buildx", "version"], check=False)
    except OSError:
        return False
    return answer.returncode == 0


def command(
    build: DockerfileBuild,
    tags: Sequence[str],
    labels: Mapping[str, str],
    *,
    id_file: str,
    fresh: bool,
    no_cache: bool,
    platform: str,
) -> list[str]:
    """The words after `docker`: every key of the build object has its flag. Pure."""
    chosen = [f"--builder={build.builder}"] if build.builder else []
    words = ["buildx", *chosen, "build", "--progress=plain", "--load", f"--iidfile={id_file}"]

    def many(flag: str, values: Sequence[str]) -> None:
        words.extend(f"--{flag}={value}" for value in values)

    def one(flag: str, value: str) -> None:
        many(flag, [value] if value else [])

    many("tag", tags)
    many("build-arg", [name if value is None else f"{name}={value}" for name, value in build.args.items()])
    many("label", [f"{name}={value}" for name, value in {**build.labels, **labels}.items()])
    one("file", INLINE if build.dockerfile_inline is not None else dockerfile_of(build))
    one("target", build.target)
    many("cache-from", build.cache_from)
    many("cache-to", build.cache_to)
    many("add-host", build.extra_hosts)
    one("network", build.network)
    one("shm-size", str(build.shm_size) if build.shm_size else "")
    many("ulimit", [f"{limit.name}={limit.soft}:{limit.hard}" for limit in build.ulimits])
    many("no-cache-filter", build.no_cache_filter)
    one("platform", ",".join(build.platforms) or platform)
    many("secret", [secret_of(secret) for secret in build.secrets])
    many("ssh", build.ssh)
    many("build-context", [f"{name}={value}" for name, value in build.additional_contexts.items()])
    many("allow", [*build.entitlements, *(["security.insecure"] if build.privileged else [])])
    one("sbom", build.sbom)
    one("provenance", build.provenance)
    words += ["--no-cache"] if no_cache or build.no_cache else []
    words += ["--pull"] if fresh or build.pull else []
    return [*words, build.context]


def dockerfile_of(build: DockerfileBuild) -> str:
    """The CLI takes it relative to its own folder, so a local one is given whole."""
    if build.dockerfile is None or not os.path.isabs(build.context):
        return build.dockerfile or ""
    return os.path.normpath(os.path.join(build.context, build.dockerfile))


def secret_of(secret: BuildSecret) -> str:
    if secret.file is not None:
        return f"id={secret.id},src={secret.file}"
    return f"id={secret.id},env={secret.environment or secret.id}"


async def build_with_buildx(
    engine: Engine,
    build: DockerfileBuild,
    tags: Sequence[str],
    labels: Mapping[str, str],
    *,
    fresh: bool,
    no_cache: bool,
    platform: str,
    on_line: OnLine,
) -> str:
    """Build, load into `engine`, return the image's id. Raises EngineError with the last lines of the build."""
    if build.memory:
        raise InvalidArgument("--memory: BuildKit has no limit of memory for a build")
    if build.isolation:
        raise InvalidArgument(f"build.isolation ({build.isolation}) means something on Windows engines only")
    listener = Listener(on_line)
    with tempfile.TemporaryDirectory(prefix="rorqual-buildx-") as work:
        id_file = Path(work, "id")
        words = command(build, tags, labels, id_file=str(id_file), fresh=fresh, no_cache=no_cache, platform=platform)
        process = await anyio.open_process([docker() or "docker", *words], env=environment_for(engine))
        async with process:
            await converse(process, (build.dockerfile_inline or "").encode(), listener)
        if process.returncode != 0:
            raise SystemFailure(listener.told(f"docker buildx build failed with exit code {process.returncode}"))
        return (await anyio.Path(id_file).read_text()).strip()


async def converse(process: Process, dockerfile: bytes, listener: Listener) -> None:
    assert process.stdin is not None and process.stderr is not None and process.stdout is not None
    async with anyio.create_task_group() as group:
        group.start_soon(hear, TextReceiveStream(process.stdout, errors="replace"), Listener(listener.on_line))
        group.start_soon(hear, TextReceiveStream(process.stderr, errors="replace"), listener)
        try:
            await process.stdin.send(dockerfile or b"\n")
            await process.stdin.aclose()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # it has read enough, or failed: its exit code tells
        await process.wait()


async def hear(stream: TextReceiveStream, listener: Listener) -> None:
    async for text in stream:
        listener.text(text)
    listener.end()


def environment_for(engine: Engine) -> dict[str, str]:
    """buildx must talk to the engine that we talk to, whatever the user's context says."""
    environment = {name: value for name, value in os.environ.items() if name != "DOCKER_CONTEXT"}
    environment["DOCKER_HOST"] = engine.target.address
    if tls := engine.target.tls:
        environment["DOCKER_CERT_PATH"] = str(tls.folder)
        environment["DOCKER_TLS_VERIFY"] = "1" if tls.verify else ""
    return environment
