"""A server between a client and a real registry that does harm on the way: cuts, lies, stalls, refuses, dies.

A rule gets the request and the real answer and says what goes out instead; None lets it pass.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.registries import Answer, Registry


@dataclass(frozen=True, slots=True)
class Harm:
    """`body` goes out under a Content-Length of `length`, and the line is cut if they differ. `drop`: cut at once."""

    status: int
    body: bytes = b""
    length: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """`count` is how often the same method and path were asked before."""

    method: str
    path: str
    headers: dict[str, str]
    count: int


Rule = Callable[[Asked, Answer], Harm | None]
OWN = {"connection", "transfer-encoding", "content-length", "date", "server"}


@contextmanager
def faulty(registry: Registry, rule: Rule) -> Iterator[tuple[str, list[Asked]]]:
    """(address, what was asked of it)."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.read_body()
            count = sum((one.method, one.path) == (self.command, self.path) for one in asked)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append(Asked(self.command, self.path, headers, count))
            passed = {name: value for name, value in headers.items() if name not in OWN | {"host"}}
            real = registry.ask(self.command, self.path, body, passed)
            self.send(rule(asked[-1], real) or Harm(real.status, real.body, None, dict(real.headers)))

        def send(self, harm: Harm) -> None:
            if harm.drop:
                self.close_connection = True
                return
            self.send_response(harm.status)
            for name, value in harm.headers.items():
                if name not in OWN:
                    self.send_header(name, value)
            said = len(harm.body) if harm.length is None else harm.length
            if self.command == "HEAD" and "content-length" in harm.headers:
                said = int(harm.headers["content-length"])
            self.send_header("Content-Length", str(said))
            self.end_headers()
            if self.command != "HEAD":
                with suppress(OSError):
                    self.wfile.write(harm.body)
                self.close_connection = said != len(harm.body)

        def read_body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            whole = b""
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()
