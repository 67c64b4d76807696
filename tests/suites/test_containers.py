"""What every engine answers about containers."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from engine.api.containers import ContainerCreate
from engine.api.errors import Conflict, EngineError, NotFound, NotImplementedByEngine
from engine.api.frames import Frame, Stream
from engine.client.session import Engine
from tests.engines import RunningEngine

pytestmark = [pytest.mark.root, pytest.mark.anyio]
Body = Callable[..., ContainerCreate]


def text(frames: list[Frame], stream: Stream = Stream.STDOUT) -> str:
    return b"".join(frame.data for frame in frames if frame.stream is stream).decode()


async def test_a_created_container_is_seen_as_it_was_asked_for(engine: Engine, body: Body, prefix: str) -> None:
    created = await engine.containers.create(body(Labels={"a": "b"}, Env=["X=1"]), name=prefix)
    found = await engine.containers.inspect(created["Id"])
    assert found["Name"] == f"/{prefix}"
    assert found["Config"]["Labels"] is not None and found["Config"]["Labels"]["a"] == "b"
    assert "X=1" in (found["Config"]["Env"] or [])
    assert found["State"]["Status"] == "created"


async def test_list_finds_by_label_and_shows_stopped_ones_only_when_asked(
    engine: Engine, body: Body, prefix: str
) -> None:
    created = await engine.containers.create(body(Labels={"suite": prefix}), name=prefix)
    assert await engine.containers.list(filters={"label": f"suite={prefix}"}) == []
    found = await engine.containers.list(all=True, filters={"label": [f"suite={prefix}"]}, limit=5)
    assert [c["Id"] for c in found] == [created["Id"]]
    assert found[0]["Names"] == [f"/{prefix}"]


async def test_size_is_told_when_asked(engine: Engine, body: Body, prefix: str) -> None:
    created = await engine.containers.create(body(), name=prefix)
    assert "SizeRootFs" in await engine.containers.inspect(created["Id"], size=True)


async def test_a_missing_container_is_not_found_in_the_engines_words(engine: Engine, prefix: str) -> None:
    with pytest.raises(NotFound, match=prefix):
        await engine.containers.inspect(prefix)


async def test_a_name_in_use_is_a_conflict(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    with pytest.raises(Conflict, match="in use"):
        await engine.containers.create(body(), name=prefix)


async def test_start_and_stop_say_whether_they_changed_something(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    assert await engine.containers.start(prefix) is True
    assert await engine.containers.start(prefix) is False
    assert await engine.containers.stop(prefix, grace_seconds=1) is True
    assert await engine.containers.stop(prefix) is False


async def test_an_old_engine_is_not_sent_a_stop_signal_that_it_would_ignore(
    engine: Engine, body: Body, prefix: str
) -> None:
    if engine.api_version >= (1, 42):
        pytest.skip("this engine takes the signal")
    await engine.containers.create(body(), name=prefix)
    with pytest.raises(NotImplementedByEngine, match=r"1\.42"):
        await engine.containers.stop(prefix, signal="SIGINT")


async def test_kill_restart_pause_unpause_and_rename(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    await engine.containers.start(prefix)
    first = (await engine.containers.inspect(prefix))["State"]["StartedAt"]
    await engine.containers.restart(prefix, grace_seconds=1)
    assert (await engine.containers.inspect(prefix))["State"]["StartedAt"] != first
    await engine.containers.pause(prefix)
    assert (await engine.containers.inspect(prefix))["State"]["Paused"] is True
    await engine.containers.unpause(prefix)
    await engine.containers.rename(prefix, f"{prefix}-new")
    await engine.containers.kill(f"{prefix}-new", "SIGKILL")
    assert await engine.containers.wait(f"{prefix}-new") == 137


async def test_update_changes_a_limit_in_place_where_the_engine_can(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    await engine.containers.start(prefix)
    if (await engine.capabilities()).container_update:
        await engine.containers.update(prefix, {"CpuShares": 512})
        assert (await engine.containers.inspect(prefix))["HostConfig"]["CpuShares"] == 512
    else:
        with pytest.raises(NotFound):
            await engine.containers.update(prefix, {"CpuShares": 512})


async def test_a_wait_begun_before_the_start_gives_the_exit_code(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body("exit 3"), name=prefix)
    with anyio.fail_after(20):
        async with engine.containers.waiting(prefix, "next-exit") as waiting:
            await engine.containers.start(prefix)
            assert (await waiting.result()).get("StatusCode") == 3


async def test_logs_come_in_frames_of_their_streams(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body("echo out; echo err >&2"), name=prefix)
    await engine.containers.start(prefix)
    await engine.containers.wait(prefix)
    async with engine.containers.logs(prefix) as frames:
        seen = [frame async for frame in frames]
    assert text(seen) == "out\n"
    assert text(seen, Stream.STDERR) == "err\n"


async def test_logs_are_cut_by_tail_and_stamped_when_asked(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body("echo one; echo two"), name=prefix)
    await engine.containers.start(prefix)
    await engine.containers.wait(prefix)
    async with engine.containers.logs(prefix, tail=1, timestamps=True) as frames:
        stamp, word = text([frame async for frame in frames]).split()
    assert word == "two"
    assert stamp.startswith("20")


async def test_followed_logs_end_with_the_container(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body("echo one; sleep 0.5; echo two"), name=prefix)
    await engine.containers.start(prefix)
    with anyio.fail_after(20):
        async with engine.containers.logs(prefix, follow=True) as frames:
            assert text([frame async for frame in frames]) == "one\ntwo\n"


async def test_the_logs_of_a_tty_come_raw(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body("echo out; echo err >&2", Tty=True), name=prefix)
    await engine.containers.start(prefix)
    await engine.containers.wait(prefix)
    async with engine.containers.logs(prefix) as frames:
        assert text([frame async for frame in frames]) == "out\r\nerr\r\n"


async def test_attach_joins_both_ways_and_the_end_of_stdin_arrives(engine: Engine, body: Body, prefix: str) -> None:
    asked = body("cat; echo done >&2", OpenStdin=True, StdinOnce=True, AttachStdin=True)
    await engine.containers.create(asked, name=prefix)
    with anyio.fail_after(20):
        async with engine.containers.attach(prefix, stdin=True) as joined:
            await engine.containers.start(prefix)
            await joined.send(b"hello\n")
            await joined.send_eof()
            seen = [frame async for frame in joined]
    assert text(seen) == "hello\n"
    assert text(seen, Stream.STDERR) == "done\n"


async def test_a_tty_can_be_resized(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body("read x; stty size", Tty=True, OpenStdin=True), name=prefix)
    with anyio.fail_after(20):
        async with engine.containers.attach(prefix, stdin=True) as joined:
            await engine.containers.start(prefix)
            await engine.containers.resize(prefix, height=11, width=22)
            await joined.send(b"\n")
            assert "11 22" in text([frame async for frame in joined])


async def test_stats_come_once_or_as_a_stream(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    await engine.containers.start(prefix)
    assert "cpu_stats" in await engine.containers.stats(prefix)
    assert "cpu_stats" in await engine.containers.stats(prefix, one_shot=True)
    async with engine.containers.stats_stream(prefix) as samples:
        async for sample in samples:
            assert "cpu_stats" in sample
            break


async def test_top_lists_the_processes(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    await engine.containers.start(prefix)
    top = await engine.containers.top(prefix)
    assert any("sleep 1000" in " ".join(process) for process in top["Processes"])


async def test_an_archive_put_in_comes_out_again(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    await engine.containers.put_archive(prefix, "/tmp", tar_of("note", b"hello"))
    stat = await engine.containers.path_stat(prefix, "/tmp/note")
    assert (stat["name"], stat["size"]) == ("note", 5)
    async with engine.containers.get_archive(prefix, "/tmp/note") as archive:
        assert archive.stat["size"] == 5
        content = b"".join([piece async for piece in archive])
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        file = tar.extractfile("note")
        assert file is not None and file.read() == b"hello"


async def test_a_streamed_archive_is_unpacked(engine: Engine, body: Body, prefix: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        content = tar_of("big", b"x" * 300_000)
        for start in range(0, len(content), 10_000):
            yield content[start : start + 10_000]

    await engine.containers.create(body(), name=prefix)
    await engine.containers.put_archive(prefix, "/tmp", pieces())
    assert (await engine.containers.path_stat(prefix, "/tmp/big"))["size"] == 300_000


async def test_a_missing_path_is_not_found(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    with pytest.raises(NotFound):
        await engine.containers.path_stat(prefix, "/nowhere")
    with pytest.raises(EngineError):
        async with engine.containers.get_archive(prefix, "/nowhere"):
            pytest.fail("an archive of nothing")


async def test_changes_name_what_was_written(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body("echo x > /tmp/new"), name=prefix)
    await engine.containers.start(prefix)
    await engine.containers.wait(prefix)
    assert {"Path": "/tmp/new", "Kind": 1} in await engine.containers.changes(prefix)


async def test_an_export_is_a_tar_of_the_root(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    async with engine.containers.export(prefix) as pieces:
        content = b"".join([piece async for piece in pieces])
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert "bin/busybox" in tar.getnames()


async def test_a_commit_makes_an_image(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    image = await engine.containers.commit(prefix, repository=f"localhost/{prefix}", tag="one", changes=["ENV A=1"])
    assert (
        (await engine.images.inspect(f"localhost/{prefix}:one"))["Id"]
        .removeprefix("sha256:")
        .startswith(image.removeprefix("sha256:"))
    )
    await engine.images.remove(f"localhost/{prefix}:one")


async def test_remove_of_a_running_one_needs_force(
    engine: Engine, body: Body, prefix: str, running: RunningEngine
) -> None:
    await engine.containers.create(body(), name=prefix)
    await engine.containers.start(prefix)
    with pytest.raises(Conflict if running.kind == "docker" else EngineError):
        await engine.containers.remove(prefix)
    await engine.containers.remove(prefix, force=True, volumes=True)
    with pytest.raises(NotFound):
        await engine.containers.inspect(prefix)


async def test_prune_removes_stopped_ones_by_label(engine: Engine, body: Body, prefix: str) -> None:
    created = await engine.containers.create(body(Labels={"suite": prefix}), name=prefix)
    pruned = await engine.containers.prune(filters={"label": f"suite={prefix}"})
    assert pruned["ContainersDeleted"] == [created["Id"]]


async def test_an_exec_runs_and_tells_its_code(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    await engine.containers.start(prefix)
    exec_id = await engine.exec.create(
        prefix,
        {
            "Cmd": ["sh", "-c", "cat; echo bad >&2; exit 4"],
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
        },
    )
    with anyio.fail_after(20):
        async with engine.exec.start(exec_id) as joined:
            await joined.send(b"hi\n")
            await joined.send_eof()
            seen = [frame async for frame in joined]
    assert (text(seen), text(seen, Stream.STDERR)) == ("hi\n", "bad\n")
    found = await engine.exec.inspect(exec_id)
    assert (found["Running"], found["ExitCode"]) == (False, 4)


async def test_an_exec_with_a_tty_is_raw_and_can_be_resized(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    await engine.containers.start(prefix)
    exec_id = await engine.exec.create(
        prefix,
        {"Cmd": ["sh", "-c", "read x; stty size"], "Tty": True, "AttachStdin": True, "AttachStdout": True},
    )
    with anyio.fail_after(20):
        async with engine.exec.start(exec_id, tty=True) as joined:
            await engine.exec.resize(exec_id, height=33, width=44)
            await joined.send(b"\n")
            assert "33 44" in text([frame async for frame in joined])


async def test_a_detached_exec_runs_on_its_own(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(), name=prefix)
    await engine.containers.start(prefix)
    exec_id = await engine.exec.create(prefix, {"Cmd": ["touch", "/tmp/done"]})
    await engine.exec.start_detached(exec_id)
    await anyio.sleep(1)  # Podman 4.3 calls it running for ever: the exec itself can't be asked
    assert (await engine.containers.path_stat(prefix, "/tmp/done"))["size"] == 0


def tar_of(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
