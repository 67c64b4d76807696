"""Ways to reach a server: a unix socket, TCP, TCP with TLS. Each gives a byte stream or raises ConnectFailed."""

from __future__ import annotations

import os
import socket
import ssl

import anyio
from anyio.abc import ByteStream

from engine.http.errors import ConnectFailed
from engine.http.tls import TlsStream
from engine.http.unix import connect_tcp, connect_unix

CONNECT_SECONDS = 30.0


async def dial_unix(path: str) -> ByteStream:
    try:
        return await connect_unix(path)
    except OSError as error:
        raise ConnectFailed(words(error)) from error


async def dial_tcp(host: str, port: int) -> ByteStream:
    """Its addresses are tried one after another."""
    try:
        with anyio.fail_after(CONNECT_SECONDS):
            return await connect_tcp(host, port)
    except TimeoutError as error:
        raise ConnectFailed(f"no connection within {CONNECT_SECONDS:g} seconds") from error
    except socket.gaierror as error:
        raise ConnectFailed((error.strerror or str(error)).lower()) from error
    except OSError as error:
        raise ConnectFailed(words(error)) from error


async def dial_tls(host: str, port: int, context: ssl.SSLContext, name: str) -> ByteStream:
    """TCP, then the handshake; `name` is what the certificate must bear."""
    return await secured(await dial_tcp(host, port), context, name)


async def secured(below: ByteStream, context: ssl.SSLContext, name: str) -> ByteStream:
    """TLS over a stream that stands already."""
    stream = TlsStream(below, context, name)
    try:
        with anyio.fail_after(CONNECT_SECONDS):
            await stream.handshake()
        return stream
    except BaseException as error:
        await anyio.aclose_forcefully(stream)
        if isinstance(error, TimeoutError):
            raise ConnectFailed(f"the TLS handshake took more than {CONNECT_SECONDS:g} seconds") from error
        if isinstance(error, ssl.SSLCertVerificationError):
            raise ConnectFailed(f"the certificate is not trusted: {error.verify_message}") from error
        if isinstance(error, ssl.SSLError):
            raise ConnectFailed(f"the TLS handshake failed: {error.reason or error}") from error
        if isinstance(error, anyio.BrokenResourceError | anyio.EndOfStream | OSError):
            raise ConnectFailed("the connection was closed within the TLS handshake") from error
        raise


def words(error: OSError) -> str:
    """The system's words; anyio wraps the causes of several tried addresses into a group."""
    cause = error.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    inner = cause if isinstance(cause, OSError) and error.errno is None else error
    # asyncio writes "Connect call failed" over the system's words; the number keeps them.
    number = inner.errno or 0
    return (os.strerror(number) if number > 0 else inner.strerror or str(inner)).lower()
