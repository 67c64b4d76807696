"""Platform: what an image runs on. Source: OCI image-spec v1.1, image-index.md, platform; names as Go has them."""

from __future__ import annotations

import platform
import re
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
SYSTEMS = {"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris", "plan9", "aix"}
MACHINES = {"386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le", "ppc64", "ppc64le"}
MACHINES |= {"riscv64", "s390x", "wasm"}


@dataclass(frozen=True, slots=True)
class Platform:
    """os/architecture/variant; the variant is empty where the architecture has one only."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """`linux/arm64`, `linux/arm/v7`, a bare architecture for Linux, a bare system for this machine's architecture.

        Raises ValueError in containerd's words.
        """
        parts = text.strip().lower().split("/")
        if not 1 <= len(parts) <= 3 or not all(re.fullmatch(r"[a-z0-9_.-]+", part, re.ASCII) for part in parts):
            raise ValueError(f'"{text}": cannot parse platform specifier: invalid argument')
        if len(parts) == 1 and parts[0] in SYSTEMS:
            return cls(parts[0], cls.here().architecture)
        if len(parts) == 1:
            parts.insert(0, "linux")
            if ALIASES.get(parts[1], parts[1:])[0] not in MACHINES:
                raise ValueError(f'"{text}": unknown operating system or architecture: invalid argument')
        architecture, variant = ALIASES.get(parts[1], (parts[1], ""))
        return cls(parts[0], architecture, parts[2] if len(parts) == 3 else variant)

    @classmethod
    def of_debian(cls, architecture: str) -> Platform:
        """Debian's name of an architecture (`armhf`, `ppc64el`) → the platform."""
        return cls("linux", *ALIASES.get(architecture, (architecture, "")))

    @classmethod
    def here(cls) -> Platform:
        """The machine that this runs on."""
        return cls.of_debian(platform.machine())

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
