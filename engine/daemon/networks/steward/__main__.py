"""The steward's process: `python -m engine.daemon.networks.steward FOLDER`. Ends when nobody needs it any more.

One for each FOLDER, held by a lock; the socket in it is `steward.sock`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import socket
import sys
from pathlib import Path

from engine.daemon.networks.steward.channel import Steward, converse
from engine.daemon.networks.steward.names import Upstreams

IDLE_SECONDS = 60.0


def main() -> int:
    folder = Path(sys.argv[1])
    os.chdir("/")
    lock = os.open(folder / "steward.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    path = folder / "steward.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC) as listener:
        os.umask(0o177)
        listener.bind(str(path))
        listener.listen(16)
        listener.setblocking(False)
        asyncio.run(serve(listener))
    return 0


async def serve(listener: socket.socket) -> None:
    steward = Steward(Upstreams())
    talks: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, steward.over.set)

    async def accept() -> None:
        while True:
            peer, _ = await loop.sock_accept(listener)
            peer.setblocking(False)
            talk = asyncio.create_task(converse(steward, peer))
            talks.add(talk)
            talk.add_done_callback(talks.discard)

    accepting = asyncio.create_task(accept())
    watching = asyncio.create_task(end_when_idle(steward))
    await steward.over.wait()
    # The answer to `end` still goes out.
    await asyncio.sleep(0)
    for task in (accepting, watching, *talks):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(accepting, watching, *talks, return_exceptions=True)


async def end_when_idle(steward: Steward) -> None:
    idle = 0.0
    while idle < IDLE_SECONDS:
        await asyncio.sleep(5)
        idle = idle + 5 if steward.idle else 0.0
    steward.over.set()


if __name__ == "__main__":
    sys.exit(main())
