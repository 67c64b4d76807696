"""Images made on a real engine: packages, Dockerfiles and archives come out as containers that run."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from engine.builders.build import build_image
from engine.builders.content import CONTENT, content_key
from engine.builders.debian import cache
from engine.builders.progress import BuildLine
from engine.builders.sources import ArchiveImage, DebianImage, DockerfileBuild, ImageFile, ImageSource
from engine.client.errors import InvalidArgument, SystemFailure
from engine.client.session import Engine, open_client
from tests.busybox import busybox_archive
from tests.engines import RunningEngine

pytestmark = [pytest.mark.root, pytest.mark.anyio]
BUSYBOX = DebianImage("bookworm", ("busybox", "ca-certificates"))


@pytest.fixture
async def engine(docker_engine: RunningEngine) -> AsyncIterator[Engine]:
    async with open_client(docker_engine.target) as client:
        yield client


async def output_of(engine: Engine, image: str, *command: str) -> str:
    """What a container of `image` prints; the test fails when it fails."""
    made = await engine.containers.create({"Image": image, **({"Cmd": list(command)} if command else {})})
    try:
        await engine.containers.start(made["Id"])
        code = await engine.containers.wait(made["Id"])
        async with engine.containers.logs(made["Id"]) as frames:
            text = b"".join([frame.data async for frame in frames]).decode()
        assert code == 0, text
        return text
    finally:
        await engine.containers.remove(made["Id"], force=True)


async def label_of(engine: Engine, image: str) -> str | None:
    found = await engine.images.inspect(image)
    return ((found.get("Config") or {}).get("Labels") or {}).get(CONTENT)


async def test_packages_become_an_image_that_runs(engine: Engine) -> None:
    built = await build_image(engine, BUSYBOX, ["rq-builders/debian:1", "rq-builders/debian:also"])
    assert (await engine.images.inspect("rq-builders/debian:also"))["Id"] == built.image_id
    assert await label_of(engine, "rq-builders/debian:1") == content_key(BUSYBOX)
    said = await output_of(
        engine,
        "rq-builders/debian:1",
        "sh",
        "-c",
        "id -un; ls /etc/ssl/certs; cat /etc/hostname | wc -l; stat -c %a /tmp",
    )
    assert said.split() == ["root", "ca-certificates.crt", "1", "1777"]


async def test_files_users_and_the_command_are_the_images_own(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("#!/bin/sh\necho $WHO from $(pwd) as $(id -un)\n")
    image = DebianImage(
        "bookworm",
        BUSYBOX.packages,
        files=(ImageFile(tmp_path / "hello", "/usr/local/bin/hello", 0o755),),
        env={"WHO": "whales"},
        user="www-data",
        workdir="/srv/deep",
        cmd=("hello",),
    )
    await build_image(engine, image, ["rq-builders/files:1"])
    assert await output_of(engine, "rq-builders/files:1") == "whales from /srv/deep as www-data\n"


async def test_the_same_packages_give_the_same_image_with_and_without_the_cache(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await build_image(engine, BUSYBOX, ["rq-builders/same:1"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lines: list[BuildLine] = []
    again = await build_image(engine, BUSYBOX, ["rq-builders/same:2"], on_line=lines.append)
    assert again.image_id == first.image_id
    assert "downloading packages with apt..." in [line.text for line in lines]
    assert [path.name for path in cache.root().glob("debian/*/*/*.tar")] == ["layer.tar"]


async def test_a_package_that_does_not_exist_is_named_and_nothing_stays_behind(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InvalidArgument, match='Debian bookworm has no package "no-such-package"'):
        await build_image(engine, DebianImage("bookworm", ("no-such-package",)), ["rq-builders/none:1"])
    assert [path.name for path in cache.root().glob("debian/*/*")] == ["lock"]


async def test_a_cancelled_build_leaves_no_process_and_no_folder(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with anyio.move_on_after(1) as scope:
        await build_image(engine, DebianImage("bookworm", ("postgresql-15",)), ["rq-builders/none:1"])
    assert scope.cancelled_caught
    assert [path.name for path in cache.root().glob("debian/*/*")] == ["lock"]


async def test_a_dockerfile_is_built_by_the_engine(engine: Engine, busybox_image: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {busybox_image}\nARG WHO\nCOPY . /app\nRUN echo $WHO > /who\n")
    (tmp_path / ".dockerignore").write_text("secret*\n")
    (tmp_path / "secret.txt").write_text("no")
    (tmp_path / "page").write_text("yes")
    build = DockerfileBuild(str(tmp_path), args={"WHO": "me"}, labels={"mine": "1"})
    lines: list[BuildLine] = []
    built = await build_image(engine, build, ["rq-builders/dockerfile:1"], on_line=lines.append)
    assert built.warnings == ()
    assert await label_of(engine, "rq-builders/dockerfile:1") == content_key(build)
    assert await output_of(engine, built.image_id, "sh", "-c", "cat /who; ls /app") == "me\nDockerfile\npage\n"
    assert any("COPY . /app" in line.text for line in lines)


async def test_an_inline_dockerfile_does_not_show_in_the_image(
    engine: Engine, busybox_image: str, tmp_path: Path
) -> None:
    (tmp_path / "page").write_text("yes")
    build = DockerfileBuild(str(tmp_path), dockerfile_inline=f"FROM {busybox_image}\nCOPY . /app\n")
    built = await build_image(engine, build, ["rq-builders/inline:1"])
    assert await output_of(engine, built.image_id, "ls", "-A", "/app") == "page\n"


async def test_a_step_that_fails_is_told_with_its_last_words(
    engine: Engine, busybox_image: str, tmp_path: Path
) -> None:
    text = f"FROM {busybox_image}\nRUN echo the reef is near >&2; exit 3\n"
    with pytest.raises(SystemFailure, match="returned a non-zero code: 3") as failed:
        await build_image(engine, DockerfileBuild(str(tmp_path), dockerfile_inline=text), ["rq-builders/fails:1"])
    assert "the reef is near" in failed.value.message


async def test_an_archive_of_docker_save_comes_back_under_the_new_name(
    engine: Engine, busybox_image: str, tmp_path: Path
) -> None:
    path = tmp_path / "saved.tar"
    async with engine.images.save(busybox_image) as pieces:
        path.write_bytes(b"".join([piece async for piece in pieces]))
    built = await build_image(engine, ArchiveImage(path), ["rq-builders/saved:1"])
    assert built.image_id == (await engine.images.inspect(busybox_image))["Id"]


async def test_a_root_file_system_of_tar_runs(engine: Engine, tmp_path: Path) -> None:
    layer = cache.newest(cache.folder_of(BUSYBOX))
    if layer is None:
        await build_image(engine, BUSYBOX, ["rq-builders/debian:1"])
        layer = cache.newest(cache.folder_of(BUSYBOX))
    assert layer is not None
    (tmp_path / "r.tgz").write_bytes(gzip.compress(layer.path.read_bytes(), 1))
    source: ImageSource = ArchiveImage(tmp_path / "r.tgz")
    await build_image(engine, source, ["rq-builders/root:1"])
    assert await output_of(engine, "rq-builders/root:1", "/bin/sh", "-c", "echo up") == "up\n"


async def test_a_projects_image_is_built_on_by_its_name(engine: Engine, busybox_image: str, tmp_path: Path) -> None:
    """The classic builder knows no named contexts: the Dockerfile that it gets names the image itself."""
    build = DockerfileBuild(
        str(tmp_path),
        dockerfile_inline="ARG ON=base\nFROM $ON AS first\nRUN echo named > /said\n"
        "FROM base\nCOPY --from=first /said /\n",
        additional_contexts={"base": f"docker-image://{busybox_image}"},
    )
    await build_image(engine, build, ["rq-builders/named:1"])
    assert await output_of(engine, "rq-builders/named:1", "cat", "/said") == "named\n"


@pytest.fixture(params=["docker", "podman", "rorqual"])
def running(request: pytest.FixtureRequest) -> RunningEngine:
    found: RunningEngine = request.getfixturevalue(f"{request.param}_engine")
    return found


async def test_an_oci_layout_is_a_context_like_an_image(running: RunningEngine, tmp_path: Path) -> None:
    name = f"rq-builders/layout:{running.kind}"
    copy = ["skopeo", "copy", "-q", f"docker-archive:{busybox_archive()}", f"oci:{tmp_path / 'layout'}:v1"]
    await anyio.run_process(copy)
    (tmp_path / "context").mkdir()
    build = DockerfileBuild(
        str(tmp_path / "context"),
        dockerfile_inline="FROM base AS one\nRUN echo from the layout > /said\nFROM base\nCOPY --from=one /said /\n",
        additional_contexts={"base": f"oci-layout://{tmp_path / 'layout'}:v1"},
    )
    async with open_client(running.target) as engine:
        await build_image(engine, build, [name])
        assert await output_of(engine, name, "cat", "/said") == "from the layout\n"
        tags = [tag for image in await engine.images.list() for tag in image.get("RepoTags") or ()]
        assert not [tag for tag in tags if "rorqual-context" in tag]
        wrong = replace(build, additional_contexts={"base": f"oci-layout://{tmp_path / 'layout'}:v2"})
        with pytest.raises(InvalidArgument, match='holds no image "v2"'):
            await build_image(engine, wrong, ["rq-builders/layout:wrong"])
