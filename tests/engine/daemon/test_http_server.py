"""The HTTP server, byte for byte over a real socket: what it answers, refuses, streams and hands over."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from engine.api.errors import Conflict
from engine.daemon.server.request import Request
from engine.daemon.server.router import Route, Router
from engine.http import server
from engine.http.listen import bind_unix, serve
from engine.kit.bridge import run_on_stream

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def serving(folder: Path, *routes: Route) -> AsyncIterator[Callable[[bytes], Awaitable[bytes]]]:
    """A server with the routes → a function that sends bytes, half-closes, and returns all that comes back."""
    listener = bind_unix(folder / "s")

    def talk(wire: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(folder / "s"))
            client.sendall(wire)
            client.shutdown(socket.SHUT_WR)
            whole = b""
            while piece := client.recv(65536):
                whole += piece
            return whole

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, listener, Router(routes, common={"Server": "test"}))
        yield lambda wire: to_thread.run_sync(talk, wire)
        tasks.cancel_scope.cancel()
    listener.close()


async def echo(request: Request) -> None:
    await request.answer_json({"path": request.parameters, "query": request.query, "version": request.version})


async def size(request: Request) -> None:
    whole = b"".join([piece async for piece in request.body()])
    await request.answer_json(len(whole))


async def grouped(request: Request) -> None:
    """As what reads an archive does: in a thread, below a task group."""
    await request.answer_json(await run_on_stream(request.body(), lambda feed: sum(map(len, iter(feed.next, b"")))))


async def body(request: Request) -> None:
    await request.answer_json(await request.json())


async def refuse(request: Request) -> None:
    raise Conflict("it is already there")


async def fail(request: Request) -> None:
    raise RuntimeError("nobody foresaw this")


async def count(request: Request) -> None:
    async with request.stream("application/json") as send:
        for number in range(3):
            await send(f"{number}\n".encode())


async def hijack(request: Request) -> None:
    async with request.take_over(tty=False) as stream:
        while piece := await stream.receive():
            await stream.send(piece.upper())


ROUTES = [
    Route("GET", "/echo/{name:path}/json", echo),
    Route("GET", "/new", echo, since=(1, 44)),
    Route("POST", "/size", size),
    Route("POST", "/grouped", grouped),
    Route("POST", "/body", body),
    Route("GET", "/refuse", refuse),
    Route("GET", "/fail", fail),
    Route("GET", "/count", count),
    Route("POST", "/hijack", hijack),
]


def request(line: str, *headers: str, content: bytes = b"") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: d", *headers, "", ""]).encode() + content


async def test_several_requests_go_over_one_connection(tmp_path: Path) -> None:
    async with serving(tmp_path, *ROUTES) as talk:
        whole = await talk(
            request("GET /v1.41/echo/a/b%2Fc/json?x=1&x=2")
            + request("POST /size", "Content-Length: 3", content=b"abc")
            + request("POST /size", "Transfer-Encoding: chunked", content=b"2\r\nab\r\n5\r\ncdefg\r\n0\r\n\r\n")
            + request("GET /echo/z/json")
        )
    answers = whole.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200"] * 4
    assert b'{"path":{"name":"a/b/c"},"query":{"x":["1","2"]},"version":[1,41]}\n' in answers[0]
    assert answers[1].endswith(b"\r\n\r\n3\n") and answers[2].endswith(b"\r\n\r\n7\n")
    assert b'"version":[1,50]' in answers[3]


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("GET /nowhere", b"404", b'{"message":"page not found"}\n'),
        ("PUT /size", b"404", b'{"message":"page not found"}\n'),
        ("GET /v1.43/new", b"404", b'{"message":"page not found"}\n'),
        ("GET /v1.44/new", b"200", b"version"),
        ("GET /v1.99/new", b"400", b"client version 1.99 is too new. Maximum supported API version is 1.50"),
        ("GET /v1.12/new", b"400", b"client version 1.12 is too old. Minimum supported API version is 1.24"),
        ("GET /refuse", b"409", b'{"message":"it is already there"}\n'),
        ("GET /fail", b"500", b'{"message":"nobody foresaw this"}\n'),
        ("GET //v1.41//new?a=b", b"301", b"Location: /v1.41/new?a=b\r\n"),
        ("GET /a/../new", b"301", b"Location: /new\r\n"),
    ],
)
async def test_every_fault_has_its_status_and_its_one_body(
    tmp_path: Path, line: str, status: bytes, words: bytes
) -> None:
    async with serving(tmp_path, *ROUTES) as talk:
        whole = await talk(request(line))
    assert whole.startswith(b"HTTP/1.1 " + status)
    assert words in whole


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (request("GET /new", "Content-Length: -1"), b"400"),
        (request("POST /size", "Content-Length: 3", "Transfer-Encoding: chunked", content=b"0\r\n\r\n"), b"400"),
        (request("POST /size", "Transfer-Encoding: gzip, chunked"), b"501"),
        (request("POST /size", "Transfer-Encoding: chunked", content=b"zz\r\n"), b"400"),
        (request("POST /size", "Content-Length: 3", "Content-Length: 4", content=b"abc"), b"400"),
        (request("GET /new", "X: " + "y" * 100_000), b"431"),
        (request("POST /body", "Content-Type: text/plain", "Content-Length: 2", content=b"{}"), b"400"),
        (request("POST /body", "Content-Length: 2", content=b"[]"), b"400"),
        (request("POST /body", "Content-Length: 1", content=b"{"), b"400"),
        (request("POST /body", "Content-Length: 200000", content=b"[" * 200_000), b"400"),
        (request("POST /body", "Content-Length: 99999999", content=b"x" * 17_000_000), b"413"),
        (request("GET /new", *[f"X-{number}: y" for number in range(101)]), b"431"),
        (request("GET /echo/a/json?" + "a&" * 1001), b"400"),
    ],
    ids=range(14),
)
async def test_what_is_no_request_is_refused_in_words(tmp_path: Path, wire: bytes, status: bytes) -> None:
    async with serving(tmp_path, *ROUTES) as talk:
        whole = await talk(wire)
    assert whole.startswith(b"HTTP/1.1 " + status)


async def test_a_stream_comes_in_chunks_and_the_connection_stays(tmp_path: Path) -> None:
    async with serving(tmp_path, *ROUTES) as talk:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))
            client.setblocking(False)
            client.sendall(request("GET /count") + request("GET /new", "Connection: close"))
            whole = b""
            with anyio.fail_after(5):
                while b"version" not in whole:
                    await anyio.wait_readable(client)
                    whole += client.recv(65536)
        assert b"2\r\n0\n\r\n2\r\n1\n\r\n2\r\n2\n\r\n0\r\n\r\nHTTP/1.1 200" in whole
        old = await talk(b"GET /count HTTP/1.0\r\n\r\n")
    assert old.endswith(b"\r\n\r\n0\n1\n2\n") and b"chunked" not in old


@pytest.mark.parametrize("upgrade", [True, False])
async def test_a_taken_over_connection_carries_bytes_that_came_with_the_head(tmp_path: Path, upgrade: bool) -> None:
    headers = ["Connection: Upgrade", "Upgrade: tcp"] if upgrade else []
    async with serving(tmp_path, *ROUTES) as talk:
        whole = await talk(request("POST /v1.41/hijack", "Content-Length: 0", *headers, content=b"hello"))
    head, _, rest = whole.partition(b"\r\n\r\n")
    assert rest == b"HELLO"
    assert head.startswith(b"HTTP/1.1 101 UPGRADED" if upgrade else b"HTTP/1.1 200 OK")
    assert b"application/vnd.docker.raw-stream" in head and b"Content-Length" not in head and b"chunked" not in head
    assert (b"\r\nConnection: Upgrade\r\nUpgrade: tcp" in head) is upgrade


async def test_a_stream_ends_when_its_client_goes_away(tmp_path: Path) -> None:
    ended = anyio.Event()

    async def forever(request: Request) -> None:
        try:
            async with request.stream("text/plain"):
                await anyio.sleep_forever()
        finally:
            ended.set()

    async with serving(tmp_path, Route("GET", "/forever", forever)):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))
            client.sendall(request("GET /forever"))
            await anyio.sleep(0.1)
        with anyio.fail_after(5):
            await ended.wait()


async def test_a_head_that_comes_drop_by_drop_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    async with serving(tmp_path, *ROUTES):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))
            client.setblocking(False)
            client.sendall(b"GET /new HT")
            with anyio.fail_after(5):
                await anyio.wait_readable(client)
            assert client.recv(4096).startswith(b"HTTP/1.1 408")


async def test_a_body_that_comes_drop_by_drop_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BODY_SECONDS", 0.3)
    async with serving(tmp_path, *ROUTES):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))
            client.setblocking(False)
            client.sendall(request("POST /body", "Content-Length: 100", content=b'{"half":'))
            with anyio.fail_after(5):
                await anyio.wait_readable(client)
            assert client.recv(4096).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("path", ["/size", "/grouped"])
async def test_a_streamed_body_that_stands_still_is_not_waited_for_and_a_slow_one_is(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STILL_SECONDS", 0.4)
    monkeypatch.setattr(server, "LEAST_BYTES", 4)

    async def answer_to(drop: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))
            client.setblocking(False)
            client.sendall(request(f"POST {path}", f"Content-Length: {8 * len(drop)}"))
            for _ in range(8):
                client.sendall(drop)
                with anyio.move_on_after(0.1):
                    await anyio.wait_readable(client)
                    break
            with anyio.fail_after(5):
                await anyio.wait_readable(client)
            return client.recv(4096)

    async with serving(tmp_path, *ROUTES):
        assert (await answer_to(b"1")).startswith(b"HTTP/1.1 408")
        assert (await answer_to(b"1234")).endswith(b"\r\n\r\n32\n")


async def test_a_client_that_waits_for_100_gets_it_before_its_body_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path, *ROUTES) as talk:
        whole = await talk(request("POST /size", "Content-Length: 2", "Expect: 100-continue", content=b"ab"))
    assert whole.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


async def test_a_socket_of_a_dead_server_is_replaced_and_a_live_ones_is_not(tmp_path: Path) -> None:
    bind_unix(tmp_path / "s").close()
    listener = bind_unix(tmp_path / "s", mode=0o660)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o660
    with pytest.raises(OSError, match="another engine"):
        bind_unix(tmp_path / "s")
    listener.close()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError):
        bind_unix(tmp_path / "file")
