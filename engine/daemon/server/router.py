"""Method, path and version → the handler that answers; every fault → its status. Called by the HTTP server.

A route file is a function from its room's protocol to a list of Routes: `def routes(volumes: Volumes) -> list[Route]`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

import anyio
from anyio.lowlevel import checkpoint

from engine.api.errors import InvalidArgument, NotFound
from engine.daemon.faults import fault_of, leaf_of
from engine.daemon.server.errors import body_of, status_of
from engine.daemon.server.request import JSON_TYPE, Request, Version
from engine.http.errors import HttpFault
from engine.http.server import BadRequest, Exchange

OLDEST: Version = (1, 24)
NEWEST: Version = (1, 50)
READING = frozenset({"GET", "HEAD"})
VERSIONED = re.compile(r"/v(\d{1,4})\.(\d{1,4})(/.*)", re.ASCII | re.DOTALL)

Handler = Callable[[Request], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """`pattern` is a path; `{name}` fits one segment, `{name:path}` any number of them. `since`: first API version."""

    method: str
    pattern: str
    handler: Handler
    since: Version = OLDEST


def compile_pattern(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")
    text = re.sub(r"\{(\w+):path\}", r"(?P<\1>.+)", text)
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", text), re.DOTALL)


class Router:
    """Routes in the order given: the first that fits answers. GET routes answer HEAD too only where one says so."""

    def __init__(self, routes: Iterable[Route], *, common: Mapping[str, str]) -> None:
        """`common` are the headers of every answer."""
        self._common = dict(common)
        self._gate = anyio.Lock()
        # By method and first segment: a handful each, tried in order.
        self._table: dict[tuple[str, str], list[tuple[re.Pattern[str], Route]]] = {}
        for route in routes:
            key = (route.method, route.pattern.split("/", 2)[1])
            self._table.setdefault(key, []).append((compile_pattern(route.pattern), route))

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises HttpFault only: the client is gone, or can't be understood."""
        raw, _, query = exchange.target.partition("?")
        try:
            await self._dispatch(exchange, unquote(raw, errors="replace"), query)
        except BadRequest as fault:
            if exchange.answered:
                raise
            await self._answer_fault(exchange, fault.status, str(fault))
        except HttpFault:
            raise
        except Exception as error:
            # a client that left tears the answer from under its handler, within task groups too
            if is_hang_up(error):
                raise HttpFault("the client went away") from error
            if isinstance(leaf := leaf_of(error), BadRequest) and not exchange.answered:
                await self._answer_fault(exchange, leaf.status, str(leaf))
                return
            known = fault_of(error)
            if exchange.answered:
                exchange.stays = False
                raise HttpFault(known.message) from error
            await self._answer_fault(exchange, status_of(known), known.message)

    async def _answer_fault(self, exchange: Exchange, status: int, message: str) -> None:
        await exchange.answer(status, {**self._common, **JSON_TYPE}, body_of(message))

    async def _dispatch(self, exchange: Exchange, path: str, query: str) -> None:
        clean = clean_path(path)
        if clean != path:
            where = quote(clean) + (f"?{query}" if query else "")
            await exchange.answer(301, {**self._common, "Location": where})
            return
        if exchange.method not in READING:
            await self._take_turn()
        version, path = split_version(path)
        handler, parameters = self._find(exchange.method, path, version)
        await handler(Request(exchange, query=query, version=version, parameters=parameters, common=self._common))

    async def _take_turn(self) -> None:
        """Who changes something begins one at a time, each in a turn of the event loop's own.

        A hundred creates that come at once would else be begun in one turn, which an inspect waits for.
        """
        async with self._gate:
            await checkpoint()

    def _find(self, method: str, path: str, version: Version) -> tuple[Handler, Mapping[str, str]]:
        first = path.split("/", 2)[1]
        for pattern, route in self._table.get((method, first), ()):
            found = pattern.fullmatch(path)
            if found is not None and version >= route.since:
                return route.handler, found.groupdict()
        raise NotFound("page not found")


def is_hang_up(error: BaseException) -> bool:
    """Whether a fault is nothing but the client's leaving."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_hang_up(inner) for inner in error.exceptions)
    return isinstance(error, HttpFault) and not isinstance(error, BadRequest)


def clean_path(path: str) -> str:
    """Without empty, `.` and `..` segments; a slash at the end stays."""
    if not path.startswith("/"):
        path = f"/{path}"
    if "//" not in path and "/." not in path:
        return path
    clean = "/" + posixpath.normpath(path).lstrip("/")
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean


def split_version(path: str) -> tuple[Version, str]:
    """The API version that a path names, NEWEST for none, and the rest. Raises InvalidArgument for one not served."""
    found = VERSIONED.fullmatch(path)
    if found is None:
        return NEWEST, path
    version = (int(found[1]), int(found[2]))
    text = f"{version[0]}.{version[1]}"
    if version > NEWEST:
        raise InvalidArgument(
            f"client version {text} is too new. Maximum supported API version is {NEWEST[0]}.{NEWEST[1]}"
        )
    if version < OLDEST:
        raise InvalidArgument(
            f"client version {text} is too old. Minimum supported API version is {OLDEST[0]}.{OLDEST[1]}, "
            "please upgrade your client to a newer version"
        )
    return version, found[3]
