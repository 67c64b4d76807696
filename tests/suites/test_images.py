"""What every engine answers about images, builds and their progress."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator

import pytest

from engine.api.errors import EngineError, NotFound, NotImplementedByEngine, Unavailable
from engine.api.images import Progress
from engine.client.session import Engine
from engine.client.streams import JsonLines
from tests.busybox import busybox_archive
from tests.engines import RunningEngine

pytestmark = [pytest.mark.root, pytest.mark.anyio]


async def drained(lines: JsonLines[Progress]) -> list[Progress]:
    return [line async for line in lines]


def words(lines: list[Progress]) -> str:
    return "".join(line.get("stream") or line.get("status") or "" for line in lines)


@pytest.fixture
async def copy(engine: Engine, running: RunningEngine, prefix: str) -> AsyncIterator[str]:
    """A tag of the test image that is the test's own."""
    await engine.images.tag(running.image, f"localhost/{prefix}", "one")
    yield f"localhost/{prefix}:one"
    for image in await engine.images.list(filters={"reference": f"localhost/{prefix}*"}):
        await engine.images.remove(image["Id"], force=True) if len(image["RepoTags"] or []) == 1 else None


async def test_inspect_tells_the_images_configuration(engine: Engine, running: RunningEngine) -> None:
    found = await engine.images.inspect(running.image)
    config = found["Config"]
    assert config is not None and config["Cmd"] == ["sh"]
    assert found["Os"] == "linux"


async def test_a_missing_image_is_not_found(engine: Engine, prefix: str) -> None:
    with pytest.raises(NotFound, match=prefix):
        await engine.images.inspect(f"localhost/{prefix}:none")


async def test_a_tag_is_listed_and_removed_alone(engine: Engine, running: RunningEngine, copy: str) -> None:
    listed = await engine.images.list(filters={"reference": copy})
    assert any(copy in (image["RepoTags"] or []) for image in listed)
    removed = await engine.images.remove(copy)
    assert any(line.get("Untagged", "").endswith(copy) for line in removed)
    assert await engine.images.inspect(running.image)


async def test_history_lists_layers(engine: Engine, running: RunningEngine) -> None:
    assert [layer["CreatedBy"] for layer in await engine.images.history(running.image)] == ["mmdebstrap"]


async def test_what_is_saved_can_be_loaded(engine: Engine, copy: str) -> None:
    async with engine.images.save(copy) as pieces:
        archive = b"".join([piece async for piece in pieces])
    await engine.images.remove(copy)
    async with engine.images.load(archive) as lines:
        assert copy in words(await drained(lines))
    await engine.images.inspect(copy)
    await engine.images.remove(copy)


async def test_a_load_is_streamed_from_its_source(engine: Engine) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        with busybox_archive().open("rb") as file:
            while piece := file.read(1 << 16):
                yield piece

    async with engine.images.load(pieces()) as lines:
        assert "Loaded image" in words(await drained(lines))


async def test_a_load_of_garbage_is_an_error(engine: Engine) -> None:
    with pytest.raises(EngineError):
        async with engine.images.load(b"this is no tar" * 100) as lines:
            await drained(lines)


async def test_a_root_file_system_is_imported(engine: Engine, running: RunningEngine, prefix: str) -> None:
    name = f"localhost/{prefix}"
    async with engine.images.import_(tar_of({"hello": b"x"}), repository=name, tag="two", changes=["ENV A=1"]) as lines:
        image = (await drained(lines))[-1]["status"]
    if running.kind == "podman":
        await engine.images.tag(image, name, "two")
    found = await engine.images.inspect(f"{name}:two")
    assert found["Id"] == image
    assert found["Config"] is not None and "A=1" in (found["Config"]["Env"] or [])
    await engine.images.remove(image, force=True)


async def test_a_build_gives_a_tagged_image(engine: Engine, running: RunningEngine, prefix: str) -> None:
    name = f"localhost/{prefix}:built"
    dockerfile = f"FROM {running.image}\nARG WHAT\nCOPY note /note\nRUN echo built $WHAT\nLABEL from=build\n"
    context = tar_of({"Dockerfile": dockerfile.encode(), "note": b"hello"})
    options = {"t": [name], "buildargs": {"WHAT": "well"}, "labels": {"who": "suite"}, "rm": True}
    async with engine.images.build(context, options, auths={}) as lines:  # type: ignore[arg-type]
        said = words(await drained(lines))
    assert "built well" in said
    config = (await engine.images.inspect(name))["Config"]
    assert config is not None and (config["Labels"] or {}).items() >= {"from": "build", "who": "suite"}.items()
    await engine.images.remove(name)


async def test_a_failed_build_raises_in_the_builders_words(engine: Engine, running: RunningEngine) -> None:
    context = tar_of({"Dockerfile": f"FROM {running.image}\nRUN exit 7\n".encode()})
    with pytest.raises(EngineError, match="7"):
        async with engine.images.build(context, {"rm": True, "forcerm": True}, auths={}) as lines:
            await drained(lines)


async def test_a_pull_from_a_registry_that_is_not_there_is_unavailable(engine: Engine) -> None:
    with pytest.raises(Unavailable, match="localhost:1"):
        async with engine.images.pull("localhost:1/nobody/nothing:1") as lines:
            await drained(lines)


async def test_a_push_to_a_registry_that_is_not_there_is_unavailable(
    engine: Engine, running: RunningEngine, prefix: str
) -> None:
    name = f"localhost:1/{prefix}"
    await engine.images.tag(running.image, name, "1")
    with pytest.raises(Unavailable):
        async with engine.images.push(f"{name}:1") as lines:
            await drained(lines)
    await engine.images.remove(f"{name}:1")


async def test_distribution_asks_the_registry_where_the_engine_can(engine: Engine) -> None:
    served = (await engine.capabilities()).distribution
    with pytest.raises(EngineError) as caught:
        await engine.images.distribution("localhost:1/nobody/nothing:1")
    assert isinstance(caught.value, NotFound | NotImplementedByEngine) is not served


async def test_a_search_without_a_registry_is_an_error(engine: Engine, running: RunningEngine) -> None:
    if running.kind == "podman":
        pytest.skip("Podman without configured registries finds nothing, in silence")
    with pytest.raises(EngineError):
        await engine.images.search("busybox", limit=1)


async def test_prunes_take_only_what_their_filters_name(engine: Engine, running: RunningEngine, prefix: str) -> None:
    await engine.images.prune(filters={"label": f"suite={prefix}"})
    assert await engine.images.inspect(running.image)


async def test_the_build_cache_is_pruned_where_there_is_one(engine: Engine, running: RunningEngine) -> None:
    if running.kind == "podman":
        pytest.skip("Podman 4.3 has no build cache of its own")
    assert "SpaceReclaimed" in await engine.images.prune_build_cache(filters={"until": "24h"})


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
