"""Reference: the name of an image, familiar or whole.

Source: distribution's reference grammar, and Docker's rules for what a short name means: no domain is docker.io, no
path on docker.io is library/, no tag and no digest is :latest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.oci.digest import Digest

DEFAULT_DOMAIN = "docker.io"
OFFICIAL = "library"
COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
PATH = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*")
TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
DOMAIN = re.compile(rf"(?:{LABEL}(?:\.{LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """A whole name: domain and path always, tag and digest where given."""

    domain: str
    path: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Raises ValueError with the fault in words."""
        name, _, digest = text.partition("@")
        name, tag = split_tag(name)
        domain, path = split_domain(name)
        if not DOMAIN.fullmatch(domain) or not PATH.fullmatch(path) or len(path) > LONGEST_NAME:
            hint = "; names are lower case" if path != path.lower() else ""
            raise ValueError(f'"{text}" is not an image reference{hint}')
        if ":" in name.removeprefix(domain) or (tag is not None and not TAG.fullmatch(tag)):
            raise ValueError(f'"{text}" is not an image reference: "{tag}" is not a tag')
        return cls(domain, path, tag or "", Digest.parse(digest) if "@" in text else None)

    @property
    def familiar(self) -> str:
        """As people write it: without docker.io and library/."""
        if self.domain != DEFAULT_DOMAIN:
            return f"{self.domain}/{self.path}{self.ending}"
        return f"{self.path.removeprefix(OFFICIAL + '/')}{self.ending}"

    @property
    def ending(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def with_default_tag(self) -> Reference:
        return self if self.tag or self.digest else Reference(self.domain, self.path, "latest")

    def __str__(self) -> str:
        return f"{self.domain}/{self.path}{self.ending}"


def split_tag(name: str) -> tuple[str, str | None]:
    head, colon, tail = name.rpartition(":")
    # a colon before a slash belongs to the domain's port
    return (head, tail) if colon and "/" not in tail else (name, None)


def split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    looks_like_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not looks_like_host:
        return DEFAULT_DOMAIN, name if "/" in name else f"{OFFICIAL}/{name}"
    if first in {DEFAULT_DOMAIN, "index.docker.io"}:
        return DEFAULT_DOMAIN, rest if "/" in rest else f"{OFFICIAL}/{rest}"
    return first, rest
