"""What an image can be made from: frozen values, complete and resolved. The planner writes them, builders read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file or folder of this machine that goes into the image at `target`; a folder goes whole."""

    source: Path
    target: str
    mode: int | None = None
    # user[:group], by name or number, as the image's own /etc/passwd knows them
    owner: str = "0:0"


@dataclass(frozen=True, slots=True)
class DebianImage:
    """`images: {x: {debian: …}}`: packages of one suite, unpacked by mmdebstrap and finished by us."""

    suite: str
    packages: tuple[str, ...] = ()
    variant: str = "extract"
    architecture: str | None = None
    files: tuple[ImageFile, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: str = ""
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArchiveImage:
    """`images: {x: {archive: …}}`: docker save, OCI layout (tar or folder) or a plain root file system."""

    path: Path
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class BuildSecret:
    """A secret that one RUN may read, from a file or from a variable of this process's environment."""

    id: str
    file: Path | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Ulimit:
    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class DockerfileBuild:
    """Compose's build object, resolved: `context` is an absolute path or a URL, names are local references."""

    context: str
    dockerfile: str | None = None
    dockerfile_inline: str | None = None
    args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    # host:address, as the API has it
    extra_hosts: tuple[str, ...] = ()
    network: str = ""
    shm_size: int = 0
    ulimits: tuple[Ulimit, ...] = ()
    no_cache: bool = False
    no_cache_filter: tuple[str, ...] = ()
    pull: bool = False
    platforms: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    privileged: bool = False
    isolation: str = ""
    secrets: tuple[BuildSecret, ...] = ()
    # default, or id=path of a socket or key
    ssh: tuple[str, ...] = ()
    # name → path, URL, docker-image://… or oci-layout://…
    additional_contexts: Mapping[str, str] = field(default_factory=dict)
    entitlements: tuple[str, ...] = ()
    sbom: str = ""
    provenance: str = ""
    # bytes that a RUN may use, and the name of a buildx builder: the command line's, no keys of the spec
    memory: int = 0
    builder: str = ""


ImageSource = DebianImage | ArchiveImage | DockerfileBuild
