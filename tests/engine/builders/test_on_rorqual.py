"""Dockerfiles on the embedded engine by our client: secrets, keys, named contexts, images by their entries' names."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from engine.builders.build import build_image
from engine.builders.progress import BuildLine
from engine.builders.sources import BuildSecret, DockerfileBuild
from engine.client.errors import EngineError, InvalidArgument, NotImplementedByEngine
from engine.client.session import Engine, open_client
from tests.busybox import REFERENCE
from tests.engines import RunningEngine

pytestmark = [pytest.mark.root, pytest.mark.anyio]


@pytest.fixture
async def engine(rorqual_engine: RunningEngine) -> AsyncIterator[Engine]:
    async with open_client(rorqual_engine.target) as client:
        yield client


async def told_by(engine: Engine, build: DockerfileBuild) -> str:
    lines: list[BuildLine] = []
    await build_image(engine, build, ["rq-on-rorqual:1"], on_line=lines.append)
    return "\n".join(line.text for line in lines)


async def test_the_engine_says_that_it_takes_more_than_dockers_request(engine: Engine) -> None:
    assert (await engine.capabilities()).build_extension


async def test_secrets_contexts_and_images_come_with_the_request(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RQ_SECRET", "by environment")
    (tmp_path / "key").write_text("by file")
    context, more = tmp_path / "context", tmp_path / "more"
    for folder in (context, more, more / "out"):
        folder.mkdir()
    (more / "in").write_text("named context")
    (more / ".dockerignore").write_text("out\n")
    text = (
        "FROM base\nCOPY --from=more . /more\nRUN cat /more/in; ls /more\n"
        "RUN --mount=type=secret,id=f --mount=type=secret,id=e,env=E md5sum /run/secrets/f; echo $E | wc -c\n"
    )
    build = DockerfileBuild(
        str(context),
        dockerfile_inline=text,
        secrets=(BuildSecret("f", file=tmp_path / "key"), BuildSecret("e", environment="RQ_SECRET")),
        additional_contexts={"more": str(more), "base": f"docker-image://{REFERENCE}"},
        no_cache=True,
        pull=True,
    )
    told = await told_by(engine, build)
    assert "named context" in told and "\nout\n" not in told
    assert "/run/secrets/f" in told and "\n15\n" in told


async def test_caches_at_registries_are_asked_for_by_the_builds_own_keys(engine: Engine, tmp_path: Path) -> None:
    build = DockerfileBuild(
        str(tmp_path),
        dockerfile_inline=f"FROM {REFERENCE}\nENV A=1\n",
        cache_from=("type=registry,ref=localhost:1/from",),
        cache_to=("type=registry,ref=localhost:1/to,mode=max",),
    )
    with pytest.raises(EngineError) as failed:
        await told_by(engine, build)
    assert "# no cache is taken from localhost:1/from: " in failed.value.message
    assert "the cache can't be put to localhost:1/to: " in failed.value.message


async def test_a_key_is_held_by_an_agent_for_the_build_alone(engine: Engine, tmp_path: Path) -> None:
    if shutil.which("ssh-agent") is None:
        pytest.skip("needs ssh-agent")
    key = tmp_path / "id"
    await anyio.run_process(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    build = DockerfileBuild(
        str(tmp_path),
        dockerfile_inline=f"FROM {REFERENCE}\nRUN --mount=type=ssh,id=mine,required ls -l $SSH_AUTH_SOCK\n",
        ssh=(f"mine={key}",),
        no_cache=True,
    )
    assert "/run/buildkit/ssh_agent.0" in await told_by(engine, build)


async def test_what_cant_be_read_is_told_by_its_key(engine: Engine, tmp_path: Path) -> None:
    def build(**more: object) -> DockerfileBuild:
        return DockerfileBuild(str(tmp_path), dockerfile_inline=f"FROM {REFERENCE}\n", **more)  # type: ignore[arg-type]

    for wrong, told in (
        (build(secrets=(BuildSecret("s", file=tmp_path / "no"),)), 'build secret "s": '),
        (build(secrets=(BuildSecret("s", environment="RQ_UNSET"),)), "the variable RQ_UNSET is not set"),
        (build(additional_contexts={"m": str(tmp_path / "no")}), "no such file or folder"),
        (build(ssh=(f"k={tmp_path / 'no'}",)), "build.ssh (k): "),
    ):
        with pytest.raises(InvalidArgument, match=told.replace("(", r"\(").replace(")", r"\)")):
            await told_by(engine, wrong)
    with pytest.raises(NotImplementedByEngine, match="only images, folders and URLs can be taken"):
        await told_by(engine, build(additional_contexts={"m": "ftp://example.invalid/x"}))
    with pytest.raises(EngineError, match="this engine builds for"):
        await told_by(engine, build(platforms=("linux/s390x",)))
