"""aiodocker on the embedded engine, and on dockerd: WebSockets, hijacked streams and everything else that it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiodocker
import pytest
from aiodocker.exceptions import DockerError

from tests.engines import RunningEngine

pytestmark = pytest.mark.root
Talk = Callable[[aiodocker.Docker], Awaitable[None]]


@pytest.fixture(params=["docker", "rorqual"])
def engine(request: pytest.FixtureRequest) -> RunningEngine:
    found: RunningEngine = request.getfixturevalue(f"{request.param}_engine")
    return found


def talk(engine: RunningEngine, conversation: Talk) -> None:
    async def run() -> None:
        async with aiodocker.Docker(url=engine.host) as client:
            try:
                await asyncio.wait_for(conversation(client), 60)
            finally:
                for container in await client.containers.list(all=True):
                    await container.delete(force=True, v=True)

    asyncio.run(run())


def test_a_web_socket_is_a_containers_terminal(engine: RunningEngine) -> None:
    async def conversation(client: aiodocker.Docker) -> None:
        config: dict[str, Any] = {"Cmd": ["cat"], "Image": engine.image, "OpenStdin": True}
        one = await client.containers.create(config)
        await one.start()
        socket = await one.websocket(stdin=True, stdout=True, stderr=True, stream=True)
        await socket.send_str("abc\n")
        answer = (await socket.receive(timeout=10)).data
        assert (answer if isinstance(answer, str) else answer.decode()) == "abc\n"
        await socket.close()

    talk(engine, conversation)


def test_an_exec_is_joined_resized_and_asked_for_its_code(engine: RunningEngine) -> None:
    async def conversation(client: aiodocker.Docker) -> None:
        one = await client.containers.run(config={"Cmd": ["sleep", "60"], "Image": engine.image})
        made = await one.exec(["sh", "-c", "echo a; echo b >&2; exit 3"])
        found = []
        async with made.start(detach=False) as stream:
            while (message := await stream.read_out()) is not None:
                found.append((message.stream, message.data))
        assert sorted(found) == [(1, b"a\n"), (2, b"b\n")]
        assert (await made.inspect())["ExitCode"] == 3
        terminal = await one.exec(["sh"], stdin=True, tty=True)
        async with terminal.start(detach=False) as stream:
            await terminal.resize(h=33, w=77)
            await stream.write_in(b"stty size\n")
            text = b""
            while b"33 77" not in text:
                message = await stream.read_out()
                assert message is not None
                text += message.data

    talk(engine, conversation)


def test_logs_are_followed_to_the_end_and_waits_tell_the_code(engine: RunningEngine) -> None:
    async def conversation(client: aiodocker.Docker) -> None:
        script = "for i in 1 2 3; do echo $i; done; exit 5"
        one = await client.containers.run(config={"Cmd": ["sh", "-c", script], "Image": engine.image})
        assert [line async for line in one.log(stdout=True, follow=True)] == ["1\n", "2\n", "3\n"]
        assert (await one.wait())["StatusCode"] == 5

    talk(engine, conversation)


def test_what_is_missing_is_a_404_with_the_words(engine: RunningEngine) -> None:
    async def conversation(client: aiodocker.Docker) -> None:
        for call, words in (
            (client.images.inspect("nosuch"), "No such image: nosuch:latest"),
            (client.containers.get("nosuch"), "No such container: nosuch"),
            (client.networks.get("nosuch"), "network nosuch not found"),
        ):
            with pytest.raises(DockerError) as caught:
                found: Any = await call
                await found.show()
            assert caught.value.status == 404 and words in caught.value.message

    talk(engine, conversation)
