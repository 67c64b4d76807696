"""The API's server: a socket of the machine's own for its administrator, and what the settings name, by token."""

from __future__ import annotations

import hmac
import re
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

import anyio

from engine.client.errors import STATUS, EngineError, Forbidden, NotFound, SystemFailure, Unauthorized
from engine.gitops.api.call import Call
from engine.gitops.api.routes import ROUTES, Route
from engine.gitops.loop.agent import Agent
from engine.gitops.secretfile import read_secret
from engine.gitops.settings.models import Role, Token
from engine.gitops.tell.redaction import redacted
from engine.http.errors import HttpFault
from engine.http.listen import bind_tcp, bind_unix, serve
from engine.http.server import BadRequest, Exchange

# Each takes a descriptor, of which the loop needs some for git and the engines; who only holds one is hung up on.
MOST_CONNECTIONS, REST_SECONDS = 256, 60.0


@dataclass(frozen=True, slots=True)
class Door:
    """One listener. `trusting`: whoever can open it is the administrator, where the settings name no tokens for it."""

    listener: socket.socket
    trusting: bool = False
    own: bool = False

    def tokens(self, agent: Agent) -> tuple[Token, ...] | None:
        """Those that count now, since settings are read again; None: nobody is asked for one."""
        found = agent.settings.api.tokens if agent.settings.api and not self.own else ()
        return None if self.trusting and not found else found


def open_doors(agent: Agent, stack: ExitStack) -> list[Door]:
    """The doors, closed with the stack. Raises OSError."""
    own = agent.desk.places.socket
    doors = [Door(listening_unix(own, stack), trusting=True, own=True)]
    api = agent.settings.api
    for address in api.listen if api else ():
        if address.startswith("/"):
            doors.append(Door(listening_unix(Path(address), stack), trusting=True))
        else:
            host, _, port = address.rpartition(":")
            listener = bind_tcp(host.strip("[]"), int(port))
            stack.callback(listener.close)
            doors.append(Door(listener))
    return doors


def listening_unix(path: Path, stack: ExitStack) -> socket.socket:
    listener = bind_unix(path, mode=0o600)
    stack.callback(listener.close)
    stack.callback(path.unlink, missing_ok=True)
    return listener


async def serve_api(agent: Agent, doors: Sequence[Door]) -> None:
    """Until cancelled."""
    async with anyio.create_task_group() as tasks:
        for door in doors:
            handler = partial(answer, agent, door)
            tasks.start_soon(
                partial(serve, door.listener, handler, most_connections=MOST_CONNECTIONS, rest_seconds=REST_SECONDS)
            )


async def answer(agent: Agent, door: Door, exchange: Exchange) -> None:
    """Answer one request. Raises HttpFault only."""
    call = Call(agent, exchange)
    try:
        await dispatch(call, door.tokens(agent))
    except BadRequest as fault:
        await call.answer({"message": str(fault)}, fault.status)
    except HttpFault:
        raise
    except EngineError as error:
        await refuse(call, STATUS.get(type(error), 500), error.message)
    except Exception as error:
        # one request's fault must not end the agent
        await refuse(call, 500, redacted(f"internal error: {error!r}", ()))


async def refuse(call: Call, status: int, message: str) -> None:
    if not call.exchange.answered:
        await call.answer({"message": message}, status)


async def dispatch(call: Call, tokens: tuple[Token, ...] | None) -> None:
    path, method = call.exchange.target.partition("?")[0], call.exchange.method
    route = find(call, path, "GET" if method == "HEAD" else method)
    if route.role is not None:
        identify(call, tokens)
        if call.role is None:
            raise Unauthorized("name a token: Authorization: Bearer …")
        if not call.role.covers(route.role):
            raise Forbidden(f"a token of role {call.role.value} may not do this: it takes {route.role.value}")
    await route.handler(call)


def find(call: Call, path: str, method: str) -> Route:
    for route in ROUTES:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.pattern)
        if route.method == method and (found := re.fullmatch(pattern, path)):
            # a slash that is written as %2F is part of a name
            call.path = {name: unquote(value) for name, value in found.groupdict().items()}
            return route
    raise NotFound(f"there is nothing at {method} {unquote(path)}; /openapi.json lists what there is")


def identify(call: Call, tokens: tuple[Token, ...] | None) -> None:
    """Whose token it is. All tokens are compared, each in the same time, by their digests."""
    if tokens is None:
        call.role, call.who = Role.ADMIN, "this machine's administrator"
        return
    scheme, _, given = call.exchange.headers.get("authorization", "").partition(" ")
    sent = sha256(given.strip().encode()).digest()
    for token in tokens:
        try:
            known = sha256(read_secret(token.file)).digest()
        except SystemFailure:
            # one that can't be read is nobody's, and must not keep out the others
            continue
        if hmac.compare_digest(sent, known) and scheme.lower() == "bearer" and given.strip():
            call.role, call.who = token.role, token.name or f"a token of role {token.role.value}"
