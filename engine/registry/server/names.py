"""What may stand in a path: repositories' names, tags, digests. Source: OCI distribution-spec, Pulling manifests."""

from __future__ import annotations

import re

from engine.oci.digest import LENGTHS, Digest
from engine.registry.server.faults import DigestInvalid, ManifestInvalid, NameInvalid

COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
NAME = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
LONGEST_NAME = 255


def check_name(name: str) -> str:
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        raise NameInvalid(f'"{name[:300]}" is not the name of a repository: names are lower case, parts joined by /')
    return name


def parse_digest(text: str) -> Digest:
    """Raises DigestInvalid, for an algorithm that isn't served too."""
    try:
        digest = Digest.parse(text)
    except ValueError as error:
        raise DigestInvalid(str(error)) from error
    if digest.algorithm not in LENGTHS:
        raise DigestInvalid(f'the algorithm "{digest.algorithm}" is not served: want {" or ".join(LENGTHS)}')
    return digest


def parse_reference(text: str) -> str | Digest:
    """A tag or a digest. Raises DigestInvalid, ManifestInvalid."""
    if ":" in text:
        return parse_digest(text)
    return check_tag(text)


def check_tag(text: str) -> str:
    if not TAG.fullmatch(text):
        raise ManifestInvalid(f'"{text[:200]}" is not a tag: want at most 128 letters, digits, "_", "." and "-"')
    return text
