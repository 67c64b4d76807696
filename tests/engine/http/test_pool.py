"""Connections are kept only when nothing is left on them, and every way to break off is told apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from engine.http.dial import dial_tcp, dial_unix
from engine.http.errors import AnswerTimeout, ConnectFailed, ConnectionLost, NotHttp
from engine.http.message import Request, Response
from engine.http.upgraded import Upgraded
from tests.engine.http.server import Peer, serving

pytestmark = pytest.mark.anyio
GET = Request("GET", "/")
POST = Request("POST", "/")


async def echo(peer: Peer) -> None:
    """Answers each request with its connection's number."""
    while await peer.head():
        await peer.answer(str(peer.number))


async def test_one_connection_serves_request_after_request(tmp_path: Path) -> None:
    async with serving(tmp_path, echo) as (pool, server):
        assert [(await pool.fetch(GET))[1] for _ in range(5)] == [b"1"] * 5
        assert len(server.peers) == 1


async def test_short_requests_are_bounded_and_only_so_many_connections_are_kept(tmp_path: Path) -> None:
    async with serving(tmp_path, echo, busy_limit=3, idle_limit=2) as (pool, server):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(pool.fetch, GET)
        assert len(server.peers) <= 3 + 18  # each beyond the two kept ones may be new, never more than three at once
        assert len(pool._idle) <= 2


async def test_a_connection_that_died_idle_is_not_used(tmp_path: Path) -> None:
    async def once(peer: Peer) -> None:
        await peer.head()
        await peer.answer(str(peer.number))

    async with serving(tmp_path, once) as (pool, _):
        assert (await pool.fetch(POST))[1] == b"1"
        await anyio.sleep(0.05)
        assert (await pool.fetch(POST))[1] == b"2"


async def drop_second(peer: Peer) -> None:
    """The first connection answers once, and hangs up when it is asked again."""
    while await peer.head():
        if peer.number == 1 and peer.answers == 1:
            return
        await peer.answer(str(peer.number))


async def test_a_get_on_a_kept_connection_that_dies_is_tried_once_more(tmp_path: Path) -> None:
    async with serving(tmp_path, drop_second) as (pool, _):
        await pool.fetch(GET)
        assert (await pool.fetch(GET))[1] == b"2"


async def test_a_post_is_never_sent_twice(tmp_path: Path) -> None:
    async with serving(tmp_path, drop_second) as (pool, server):
        await pool.fetch(GET)
        with pytest.raises(ConnectionLost):
            await pool.fetch(POST)
        assert len(server.peers) == 1


async def test_a_cancelled_request_leaves_no_answer_for_the_next(tmp_path: Path) -> None:
    async def slow_first(peer: Peer) -> None:
        while await peer.head():
            if peer.number == 1:
                await anyio.sleep(0.1)
            await peer.answer(f"answer {peer.number}")

    async with serving(tmp_path, slow_first) as (pool, _):
        with anyio.move_on_after(0.05):
            await pool.fetch(GET)
        assert (await pool.fetch(GET))[1] == b"answer 2"


async def test_a_stream_that_is_left_early_is_closed_and_not_kept(tmp_path: Path) -> None:
    async def endless(peer: Peer) -> None:
        await peer.head()
        if peer.number > 1:
            await peer.answer("new")
            return
        await peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.say("5\r\nhello\r\n")
            await anyio.sleep(0.001)

    async with serving(tmp_path, endless) as (pool, _):
        async with pool.exchange(GET) as response:
            assert (await response.receive()).startswith(b"hello")
        assert (await pool.fetch(GET))[1] == b"new"


