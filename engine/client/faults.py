"""What went wrong, as one of our errors: the engine's own refusals, and all that is below an answer.

Whatever can't be reached or read names the engine's address. Called by calls and streams.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.api.errors import EngineError, Timeout, Unavailable, error_of
from engine.http.errors import AnswerTimeout, ConnectFailed, HttpFault, NotHttp

# Podman answers some refusals with 500, and says in `cause` what they are. Source: containers/podman, libpod/define.
PODMAN_CAUSES = {
    "that name is already in use": 409,
    "no such container": 404,
    "no such volume": 404,
    "network not found": 404,
    "image not known": 404,
    "network already exists": 409,
    "volume already exists": 409,
    "volume is being used": 409,
    "network is being used": 409,
}


def parse(content: bytes, address: str) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise Unavailable(f"the engine at {address} gave an answer that is not JSON: {content[:80]!r}") from error


def refusal_of(status: int, content: bytes, address: str) -> EngineError:
    """The error for an answer of status 400 and up: {"message"} of Docker, {"cause", "message"} of Podman."""
    try:
        body = json.loads(content)
        text, cause = body["message"], body.get("cause")
    except (ValueError, KeyError, TypeError, AttributeError):
        text, cause = content.decode(errors="replace").strip(), None
    meant = PODMAN_CAUSES.get(cause, status) if status == 500 and isinstance(cause, str) else status
    return error_of(meant, str(text or f"the engine at {address} answered with status {status} and no message"))


@contextmanager
def told(address: str) -> Iterator[None]:
    """Turns a fault below HTTP into the one error that names the engine."""
    try:
        yield
    except HttpFault as fault:
        raise fault_of(address, fault) from fault


def fault_of(address: str, fault: HttpFault) -> EngineError:
    match fault:
        case AnswerTimeout():
            return Timeout(f"the engine at {address} gave {fault}")
        case ConnectFailed():
            return Unavailable(f"can't connect to the engine at {address}: {fault}{advice(str(fault))}")
        case NotHttp():
            return Unavailable(f"what listens at {address} is no container engine: {fault}")
        case _:
            return Unavailable(f"the engine at {address} was lost: {fault}")


def advice(text: str) -> str:
    if "permission denied" in text and "publickey" not in text:
        return "; run this as root, or as a member of the group that owns the socket"
    if "refused" in text or "no such file" in text:
        return "; is it running?"
    return ""
