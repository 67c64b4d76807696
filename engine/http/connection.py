"""One HTTP/1.1 connection of a client: requests one after another, or one upgrade and then raw bytes.

h11 writes requests and reads heads; bodies are read by `body`. Invariant: it may carry another request only while
`reusable`; whatever breaks off leaves it not so. Called by the pool.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable
from select import POLLIN, poll

import anyio
import h11
from anyio.abc import ByteStream, SocketAttribute

from engine.http.body import Body, Sized, body_of
from engine.http.errors import ConnectionLost, NotHttp
from engine.http.message import Request, Response

PIECE = 65536
LARGEST_HEAD = 65536
LOST = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


class Connection:
    def __init__(self, transport: ByteStream, host: str) -> None:
        self._transport = transport
        self._host = host
        self.next_cycle()

    def next_cycle(self) -> None:
        """Be as new, for the next request."""
        self._wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
        self._method = ""
        self._answered = False
        self._body: Body = Sized(0)
        # Payload that came with the head.
        self._ready = b""
        self._stays = False

    @property
    def reusable(self) -> bool:
        """Both sides are through with the last exchange and mean to stay."""
        through = self._wire.our_state is h11.DONE and self._body.done and not self._body.surplus and not self._ready
        return through and self._stays

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
        self._method = request.method
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
        event = await self._head_event()
        while isinstance(event, h11.InformationalResponse) and event.status_code != 101:
            event = await self._head_event()
        if not isinstance(event, h11.Response | h11.InformationalResponse):
            raise NotHttp("the answer has no head")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        if event.status_code != 101:
            self._body = body_of(self._method, event.status_code, headers)
            self._ready = self._body.feed(self._wire.trailing_data[0])
            self._stays = event.http_version == b"1.1" and headers.get("connection", "").lower() != "close"
        return Response(event.status_code, headers, self)

    async def _head_event(self) -> h11.Event | type[h11.PAUSED]:
        try:
            while (event := self._wire.next_event()) is h11.NEED_DATA:
                piece = await self._receive()
                if not piece and not self._answered:
                    raise ConnectionLost("the connection was closed without an answer", answered=False)
                self._answered = True
                self._wire.receive_data(piece)
        except h11.RemoteProtocolError as error:
            left, closed = self._wire.trailing_data
            if closed and left.startswith(b"HTTP/"):
                raise ConnectionLost("the connection was closed within the answer", answered=True) from error
            raise NotHttp(f"the answer is not HTTP ({error})") from error
        return event  # type: ignore[return-value]  # h11 types next_event's NEED_DATA and events as one union

    async def receive_body(self) -> bytes:
        """The next payload; empty at the end. Raises ConnectionLost when it breaks off before."""
        payload, self._ready = self._ready, b""
        while not payload and not self._body.done:
            piece = await self._receive()
            if piece:
                payload = self._body.feed(piece)
            elif self._body.may_end_by_closing():
                self._stays = False
                break
            else:
                raise ConnectionLost("the connection was closed within the answer", answered=True)
        return payload

    async def _receive(self) -> bytes:
        try:
            return await self._transport.receive(PIECE)
        except anyio.EndOfStream:
            return b""
        except LOST as error:
            raise ConnectionLost(f"the connection broke ({reason(error)})", answered=self._answered) from error

    def take_over(self) -> tuple[ByteStream, bytes]:
        """The stream below, and what came of it already: for after an upgrade (a 200 without framing is one too)."""
        return self._transport, self._wire.trailing_data[0]

    async def aclose(self) -> None:
        """Hang up at once, cancelled or not; never raises for a stream that is gone already."""
        with anyio.CancelScope(shield=True), contextlib.suppress(*LOST):
            await anyio.aclose_forcefully(self._transport)


def reason(error: BaseException) -> str:
    """The system's words for a lost connection, as far as it has any."""
    cause = error.__cause__ if isinstance(error, anyio.BrokenResourceError) and error.__cause__ else error
    return getattr(cause, "strerror", None) or str(cause) or "reset"
