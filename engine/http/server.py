"""The server's side of one HTTP/1.1 connection: requests one after another, or one that takes the stream over.

h11 judges the heads (strictly: a head that two programs could read in two ways is refused); bodies and answers are
framed here, because a 200 that becomes a raw stream is no HTTP that h11 would write. Called by `listen`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

import anyio
import h11
from anyio import to_thread
from anyio.abc import ByteStream, SocketAttribute

from engine.http.body import Body, Chunked, Sized
from engine.http.connection import LARGEST_HEAD, LOST, PIECE
from engine.http.errors import ConnectionLost, HttpFault, NotHttp
from engine.http.unix import UnixStream
from engine.http.upgraded import Upgraded

# A head must be whole this long after its first byte; between requests a connection may rest for longer.
HEAD_SECONDS, REST_SECONDS = 30.0, 900.0
MOST_HEADERS = 100
# A body that is read as a whole must be there so long after it was asked for.
BODY_SECONDS = 60.0
# One that is streamed may take all its time, and rest, but not for ever: in so many seconds of waiting so much of it
# must come. A program at its other end may have to think first (`tar | docker import -`).
STILL_SECONDS, LEAST_BYTES = 300.0, 1024
# What a client may still send after an answer that didn't want it, so that it can read the answer at all.
DRAIN_BYTES, DRAIN_SECONDS = 8 << 20, 2.0
# How long a client may take to read the head that hands the stream over, and how often it is looked for.
TAKEN_SECONDS, TAKEN_LOOK_SECONDS, TAKEN_LONGEST_LOOK_SECONDS = 5.0, 0.0005, 0.01
# A turn of the event loop costs more than its bytes: an image's body is taken in larger pieces than a head.
BODY_PIECE = 1 << 18
# A piece of a file on its way through TLS.
FILE_PIECE = 1 << 18
REASONS = {status.value: status.phrase for status in HTTPStatus} | {101: "UPGRADED"}

Handler = Callable[["Exchange"], Awaitable[None]]
Headers = Mapping[str, str]


class BadRequest(HttpFault):
    """The request can't be read; `status` is what to answer before hanging up."""

    def __init__(self, message: str, status: int = 400) -> None:
        self.status = status
        super().__init__(message)


class Incoming:
    """The bytes of a connection in order, and what was read of them too early."""

    def __init__(self, transport: ByteStream, rest_seconds: float = REST_SECONDS) -> None:
        self.transport = transport
        self.ready = bytearray()
        self.rest_seconds = rest_seconds

    async def more(self, most: int = PIECE) -> bytes:
        """The next bytes of the wire, past what is ready; empty at the end."""
        try:
            return await self.transport.receive(most)
        except anyio.EndOfStream:
            return b""
        except LOST as error:
            raise ConnectionLost("the client went away", answered=False) from error

    async def head(self) -> bytes:
        """The next request's head; empty when the client has gone in between. Raises BadRequest.

        A scope of a time limit costs a tenth of a small request: none is opened for what is there already.
        """
        with anyio.move_on_after(self.rest_seconds):
            while not self.ready.lstrip(b"\r\n"):
                piece = await self.more()
                if not piece:
                    return b""
                self.ready += piece
        if not self.ready:
            return b""
        if (head := self._whole_head()) is not None:
            return head
        with anyio.move_on_after(HEAD_SECONDS):
            while True:
                piece = await self.more()
                if not piece:
                    return b""
                self.ready += piece
                if (head := self._whole_head()) is not None:
                    return head
        raise BadRequest("the request's head did not come in time", 408)

    def _whole_head(self) -> bytes | None:
        """Taken out of what is ready; None while it isn't whole. Raises BadRequest."""
        end = self.ready.find(b"\r\n\r\n")
        if max(end, 0) > LARGEST_HEAD or (end < 0 and len(self.ready) > LARGEST_HEAD):
            raise BadRequest("the request's head is too large", 431)
        if end < 0:
            if not self.ready.lstrip(b"\r\n")[:1].isalpha():
                # above all TLS: clients that try it first wait for a plain answer
                raise BadRequest("the request is not HTTP")
            return None
        head = bytes(self.ready[: end + 4])
        del self.ready[: end + 4]
        return head


