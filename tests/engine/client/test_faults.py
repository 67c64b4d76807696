"""Whatever goes wrong below an answer is one clear error that names the engine."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio
import pytest

from engine.api.errors import Conflict, NotFound, SystemFailure, Timeout, Unavailable
from engine.client import system
from engine.client.faults import refusal_of
from engine.client.session import negotiate, open_client
from engine.client.streams import progress_error
from engine.client.target import Target
from tests.engine.http.server import Peer, serving
from tests.engines import running_docker, short_folder

pytestmark = pytest.mark.anyio
PONG = "HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\nContent-Length: 2\r\n\r\nOK"


def target(path: Path) -> Target:
    return Target(f"unix://{path}", "the test")


async def test_a_missing_socket_asks_whether_the_engine_runs(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=rf"unix://{tmp_path}/none: no such file.*is it running\?"):
        async with open_client(target(tmp_path / "none")):
            pass


@pytest.mark.parametrize("said", ["garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"])
async def test_what_is_no_engine_is_called_so(tmp_path: Path, said: str) -> None:
    async def speak(peer: Peer) -> None:
        await peer.head()
        await peer.say(said)

    async with serving(tmp_path, speak) as (_, server):
        with pytest.raises(Unavailable, match=rf"listens at unix://{server.path} is no container engine"):
            async with open_client(target(server.path)):
                pass


async def test_an_engine_that_is_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(peer: Peer) -> None:
        await peer.rest()

    monkeypatch.setattr(system, "PING_SECONDS", 0.1)
    async with serving(tmp_path, silent) as (_, server):
        with pytest.raises(Timeout, match=rf"unix://{server.path} gave no answer"):
            async with open_client(target(server.path)):
                pass


async def test_an_answer_that_is_not_json_names_the_engine(tmp_path: Path) -> None:
    async def speak(peer: Peer) -> None:
        await peer.head()
        await peer.say(PONG)
        await peer.head()
        await peer.answer("<html>")

    async with serving(tmp_path, speak) as (_, server), open_client(target(server.path)) as engine:
        assert engine.api_version == (1, 43)
        with pytest.raises(Unavailable, match=rf"unix://{server.path}.*not JSON"):
            await engine.containers.list()


@pytest.mark.parametrize(
    ("offered", "version"), [("1.41", (1, 41)), ("1.47", (1, 47)), ("1.50", (1, 50)), ("1.99", (1, 50))]
)
def test_the_newest_version_that_both_know_is_spoken(offered: str, version: tuple[int, int]) -> None:
    assert negotiate(offered, "x") == version


def test_an_engine_that_is_too_old_is_refused_with_what_is_needed() -> None:
    with pytest.raises(Unavailable, match=r"1\.24.*needs 1\.41"):
        negotiate("1.24", "unix:///x")


def test_a_refusal_without_words_still_has_some() -> None:
    assert "status 500" in refusal_of(500, b"", "unix:///x").message
    assert refusal_of(404, b"page not found\n", "a").message == "page not found"


def test_podmans_500_is_what_its_cause_says() -> None:
    body = (
        b'{"cause":"that name is already in use","message":"container x: that name is already in use","response":500}'
    )
    assert isinstance(refusal_of(500, body, "a"), Conflict)


def test_a_failed_pulls_words_are_its_class() -> None:
    assert isinstance(progress_error("manifest for x:1 not found: manifest unknown", 0), NotFound)
    assert isinstance(progress_error("dial tcp 127.0.0.1:1: connect: connection refused", 0), Unavailable)
    assert isinstance(progress_error("The command returned a non-zero code: 3", 3), SystemFailure)


@pytest.mark.root
async def test_an_engine_that_dies_within_a_stream_is_unavailable_by_name() -> None:
    with short_folder() as folder:
        # On a thread: the fixture's own start-up runs an event loop.
        context = running_docker(folder)
        running = await anyio.to_thread.run_sync(context.__enter__)
        try:
            async with open_client(running.target) as engine:
                made = await engine.containers.create({"Image": running.image, "Cmd": ["sleep", "1000"]})
                await engine.containers.start(made["Id"])
                with anyio.fail_after(20):
                    async with engine.containers.logs(made["Id"], follow=True) as frames:
                        os.kill(running.pid, signal.SIGKILL)
                        with pytest.raises(Unavailable, match=f"{running.host} was lost"):
                            async for _ in frames:
                                pass
                with pytest.raises(Unavailable, match=running.host):
                    await engine.containers.list()
        finally:
            await anyio.to_thread.run_sync(context.__exit__, None, None, None)
