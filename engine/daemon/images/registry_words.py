"""A registry's faults in the words and statuses that Docker's daemon gives them.

Source: moby, distribution/errors.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.api.errors import (
    EngineError,
    Forbidden,
    NotFound,
    SystemFailure,
    Unauthorized,
    Unavailable,
)
from engine.daemon.snapshots.tarread import TarFault
from engine.oci.reference import Reference
from engine.registry.client.faults import Damaged, NoCredentials, Refused, RemoteFault, Unreachable

BUILDKIT = "moby/buildkit"
WITHOUT_BUILDKIT = "set DOCKER_BUILDKIT=0 to build with this engine's own builder"


@contextmanager
def pulling(reference: Reference) -> Iterator[None]:
    """Within, faults are about pulling `reference`."""
    try:
        yield
    except RemoteFault as fault:
        raise pull_error(reference, fault) from fault
    except TarFault as fault:
        raise SystemFailure(f"failed to register layer: {fault}") from fault
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise SystemFailure(f"failed to register layer: {where}{(error.strerror or str(error)).lower()}") from error


def pull_error(reference: Reference, fault: RemoteFault) -> EngineError:
    name = reference.familiar
    repository = name.removesuffix(reference.ending)
    match fault:
        case NoCredentials():
            return SystemFailure(f'Head "https://{reference.domain}/v2/{reference.path}": no basic auth credentials')
        case Refused(status=404, code="NAME_UNKNOWN"):
            return NotFound(f"repository {repository} not found: {fault}")
        case Refused(status=404, code="BLOB_UNKNOWN"):
            return NotFound(f"{name} is incomplete at its registry: {fault}")
        case Refused(status=404):
            return NotFound(f"manifest for {name} not found: {fault}")
        case Refused(status=401 | 403):
            return NotFound(
                f"pull access denied for {repository}, repository does not exist or may require 'docker login': {fault}"
            )
        case Unreachable() if reference.path == BUILDKIT:
            # nobody asked for this image: buildx did, in whose output the reason would be missed
            return SystemFailure(f"{fault} (buildx wants {name} to build in: {WITHOUT_BUILDKIT})")
    return error_of(fault)


def error_of(fault: RemoteFault) -> EngineError:
    """Without a name in it: pushes, searches, logins."""
    match fault:
        case NoCredentials():
            return Unauthorized(str(fault))
        case Refused(status=401):
            return Unauthorized(str(fault))
        case Refused(status=403):
            return Forbidden(str(fault))
        case Refused(status=404):
            return NotFound(str(fault))
        case Refused(status=429):
            return Unavailable(f"{fault} (the registry's rate limit is reached: try again later, or log in)")
        case Unreachable():
            return SystemFailure(str(fault))
        case Damaged():
            return SystemFailure(str(fault))
    return SystemFailure(f"the registry refused: {fault}")
