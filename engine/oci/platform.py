"""Platform: what an image runs on. Source: OCI image-spec v1.1, image-index.md, platform; names as Go has them."""

from __future__ import annotations

import platform
from dataclasses import dataclass

# Other people's names for the same machine → (architecture, variant).
ALIASES: dict[str, tuple[str, str]] = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armel": ("arm", "v5"),
    "armv6l": ("arm", "v6"),
    "ppc64el": ("ppc64le", ""),
    "mips64el": ("mips64le", ""),
    "mipsel": ("mipsle", ""),
    "loongarch64": ("loong64", ""),
}


@dataclass(frozen=True, slots=True)
class Platform:
    """os/architecture/variant; the variant is empty where the architecture has one only."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """`linux/arm64`, `linux/arm/v7`, or a bare architecture for Linux. Raises ValueError."""
        parts = text.strip().lower().split("/")
        if not 1 <= len(parts) <= 3 or not all(parts):
            raise ValueError(f'"{text}" is not a platform: want os/architecture[/variant], as linux/amd64')
        if len(parts) == 1:
            return cls("linux", *ALIASES.get(parts[0], (parts[0], "")))
        architecture, variant = ALIASES.get(parts[1], (parts[1], ""))
        return cls(parts[0], architecture, parts[2] if len(parts) == 3 else variant)

    @classmethod
    def of_debian(cls, architecture: str) -> Platform:
        """Debian's name of an architecture (`armhf`, `ppc64el`) → the platform."""
        return cls("linux", *ALIASES.get(architecture, (architecture, "")))

    @classmethod
    def here(cls) -> Platform:
        """The machine that this runs on."""
        return cls.parse(platform.machine())

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
