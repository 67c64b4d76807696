"""The base of every model: canonical values under the keys that Compose prints, extensions kept apart."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """Fields stand in the order in which Compose writes them: its config hashes depend on it.

    A field left at None was not said; `extensions` holds the `x-*` keys as written.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True, defer_build=True)


class Extensible(Model):
    extensions: dict[str, Any] = Field(default_factory=dict, alias="#extensions")
