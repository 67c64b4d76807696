"""Whether what a reference stands for now is signed with a key: asked of its registry, with the user's credentials."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.credentials.config import ConfigFile, CredentialsFault
from engine.oci.digest import Digest
from engine.oci.reference import Reference
from engine.registry.client.policy import Policy
from engine.registry.client.registries import Registries
from engine.registry.signatures import BadKey, Unsigned, check_signed, read_key


async def find_signed(reference: str, key: Path, environment: Mapping[str, str]) -> Digest:
    """The digest that is signed with the private half of the key in the file.

    Raises Unsigned, BadKey (for credentials that can't be had, too), and the registry client's faults.
    """
    parsed = Reference.parse(reference).with_default_tag()
    registries = Registries(Policy(environment=dict(environment)))
    try:
        verify = read_key(key)
        remote = registries.remote(parsed, await ConfigFile.read(environment).auth_for(reference))
        digest = parsed.digest or (await remote.manifest(parsed.tag)).digest
        try:
            await check_signed(remote, digest, verify)
        except Unsigned as fault:
            whole = reference if parsed.digest else f"{reference}@{digest}"
            raise Unsigned(f"{whole} is not signed with {key}: {fault}") from fault
    except CredentialsFault as fault:
        raise BadKey(str(fault)) from fault
    finally:
        await registries.aclose()
    return digest
