"""A connection to a monitor's attach socket: what the container writes, and its standard input.

conmon's protocol: one packet, one piece; its first byte names the stream (2 output, 3 errors). What we send is input.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import anyio

from engine.api.frames import Frame, Stream

STREAMS = {2: Stream.STDOUT, 3: Stream.STDERR}
LONGEST = 8192
LARGEST_PACKET = 65536


class Attachment:
    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    async def receive(self) -> Frame | None:
        """The next piece; None once the container and its monitor have ended."""
        while True:
            try:
                packet = self._raw.recv(LARGEST_PACKET)
            except BlockingIOError:
                await anyio.wait_readable(self._raw)
                continue
            except OSError:
                return None
            if not packet:
                return None
            if (stream := STREAMS.get(packet[0])) is not None and len(packet) > 1:
                return Frame(stream, packet[1:])

    async def send(self, content: bytes) -> bool:
        """Give input; False when nobody takes it any more."""
        view = memoryview(content)
        while view:
            try:
                view = view[self._raw.send(view[:LONGEST]) :]
            except BlockingIOError:
                await anyio.wait_writable(self._raw)
            except OSError:
                return False
        return True

    def send_eof(self) -> None:
        """The end of input. Output still comes."""
        try:
            self._raw.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self) -> None:
        if self._raw.fileno() >= 0:
            anyio.notify_closing(self._raw)
            self._raw.close()


def connect(folder: Path) -> Attachment:
    """The socket `attach` in a bundle. Raises OSError (FileNotFoundError: the monitor has gone)."""
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        raw.setblocking(False)
        # By the descriptor: a socket's path ends at 108 bytes.
        raw.connect(f"/proc/self/fd/{handle}/attach")
    except BaseException:
        raw.close()
        raise
    finally:
        os.close(handle)
    return Attachment(raw)