async def test_a_block_that_raises_gets_its_own_exception_back(tmp_path: Path) -> None:
    async with serving(tmp_path, echo) as (pool, _):
        for request in (GET, Request("POST", "/", body=pieces(b"x"))):
            with pytest.raises(KeyError, match="mine"):
                async with pool.exchange(request):
                    raise KeyError("mine")


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_body_of_pieces_goes_out_in_chunks(tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def take(peer: Peer) -> None:
        seen.append(await peer.head())
        seen.append(await peer.reader.readuntil(b"0\r\n\r\n"))
        await peer.answer("ok")

    request = Request("PUT", "/", body=pieces(b"ab", b"", b"c"))
    async with serving(tmp_path, take) as (pool, _), pool.exchange(request) as response:
        assert await response.read() == b"ok"
    assert b"transfer-encoding: chunked" in seen[0]
    assert seen[1] == b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"


async def test_an_answer_before_the_body_has_gone_ends_the_sending(tmp_path: Path) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.head()
        await peer.answer("no", "400 Bad Request")
        await anyio.sleep_forever()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    async with serving(tmp_path, refuse) as (pool, _):
        with anyio.fail_after(5):
            async with pool.exchange(Request("POST", "/", body=endless())) as response:
                assert (response.status, await response.read()) == (400, b"no")


async def test_what_the_bodys_source_raises_is_what_the_caller_sees(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise PermissionError("the file can't be read")

    async def wait(peer: Peer) -> None:
        await peer.head()
        await peer.rest()

    async with serving(tmp_path, wait) as (pool, _):
        with pytest.raises(PermissionError), anyio.fail_after(5):
            async with pool.exchange(Request("POST", "/", body=broken())):
                pytest.fail("there was no answer")


@pytest.mark.parametrize("head", ["101 UPGRADED\r\nUpgrade: tcp\r\nConnection: Upgrade", "200 OK"])
async def test_an_upgrade_gives_both_ways_and_a_half_close(tmp_path: Path, head: str) -> None:
    async def upgrade(peer: Peer) -> None:
        assert b"upgrade: tcp" in await peer.head()
        await peer.say(f"HTTP/1.1 {head}\r\nContent-Type: application/x\r\n\r\nearly")
        await peer.say("/" + (await peer.rest()).decode().upper())

    async with serving(tmp_path, upgrade) as (pool, _), pool.upgrade(POST) as stream:
        assert isinstance(stream, Upgraded)
        assert stream.headers["content-type"] == "application/x"
        await stream.send(b"hello")
        await stream.send_eof()
        seen = b""
        while piece := await stream.receive():
            seen += piece
    assert seen == b"early/HELLO"


async def test_a_refused_upgrade_is_a_response(tmp_path: Path) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.head()
        await peer.answer("no", "409 Conflict")

    async with serving(tmp_path, refuse) as (pool, _), pool.upgrade(POST) as response:
        assert isinstance(response, Response)
        assert (response.status, await response.read()) == (409, b"no")


async def test_an_interim_answer_is_passed_over(tmp_path: Path) -> None:
    async def interim(peer: Peer) -> None:
        await peer.head()
        await peer.say("HTTP/1.1 100 Continue\r\n\r\n")
        await peer.answer("ok")

    async with serving(tmp_path, interim) as (pool, _):
        assert (await pool.fetch(GET))[1] == b"ok"


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ("SSH-2.0-OpenSSH_9.2\r\n", NotHttp, "not HTTP"),
        ("", ConnectionLost, "without an answer"),
        ("HTTP/1.1 200 OK\r\nContent-Le", ConnectionLost, "within the answer"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", ConnectionLost, "within the answer"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", ConnectionLost, "within the answer"),
    ],
)
async def test_each_way_to_break_off_has_its_error(
    tmp_path: Path, said: str, error: type[Exception], words: str
) -> None:
    async def speak(peer: Peer) -> None:
        await peer.head()
        if said:
            await peer.say(said)

    async with serving(tmp_path, speak) as (pool, _):
        with pytest.raises(error, match=words):
            await pool.fetch(POST)


async def test_an_answer_that_does_not_come_in_time_is_given_up(tmp_path: Path) -> None:
    async def silent(peer: Peer) -> None:
        await peer.rest()

    async with serving(tmp_path, silent) as (pool, _):
        with pytest.raises(AnswerTimeout, match=r"0\.05 seconds"):
            await pool.fetch(GET, timeout_seconds=0.05)


async def test_a_socket_that_is_not_there_or_refuses_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConnectFailed, match="no such file"):
        await dial_unix(str(tmp_path / "none"))
    with pytest.raises(ConnectFailed, match="refused"):
        await dial_tcp("127.0.0.1", 1)
