"""Images as nodes of their own: `images:` at top level or under `x-rorqual` (LANGUAGE.md, "What is ours")."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from specs.models.base import Extensible, Model
from specs.models.build import Build


class Verify(Model):
    cosign: str | None = None


class DebianFile(Model):
    """A file of the host laid into the image; `source` is absolute."""

    source: str
    target: str
    mode: int | None = None
    owner: str | None = None


class Debian(Model):
    """An image made of Debian packages by mmdebstrap, on the client's side."""

    suite: str
    packages: list[str] = Field(default_factory=list)
    variant: str = "extract"
    architecture: str | None = None
    files: list[DebianFile] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    user: str | None = None
    workdir: str | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    labels: dict[str, str] = Field(default_factory=dict)


class Image(Extensible):
    """Exactly one of `build`, `pull`, `debian`, `archive` says where it comes from.

    `reference` is its local name: what is pulled, else the first tag, or `<project>-<name>:latest`.
    """

    build: Build | None = None
    pull: str | None = None
    debian: Debian | None = None
    archive: str | None = None
    ref: str | None = None
    tags: list[str] | None = None
    push: bool | None = None
    verify: Verify | None = None
    policy: str | None = None
    reference: str = ""

    @property
    def source(self) -> Any:
        """The one of `build`, `pull`, `debian`, `archive` that is set."""
        return self.build or self.debian or self.pull or self.archive
