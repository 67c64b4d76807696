"""TLS over any byte stream, with a half-close: anyio's own TLSStream has none, and an exec's stdin must be able to end.

After `send_eof` (close_notify sent) the other side's bytes still arrive (RFC 8446 6.1).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import anyio
from anyio.abc import ByteStream

T = TypeVar("T")
RECORD = 65536


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a server shows. Raises OSError, in words: ssl's own for a bad file name nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise OSError(0, f"{certificate} and {key} are not a certificate and its key: {error.reason}") from error
    except FileNotFoundError as error:
        missing = certificate if not certificate.exists() else key
        raise OSError(error.errno, f"{missing}: {error.strerror}") from error
    return context


def mutual_context(certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    """As `server_context`, for clients only that show a certificate of `authority`'s. Raises OSError, in words."""
    context = server_context(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise OSError(0, f"{authority} holds no certificate: {error.reason}") from error
    except FileNotFoundError as error:
        raise OSError(error.errno, f"{authority}: {error.strerror}") from error
    return context


class TlsStream(ByteStream):
    def __init__(self, below: ByteStream, context: ssl.SSLContext, name: str | None) -> None:
        """`name` is what the other side's certificate must bear; None: we are the server."""
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=name is None, server_hostname=name)
        # Records must leave in the order in which they were made.
        self._leaving = anyio.Lock()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._below.extra_attributes

    async def handshake(self) -> None:
        """Raises ssl.SSLError for a certificate or protocol that doesn't fit."""
        await self._drive(self._tls.do_handshake)

    async def _drive(self, step: Callable[[], T]) -> T:
        """Take the step, with as much reading and writing below as it wants."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError:
                await self._flush()  # the alert tells the other side why
                raise
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            async with self._leaving:
                if records := self._outgoing.read():
                    await self._below.send(records)

    async def _fill(self) -> None:
        try:
            self._incoming.write(await self._below.receive(RECORD))
        except anyio.EndOfStream:
            self._incoming.write_eof()

    async def send(self, item: bytes) -> None:
        view = memoryview(item)
        while view:
            view = view[await self._drive(lambda left=view: self._tls.write(left)) :]  # type: ignore[misc]

    async def receive(self, max_bytes: int = RECORD) -> bytes:
        try:
            piece = await self._drive(lambda: self._tls.read(max_bytes))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            raise anyio.EndOfStream from None
        except ssl.SSLError as error:
            raise anyio.BrokenResourceError(str(error)) from error
        if not piece:
            raise anyio.EndOfStream
        return piece

    async def send_eof(self) -> None:
        # "Want read": our close_notify is made, theirs has not come, and need not.
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        await self._flush()

    async def aclose(self) -> None:
        await self._below.aclose()
