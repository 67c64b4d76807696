"""TCP between a client and a server, byte by byte: a forward proxy, a line that breaks, TLS that asks who comes."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Stream = socket.socket | ssl.SSLSocket


@dataclass
class Relay:
    """`heads` are what clients asked of a proxy; `cuts` how many lines were cut."""

    address: str
    heads: list[str] = field(default_factory=list)
    cuts: int = 0


@contextmanager
def listening(serve: Callable[[socket.socket, Relay], None]) -> Iterator[Relay]:
    """`serve` in a thread for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Relay(f"127.0.0.1:{listener.getsockname()[1]}")

        def one(client: socket.socket) -> None:
            with client:
                with suppress(OSError, ConnectionError):
                    serve(client, relay)
                # a close alone waits for the thread that still reads from it
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=one, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield relay
        listener.shutdown(socket.SHUT_RDWR)


def dial(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def pump(source: Stream, target: Stream) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def both_ways(client: Stream, server: Stream) -> None:
    there = threading.Thread(target=pump, args=(client, server), daemon=True)
    there.start()
    pump(server, client)
    there.join()


def head_of(client: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = client.recv(1)
        if not piece:
            raise ConnectionError
        head += piece
    return head


@contextmanager
def forward_proxy(places: Mapping[str, str]) -> Iterator[Relay]:
    """An HTTP proxy; `places` says where a name (`host:port`) really is."""

    def serve(client: socket.socket, relay: Relay) -> None:
        head = head_of(client)
        relay.heads.append(head.decode("latin-1"))
        method, target, rest = head.split(b" ", 2)
        if method == b"CONNECT":
            with dial(places[target.decode()]) as server:
                client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                both_ways(client, server)
            return
        name, _, path = target.partition(b"://")[2].partition(b"/")
        with dial(places[name.decode()]) as server:
            server.sendall(method + b" /" + path + b" " + rest)
            both_ways(client, server)

    with listening(serve) as relay:
        yield relay


@contextmanager
def lossy(address: str, cuts: int, after: int) -> Iterator[Relay]:
    """The first `cuts` lines that carry more than `after` bytes of answer are cut there."""

    def serve(client: socket.socket, relay: Relay) -> None:
        with dial(address) as server:
            threading.Thread(target=pump, args=(client, server), daemon=True).start()
            sent = 0
            while piece := server.recv(1 << 16):
                if relay.cuts < cuts and sent + len(piece) > after:
                    relay.cuts += 1
                    client.sendall(piece[: after - sent])
                    return
                client.sendall(piece)
                sent += len(piece)

    with listening(serve) as relay:
        yield relay


@contextmanager
def tls_in_front(address: str, context: ssl.SSLContext) -> Iterator[Relay]:
    def serve(client: socket.socket, relay: Relay) -> None:
        with context.wrap_socket(client, server_side=True) as secure, dial(address) as server:
            both_ways(secure, server)

    with listening(serve) as relay:
        yield relay
