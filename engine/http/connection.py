"""One HTTP/1.1 connection of a client: requests one after another, or one upgrade and then raw bytes.

Invariant: it may carry another request only while `reusable`; whatever breaks off leaves it not so. Called by the pool.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable
from select import POLLIN, poll

import anyio
import h11
from anyio.abc import ByteStream, SocketAttribute

from engine.http.errors import ConnectionLost, NotHttp
from engine.http.message import Request, Response

PIECE = 65536
LARGEST_HEAD = 65536
LOST = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


class Connection:
    def __init__(self, transport: ByteStream, host: str) -> None:
        self._transport = transport
        self._host = host
        self._wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
        self._answered = False

    @property
    def reusable(self) -> bool:
        """Both sides are through with the last exchange and mean to stay."""
        return self._wire.our_state is h11.DONE and self._wire.their_state is h11.DONE

    def next_cycle(self) -> None:
        self._wire.start_next_cycle()
        self._answered = False

    def fresh(self) -> bool:
        """False if the other side has hung up, or said something unasked, while the connection lay idle."""
        raw = self._transport.extra(SocketAttribute.raw_socket, None)
        if raw is None:
            return True
        poller = poll()
        poller.register(raw.fileno(), POLLIN)
        return not poller.poll(0)

    async def send_head(self, request: Request) -> None:
        """Send the head and, when the body is bytes, the body. Raises ConnectionLost."""
        headers = {"host": self._host, **request.headers}
        if not isinstance(request.body, bytes):
            headers["transfer-encoding"] = "chunked"
        elif request.body or request.method in {"POST", "PUT"}:
            headers["content-length"] = str(len(request.body))
        head = h11.Request(method=request.method, target=request.target, headers=list(headers.items()))
        wire = self._wire.send(head) or b""
        if isinstance(request.body, bytes):
            if request.body:
                wire += self._wire.send(h11.Data(data=request.body)) or b""
            wire += self._wire.send(h11.EndOfMessage()) or b""
        await self._send(wire)

    async def send_pieces(self, pieces: AsyncIterable[bytes]) -> None:
        """Send the body in chunks. What the source raises goes through; a lost connection raises ConnectionLost."""
        async for piece in pieces:
            if piece:
                await self._send(self._wire.send(h11.Data(data=piece)) or b"")
        await self._send(self._wire.send(h11.EndOfMessage()) or b"")

    async def _send(self, wire: bytes) -> None:
        try:
            await self._transport.send(wire)
        except LOST as error:
            raise ConnectionLost(f"the connection broke ({reason(error)})", answered=self._answered) from error

    async def receive_head(self) -> Response:
        """The head of the answer; 1xx answers other than 101 are passed over."""
        event = await self._event()
        while isinstance(event, h11.InformationalResponse) and event.status_code != 101:
            event = await self._event()
        if not isinstance(event, h11.Response | h11.InformationalResponse):
            raise NotHttp("the answer has no head")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        return Response(event.status_code, headers, self)

    async def receive_body(self) -> bytes:
        if self._wire.their_state is not h11.SEND_BODY:
            return b""
        event = await self._event()
        while isinstance(event, h11.Data) and not event.data:
            event = await self._event()
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        in_body = self._wire.their_state is h11.SEND_BODY
        try:
            while (event := self._wire.next_event()) is h11.NEED_DATA:
                piece = await self._receive()
                if not piece and not self._answered:
                    raise ConnectionLost("the connection was closed without an answer", answered=False)
                self._answered = True
                self._wire.receive_data(piece)
        except h11.RemoteProtocolError as error:
            left, closed = self._wire.trailing_data
            if closed and (in_body or left.startswith(b"HTTP/")):
                raise ConnectionLost("the connection was closed within the answer", answered=True) from error
            raise NotHttp(f"the answer is not HTTP ({error})") from error
        return event  # type: ignore[return-value]  # h11 types next_event's NEED_DATA and events as one union

    async def _receive(self) -> bytes:
        try:
            return await self._transport.receive(PIECE)
        except anyio.EndOfStream:
            return b""
        except LOST as error:
            raise ConnectionLost(f"the connection broke ({reason(error)})", answered=self._answered) from error

    def take_over(self) -> tuple[ByteStream, bytes]:
        """The stream below, and what came of it already: for after an upgrade (ENGINE-FACTS 14: a 200 leaves h11)."""
        return self._transport, self._wire.trailing_data[0]

    async def aclose(self) -> None:
        """Hang up at once, cancelled or not; never raises for a stream that is gone already."""
        with anyio.CancelScope(shield=True):
            with contextlib.suppress(*LOST):
                await anyio.aclose_forcefully(self._transport)


def reason(error: BaseException) -> str:
    """The system's words for a lost connection, as far as it has any."""
    cause = error.__cause__ if isinstance(error, anyio.BrokenResourceError) and error.__cause__ else error
    return getattr(cause, "strerror", None) or str(cause) or "reset"
