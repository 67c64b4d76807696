"""The look for an image's signature, with faults as the engine's client has them. Handed to reconcile, which knows
engines and no registries; the command line's, too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from engine.client.errors import InvalidArgument, NotFound, SystemFailure, Unauthorized, Unavailable
from engine.registry.client.faults import NoCredentials, Refused, RemoteFault, Unreachable
from engine.registry.signatures import BadKey, Unsigned
from engine.registry.signed import find_signed


async def signed_digest(reference: str, key: str, environment: Mapping[str, str] = os.environ) -> str:
    """The digest that the reference stands for now, where it is signed with the private half of the key in the file.

    Raises InvalidArgument, NotFound, Unauthorized, Unavailable, and SystemFailure for an image without the signature.
    """
    try:
        return str(await find_signed(reference, Path(key), environment))
    except Unsigned as fault:
        raise SystemFailure(str(fault)) from fault
    except BadKey as fault:
        raise InvalidArgument(str(fault)) from fault
    except RemoteFault as fault:
        said = f"the signature of {reference} can't be looked for: {fault}"
        if isinstance(fault, NoCredentials) or (isinstance(fault, Refused) and fault.status in {401, 403}):
            raise Unauthorized(said) from fault
        if isinstance(fault, Refused) and fault.status == 404:
            raise NotFound(said) from fault
        raise (Unavailable if isinstance(fault, Unreachable) else SystemFailure)(said) from fault
