"""This terminal joined to a container's main process, for `attach`, `container run` and `container start -a`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from engine.api.containers import WaitCondition
from engine.cli.terminal import Conversation, Ended, raw_mode
from engine.client.session import Engine


async def join(
    engine: Engine,
    id: str,
    detach_keys: str,
    *,
    stdin: bool,
    proxy: bool,
    start: Callable[[], Awaitable[object]] | None = None,
    condition: WaitCondition | None = None,
) -> int:
    """The container's exit code; 0 where it was left running. `start` begins it, once its streams are joined."""
    config = (await engine.containers.inspect(id))["Config"]
    tty, open_stdin = bool(config.get("Tty")), stdin and bool(config.get("OpenStdin"))

    async def resize(height: int, width: int) -> None:
        await engine.containers.resize(id, height=height, width=width)

    async def forward(signal: str) -> None:
        await engine.containers.kill(id, signal)

    resized = resize if sys.stdout.isatty() else None
    talk = Conversation(
        open_stdin, tty, resized, forward if proxy else None, detach_keys, sends_end=bool(config.get("StdinOnce"))
    )
    condition = condition or ("not-running" if start is None else "next-exit")
    async with engine.containers.waiting(id, condition) as waiting:
        with raw_mode(wanted=tty and open_stdin):
            try:
                async with engine.containers.attach(id, stdin=open_stdin, detach_keys=detach_keys, tty=tty) as stream:
                    if start is not None:
                        await start()
                    if not await talk.run(stream):
                        return 0
            except Ended as end:
                return end.code
        return (await waiting.result()).get("StatusCode", 0)
