"""A registry that runs: it listens, collects its garbage, and ends in order on a signal. Called by the CLI."""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread

from engine.http.listen import serve
from engine.kit.clock import SystemClock
from engine.registry.server.access import Access
from engine.registry.server.app import Registry
from engine.registry.server.htpasswd import Users
from engine.registry.server.outside import OutsideTokens, TokenServer
from engine.registry.server.protocols import BlobStore, Records
from engine.registry.server.rights import Rights
from engine.registry.server.tokens import Tokens

CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Serving:
    """`listener` is bound already. `gc_seconds` 0: garbage is never collected."""

    listener: socket.socket
    tls: ssl.SSLContext | None = None
    htpasswd: Path | None = None
    rights: Path | None = None
    token_server: TokenServer | None = None
    bearer: bool = False
    anonymous_pull: bool = False
    read_only: bool = False
    sparse: bool = False
    gc_seconds: float = 3600.0
    gc_grace_seconds: float = 86400.0


async def run_registry(serving: Serving, blobs: BlobStore, records: Records) -> None:
    """Serve until SIGTERM or SIGINT. Raises UsersInvalid."""
    registry = make_registry(serving, blobs, records)
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep_checkpointing, records)
            tasks.start_soon(serve_registry, serving, registry)
            print(f"serving the registry at {url_of(serving)}", flush=True)
            await first(signals)
            tasks.cancel_scope.cancel()


def make_registry(serving: Serving, blobs: BlobStore, records: Records) -> Registry:
    """Raises UsersInvalid."""
    clock = SystemClock()
    tokens: Tokens | OutsideTokens | None = None
    if serving.token_server is not None:
        tokens = OutsideTokens(serving.token_server, clock.now)
    elif serving.bearer:
        tokens = Tokens(address_of(serving.listener), clock.now)
    users = Users(serving.htpasswd) if serving.htpasswd is not None else None
    scheme = "https" if serving.tls else "http"
    rights = Rights(serving.rights) if serving.rights is not None else None
    access = Access(users, tokens, anonymous_pull=serving.anonymous_pull, scheme=scheme, rights=rights)
    return Registry(blobs, records, clock, access, read_only=serving.read_only, sparse=serving.sparse)


async def serve_registry(serving: Serving, registry: Registry) -> None:
    """Serve until cancelled: for whoever has signals and checkpoints already."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(serve, serving.listener, registry, tls=serving.tls))
        if serving.gc_seconds > 0:
            every, grace = serving.gc_seconds, serving.gc_grace_seconds
            tasks.start_soon(partial(registry.keep_collecting, every_seconds=every, grace_seconds=grace))


def url_of(serving: Serving) -> str:
    return f"{'https' if serving.tls else 'http'}://{address_of(serving.listener)}"


async def first(signals: AsyncIterator[signal.Signals]) -> None:
    async for _ in signals:
        return


async def keep_checkpointing(records: Records) -> None:
    while True:
        await anyio.sleep(CHECKPOINT_SECONDS)
        await to_thread.run_sync(records.checkpoint)


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
