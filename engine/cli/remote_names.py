"""Registries that a command asks itself, without an engine, with the user's own credentials."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from engine.api.errors import EngineError, InvalidArgument, NotFound, SystemFailure, Unauthorized, Unavailable
from engine.credentials.config import ConfigFile, Credentials, CredentialsFault
from engine.oci.reference import Reference

if TYPE_CHECKING:
    from engine.registry.client.registries import Registries

Insecure = Annotated[bool, typer.Option("--insecure", help="Take plain HTTP and any certificate; loopback always may")]


@asynccontextmanager
async def asking(host: str, insecure: bool) -> AsyncIterator[tuple[Registries, Credentials | None]]:
    """Within, a registry's faults are the command's."""
    # late: only what asks a registry needs its client
    from engine.registry.client.faults import NoCredentials, Refused, RemoteFault, Unreachable
    from engine.registry.client.policy import Policy
    from engine.registry.client.registries import Registries

    policy = Policy(insecure=(host,) if insecure else (), environment=dict(os.environ))
    registries = Registries(policy)
    try:
        auth = await ConfigFile.read(os.environ).auth_for_host(host)
        yield registries, auth
    except CredentialsFault as error:
        raise InvalidArgument(str(error)) from error
    except RemoteFault as fault:
        said: EngineError = SystemFailure(f"the registry {host}: {fault}")
        if isinstance(fault, NoCredentials) or (isinstance(fault, Refused) and fault.status in {401, 403}):
            said = Unauthorized(f"the registry {host} refuses: {fault}; log in with `rorqual registry login {host}`")
        elif isinstance(fault, Refused) and fault.status == 404:
            said = NotFound(f"the registry {host} has it not: {fault}")
        elif isinstance(fault, Unreachable):
            said = Unavailable(f"the registry {host} can't be asked: {fault}")
        raise said from fault
    finally:
        await registries.aclose()


def repository_of(text: str) -> Reference:
    """Raises InvalidArgument."""
    try:
        return Reference.parse(text)
    except ValueError as error:
        raise InvalidArgument(str(error)) from error
