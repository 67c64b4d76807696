"""The whole project, resolved: what `load` returns and everything downstream reads."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from specs.models.base import Extensible
from specs.models.files import Config, Secret
from specs.models.image import Image
from specs.models.network import Network
from specs.models.service import Service
from specs.models.volume import Volume


class LanguageModel(Extensible):
    """An entry of Compose's top-level `models`."""

    name: str | None = None
    model: str | None = None
    context_size: int | None = None
    runtime_flags: list[str] | None = None


class Project(Extensible):
    """Strings are real values (no `$$`); keys are the file's own names, `name` inside an entry is the engine's.

    `disabled_services` are those of profiles that are not active. `environment` is what interpolation saw.
    `folded_files` are the env_file and label_file of services and their environment before: hashes hold them.
    `files` are the absolute paths of the Compose files, in order; `-` is standard input.
    """

    name: str
    working_dir: str
    services: dict[str, Service] = Field(default_factory=dict)
    networks: dict[str, Network] = Field(default_factory=dict)
    volumes: dict[str, Volume] = Field(default_factory=dict)
    secrets: dict[str, Secret] = Field(default_factory=dict)
    configs: dict[str, Config] = Field(default_factory=dict)
    models: dict[str, LanguageModel] = Field(default_factory=dict)
    images: dict[str, Image] = Field(default_factory=dict)
    disabled_services: dict[str, Service] = Field(default_factory=dict)
    folded_files: dict[str, dict[str, Any]] = Field(default_factory=dict)
    files: list[str] = Field(default_factory=list)
    environment: dict[str, str] = Field(default_factory=dict)
    profiles: list[str] = Field(default_factory=list)

    @property
    def x_rorqual(self) -> dict[str, Any]:
        found = self.extensions.get("x-rorqual")
        return found if isinstance(found, dict) else {}