class Exchange:
    """One request, and the one answer that its handler gives. Header names are lower-case."""

    def __init__(self, incoming: Incoming, request: h11.Request) -> None:
        self._incoming = incoming
        self.method = request.method.decode("latin-1")
        self.target = request.target.decode("latin-1")
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        connection = self.headers.get("connection", "").lower()
        newest = request.http_version >= b"1.1"
        self.stays = "close" not in connection if newest else "keep-alive" in connection
        self._chunks = newest
        self._body = framing(self.headers)
        self._expects = self.headers.get("expect", "").lower() == "100-continue"
        # Seconds that the body was waited for, and bytes that came, since it last moved (LEAST_BYTES).
        self._waited, self._moved = 0.0, 0
        self.answered = False

    async def receive(self) -> bytes:
        """The next piece of the request's body; empty at its end.

        Raises ConnectionLost, and BadRequest: 400 for what is not framed as said, 408 for a body that stands still.
        """
        if self._expects and not self.answered:
            self._expects = False
            await self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self._body.done:
            piece = bytes(self._incoming.ready) or await self._moving()
            self._incoming.ready.clear()
            if not piece:
                raise ConnectionLost("the client went away within its request", answered=False)
            try:
                payload = self._body.feed(piece)
            except NotHttp:
                self.stays = False
                raise BadRequest("the request's body is not in chunks as its head says") from None
            self._incoming.ready += self._body.surplus
            if payload:
                return payload
        return b""

    async def _moving(self) -> bytes:
        """The body's next bytes on the wire. Raises BadRequest, 408, when hardly any come."""
        began = anyio.current_time()
        with anyio.move_on_after(STILL_SECONDS - self._waited):
            piece = await self._incoming.more(BODY_PIECE)
            self._waited += anyio.current_time() - began
            self._moved += len(piece)
            if self._moved >= LEAST_BYTES:
                self._waited, self._moved = 0.0, 0
            return piece
        self.stays = False
        raise BadRequest(f"hardly any of the request's body came within {STILL_SECONDS:g} seconds", 408)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.receive():
            yield piece

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises BadRequest: 413 past `limit` bytes, 408 past BODY_SECONDS."""
        if self._body.done:
            return b""
        whole = bytearray()
        await self.read_into(whole.extend, limit)
        return bytes(whole)

    async def read_into(self, take: Callable[[bytes], object], limit: int) -> None:
        """Give the body to `take`, piece by piece. Raises BadRequest as `read` does."""
        count = 0
        with anyio.move_on_after(BODY_SECONDS):
            while piece := await self.receive():
                count += len(piece)
                if count > limit:
                    self.stays = False
                    raise BadRequest(f"the request's body is larger than {limit} bytes", 413)
                take(piece)
            return
        self.stays = False
        raise BadRequest(f"the request's body did not come within {BODY_SECONDS:g} seconds", 408)

    def _begin_answer(self) -> None:
        """A client whose body can't be skipped is told in the head that the connection ends.

        It would send its next request on it otherwise: Go's clients answer a challenge so.
        """
        self.answered = True
        left = self._body.left
        if not self._body.done and (self._expects or left is None or left > DRAIN_BYTES):
            self.stays = False

    async def answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """The whole answer at once."""
        self._begin_answer()
        length = {} if status in (204, 304) else {"Content-Length": str(len(body))}
        wire = self._head(status, {**headers, **length})
        await self._send(wire if self.method == "HEAD" else wire + body)

    async def answer_file(self, status: int, headers: Headers, handle: int, offset: int, length: int) -> None:
        """The whole answer; its body is `length` bytes of an open file. For HEAD the head only."""
        self._begin_answer()
        stays, self.stays = self.stays, False
        head = {**headers, "Content-Length": str(length)}
        await self._send(self._head(status, head, stays=stays))
        if self.method != "HEAD":
            try:
                await send_file(self._incoming.transport, handle, offset, length)
            except LOST as error:
                raise ConnectionLost("the client went away", answered=True) from error
        self.stays = stays

    @asynccontextmanager
    async def stream(self, status: int, headers: Headers) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
        """Send the head, then what the block sends, piece by piece; each piece is on its way when send returns.

        The block is cancelled when the client goes away. One that ends early leaves the client with a torn body.
        """
        self._begin_answer()
        framed = {"Transfer-Encoding": "chunked"} if self._chunks else {}
        self.stays = self.stays and self._chunks
        await self._send(self._head(status, {**headers, **framed}))
        if self.method == "HEAD":
            yield discard
            return
        whole = False
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, tasks.cancel_scope)
                yield self._send_chunk if self._chunks else self._send
                whole = True
                tasks.cancel_scope.cancel()
            if self._chunks and whole:
                await self._send(b"0\r\n\r\n")
        finally:
            self.stays = self.stays and whole

    async def _watch(self, scope: anyio.CancelScope) -> None:
        """Cancel the answer when the client hangs up; what it sends early is kept for the next request."""
        with contextlib.suppress(ConnectionLost):
            if not self._body.done:
                return
            while len(self._incoming.ready) < LARGEST_HEAD:
                piece = await self._incoming.more()
                if not piece:
                    break
                self._incoming.ready += piece
            else:
                return
        scope.cancel()

    async def _send_chunk(self, piece: bytes) -> None:
        if piece:
            await self._send(b"%x\r\n%b\r\n" % (len(piece), piece))

    @asynccontextmanager
    async def take_over(self, headers: Headers, upgraded: Headers) -> AsyncIterator[Upgraded]:
        """The raw stream: after 101 (with the headers `upgraded` too) if the client asked for an upgrade, else 200."""
        self.answered, self.stays = True, False
        if protocol := self.headers.get("upgrade"):
            both = {**headers, **upgraded, "Connection": "Upgrade", "Upgrade": protocol}
            await self._send(self._head(101, both))
        else:
            await self._send(self._head(200, headers))
        await taken(self._incoming.transport)
        leading = bytes(self._incoming.ready)
        self._incoming.ready.clear()
        yield Upgraded(self._incoming.transport, leading, headers=self.headers)

    def _head(self, status: int, headers: Headers, *, stays: bool | None = None) -> bytes:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if not (self.stays if stays is None else stays) and "Upgrade" not in headers:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    async def _send(self, wire: bytes) -> None:
        try:
            await self._incoming.transport.send(wire)
        except LOST as error:
            self.stays = False
            raise ConnectionLost("the client went away", answered=True) from error

    async def finish(self) -> bool:
        """After the answer: skip what is left of the body. True if the connection may carry another request."""
        if self._body.done:
            return self.stays
        skipped = 0
        with contextlib.suppress(HttpFault), anyio.move_on_after(DRAIN_SECONDS):
            while not self._body.done and skipped < DRAIN_BYTES:
                skipped += len(await self.receive())
        return self.stays and self._body.done


async def taken(transport: ByteStream) -> None:
    """Return when the other side has read all that was sent, or after a moment.

    Clients that read the head through a buffer and the stream from the socket (the Python SDK's way) lose what comes
    along with the head.
    """
    raw = transport.extra(SocketAttribute.raw_socket, None)
    if raw is None:
        return
    with anyio.move_on_after(TAKEN_SECONDS), contextlib.suppress(OSError):
        look = TAKEN_LOOK_SECONDS
        while unread(raw.fileno()):
            await anyio.sleep(look)  # the kernel tells nobody
            look = min(look * 1.5, TAKEN_LONGEST_LOOK_SECONDS)


def unread(handle: int) -> int:
    """Bytes that a socket sent and its other side has not taken yet (SIOCOUTQ, which is TIOCOUTQ's number)."""
    answer = fcntl.ioctl(handle, termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])


async def send_file(transport: ByteStream, handle: int, offset: int, length: int) -> None:
    if isinstance(transport, UnixStream):
        await transport.send_file(handle, offset, length)
        return
    while length:
        piece = await to_thread.run_sync(os.pread, handle, min(length, FILE_PIECE), offset)
        if not piece:
            raise anyio.BrokenResourceError from EOFError("the file is shorter than it was")
        await transport.send(piece)
        offset, length = offset + len(piece), length - len(piece)


async def discard(piece: bytes) -> None:
    """What a HEAD's answer would have held."""


def framing(headers: Headers) -> Body:
    """The decoder of a request's body (RFC 9112, 6.3). Raises BadRequest."""
    if "transfer-encoding" in headers:
        # h11 has refused every other encoding
        if "content-length" in headers:
            raise BadRequest("a request can't have both a length and chunks")
        return Chunked()
    return Sized(int(headers.get("content-length", "0")))


def parse_head(head: bytes) -> h11.Request:
    """Raises BadRequest."""
    wire = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
    try:
        wire.receive_data(head)
        event = wire.next_event()
    except h11.RemoteProtocolError as error:
        raise BadRequest(f"the request is not HTTP ({error})", error.error_status_hint) from error
    if not isinstance(event, h11.Request):
        raise BadRequest("the request is not HTTP")
    if len(event.headers) > MOST_HEADERS:
        raise BadRequest(f"the request has more than {MOST_HEADERS} headers", 431)
    return event


async def serve_connection(transport: ByteStream, handler: Handler, rest_seconds: float = REST_SECONDS) -> None:
    """Answer requests until the client or an answer ends the connection, or it rests for too long.

    `handler` answers, and raises nothing but HttpFault.
    """
    incoming = Incoming(transport, rest_seconds)
    try:
        while head := await incoming.head():
            exchange = Exchange(incoming, parse_head(head.lstrip(b"\r\n")))
            await handler(exchange)
            if not await exchange.finish():
                break
    except BadRequest as fault:
        with contextlib.suppress(*LOST):
            await transport.send(refusal(fault))
    except HttpFault:
        pass  # the client went away: nobody is there to be told
    except Exception:
        # A handler that breaks its word ends its own connection, never the server's other ones.
        traceback.print_exc()
    finally:
        await hang_up(transport)


def refusal(fault: BadRequest) -> bytes:
    text = f"{fault}\n".encode()
    reason = REASONS.get(fault.status, "Bad Request")
    head = f"HTTP/1.1 {fault.status} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + text


async def hang_up(transport: ByteStream) -> None:
    """Say the end first, and take what is still on its way: closing over unread bytes would reset the answer."""
    with anyio.CancelScope(shield=True):
        with contextlib.suppress(*LOST, NotImplementedError, anyio.EndOfStream), anyio.move_on_after(0.5):
            await transport.send_eof()
            skipped = 0
            while skipped < DRAIN_BYTES:
                skipped += len(await transport.receive(PIECE))
        with contextlib.suppress(*LOST):
            await anyio.aclose_forcefully(transport)
