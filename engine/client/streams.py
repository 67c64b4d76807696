"""What a long answer is to its reader: frames, JSON values, pieces. Each names the engine when it breaks off."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from engine.api.errors import EngineError, Unavailable, error_of
from engine.api.frames import Decoder, Frame
from engine.client.faults import told
from engine.http.upgraded import Upgraded

T = TypeVar("T")


class Source(Protocol):
    async def receive(self) -> bytes: ...


class Pieces:
    """The bytes as they come."""

    def __init__(self, source: Source, address: str) -> None:
        self._source = source
        self._address = address

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> bytes:
        with told(self._address):
            piece = await self._source.receive()
        if not piece:
            raise StopAsyncIteration
        return piece


class Frames:
    """Frames of logs and attach. A stream that ends within a frame raises Unavailable."""

    def __init__(self, source: Source, decoder: Decoder, address: str) -> None:
        self._source = source
        self._decoder = decoder
        self._address = address
        self._ready: deque[Frame] = deque()

    def __aiter__(self) -> Frames:
        return self

    async def __anext__(self) -> Frame:
        while not self._ready:
            with told(self._address):
                piece = await self._source.receive()
            if not piece:
                if self._decoder.rest():
                    raise Unavailable(f"the engine at {self._address} was lost: the stream ended within a frame")
                raise StopAsyncIteration
            self._ready.extend(self._decoder.feed(piece))
        return self._ready.popleft()


class Hijacked(Frames):
    """Both ways: an attach or a running exec."""

    def __init__(self, stream: Upgraded, decoder: Decoder, address: str) -> None:
        super().__init__(stream, decoder, address)
        self._stream = stream

    async def send(self, data: bytes) -> None:
        """More of standard input. Raises Unavailable when the other side is gone."""
        with told(self._address):
            await self._stream.send(data)

    async def send_eof(self) -> None:
        """The end of standard input."""
        await self._stream.send_eof()


class JsonLines(Generic[T]):
    """One JSON value a line. `check` may raise for a value that tells of a failure."""

    def __init__(self, source: Source, address: str, check: Callable[[Any], None] | None = None) -> None:
        self._source = source
        self._address = address
        self._check = check
        self._buffer = b""
        self._ready: deque[T] = deque()

    def __aiter__(self) -> JsonLines[T]:
        return self

    async def __anext__(self) -> T:
        while not self._ready:
            with told(self._address):
                piece = await self._source.receive()
            *lines, self._buffer = (self._buffer + piece).split(b"\n") if piece else (self._buffer, b"")
            self._ready.extend(self._parse(line) for line in lines if line.strip())
            if not piece and not self._ready:
                raise StopAsyncIteration
        value = self._ready.popleft()
        if self._check is not None:
            self._check(value)
        return value

    def _parse(self, line: bytes) -> T:
        try:
            value: T = json.loads(line)
        except ValueError as error:
            raise Unavailable(f"the engine at {self._address} gave a line that is not JSON: {line[:80]!r}") from error
        return value


def check_progress(line: Mapping[str, Any]) -> None:
    """A pull, push, load, import or build that fails says so inside its 200 (ENGINE-FACTS 9)."""
    text = line.get("error")
    if not text:
        return
    code = (line.get("errorDetail") or {}).get("code") or 0
    raise progress_error(str(text), int(code))


# Engines give no code for these; their words are all there is. Source: distribution/errors.go of Docker and the tests.
WORDS = {
    404: ("not found", "manifest unknown", "does not exist"),
    401: ("unauthorized", "authentication required", "access denied", "no basic auth credentials"),
    503: ("connection refused", "no such host", "i/o timeout", "TLS handshake timeout", "network is unreachable"),
}


def progress_error(text: str, code: int) -> EngineError:
    status = next((status for status, words in WORDS.items() if any(word in text for word in words)), 500)
    return error_of(code if code >= 400 else status, text)
