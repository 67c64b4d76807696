"""Builds through `docker buildx` on a real engine: what only BuildKit can do, and its faults."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from engine.builders.build import build_image
from engine.builders.content import CONTENT, content_key
from engine.builders.sources import BuildSecret, DockerfileBuild
from engine.client.errors import SystemFailure
from engine.client.session import Engine, open_client
from tests.engines import RunningEngine, needs

pytestmark = [pytest.mark.root, pytest.mark.anyio]
# the first release that packages it; here only the one program of it is used
SUITE, PLUGIN = "trixie", "usr/libexec/docker/cli-plugins/docker-buildx"


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A DOCKER_CONFIG with the buildx plugin in it, out of Debian's package."""
    needs("docker", "mmdebstrap")
    folder = tmp_path_factory.mktemp("buildx")
    packed = folder / "packed.tar"
    made = subprocess.run(
        ["mmdebstrap", "--variant=extract", "--include=docker-buildx", SUITE, str(packed)],
        capture_output=True,
        text=True,
        timeout=180,
    )
    if made.returncode != 0:
        pytest.skip(f"the apt sources have no docker-buildx: {made.stderr.splitlines()[-1]}")
    plugin = folder / "cli-plugins" / "docker-buildx"
    plugin.parent.mkdir()
    with tarfile.open(packed) as archive:
        source = archive.extractfile(f"./{PLUGIN}")
        assert source is not None
        with plugin.open("wb") as target:
            shutil.copyfileobj(source, target)
    plugin.chmod(0o755)
    packed.unlink()
    yield folder


@pytest.fixture
async def engine(docker_engine: RunningEngine, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    monkeypatch.setenv("DOCKER_CONFIG", str(plugins))
    async with open_client(docker_engine.target) as client:
        yield client


async def test_a_secret_reaches_its_step_and_not_the_image(
    engine: Engine, busybox_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_SECRET", "krill")
    (tmp_path / "page").write_text("yes")
    build = DockerfileBuild(
        str(tmp_path),
        dockerfile_inline=(
            f"FROM {busybox_image}\nCOPY page /page\n"
            "RUN --mount=type=secret,id=key wc -c < /run/secrets/key > /size; test -s /page\n"
        ),
        secrets=(BuildSecret("key", environment="THE_SECRET"),),
    )
    built = await build_image(engine, build, ["rq-buildx/secret:1"])
    found = await engine.images.inspect("rq-buildx/secret:1")
    assert found["Id"] == built.image_id
    assert ((found.get("Config") or {}).get("Labels") or {})[CONTENT] == content_key(build)
    async with engine.images.save("rq-buildx/secret:1") as pieces:
        whole = b"".join([piece async for piece in pieces])
    assert b"krill" not in whole


async def test_a_step_that_fails_is_told_with_its_last_words(
    engine: Engine, busybox_image: str, tmp_path: Path
) -> None:
    text = f"FROM {busybox_image}\nRUN echo the reef is near; exit 3\n"
    with pytest.raises(SystemFailure, match="buildx build failed with exit code 1") as failed:
        await build_image(engine, DockerfileBuild(str(tmp_path), dockerfile_inline=text), ["rq-buildx/fails:1"])
    assert "the reef is near" in failed.value.message
    assert "exit code: 3" in failed.value.message
