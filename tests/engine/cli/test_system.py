"""`rorqual system dial-stdio` is the engine's socket on two pipes."""

from __future__ import annotations

import subprocess
import sys

import anyio
import pytest

from engine.client.session import open_client
from engine.client.target import Target
from engine.http.ssh import dial_ssh
from tests.engines import RunningEngine

DIAL = [sys.executable, "-m", "engine.cli.main", "system", "dial-stdio"]
PING = b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.root
@pytest.mark.parametrize("before", [True, False])
def test_a_request_in_is_an_answer_out(docker_engine: RunningEngine, before: bool) -> None:
    """`-H` is taken before the command and after it."""
    flags = ["--host", docker_engine.host]
    command = [*DIAL[:3], *flags, *DIAL[3:]] if before else [*DIAL, *flags]
    done = subprocess.run(command, input=PING, capture_output=True, timeout=30, check=True)
    assert done.stdout.startswith(b"HTTP/1.1 200 OK\r\n")
    assert done.stdout.endswith(b"\r\n\r\nOK")


@pytest.mark.root
def test_a_request_may_come_from_a_file(docker_engine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("dial") / "request"
    path.write_bytes(PING)
    with path.open("rb") as file:
        done = subprocess.run(
            [*DIAL, "-H", docker_engine.host], stdin=file, capture_output=True, timeout=30, check=True
        )
    assert done.stdout.endswith(b"OK")


@pytest.mark.root
@pytest.mark.anyio
async def test_a_client_works_through_it_with_large_bodies_both_ways(
    docker_engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ssh:// does, without the ssh: the far command's pipes carry the client's bytes."""

    async def dial(*_: object) -> object:
        return await dial_ssh([*DIAL, "-H", docker_engine.host])

    monkeypatch.setattr("engine.client.session.dialer", lambda *_: dial)
    with anyio.fail_after(60):
        async with open_client(Target("ssh://test", "the test")) as engine:
            async with engine.images.save(docker_engine.image) as pieces:
                archive = b"".join([piece async for piece in pieces])
            assert len(archive) > 10_000_000
            async with engine.images.load(archive) as lines:
                assert [line async for line in lines]


def test_an_engine_that_is_not_there_is_one_line_and_code_1() -> None:
    done = subprocess.run(
        [*DIAL, "-H", "unix:///no/such.sock"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30
    )
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode() == (
        "rorqual: can't connect to the engine at unix:///no/such.sock: no such file or directory\n"
    )
