"""ImageConfig: what an image says of itself. Source: OCI image-spec v1.1, config.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engine.oci.digest import Digest
from engine.oci.platform import Platform

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The configuration of an image of one platform; `created` counts seconds since 1970, UTC."""

    platform: Platform
    diff_ids: tuple[Digest, ...]
    created: int
    created_by: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: str = ""
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Canonical bytes: equal configs have equal digests. `created_by` has one line per layer."""
        when = datetime.fromtimestamp(self.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        run: dict[str, Any] = {"Env": [f"{name}={value}" for name, value in self.env.items()]}
        if self.user:
            run["User"] = self.user
        if self.workdir:
            run["WorkingDir"] = self.workdir
        if self.entrypoint is not None:
            run["Entrypoint"] = list(self.entrypoint)
        if self.cmd is not None:
            run["Cmd"] = list(self.cmd)
        if self.labels:
            run["Labels"] = dict(sorted(self.labels.items()))
        whole: dict[str, Any] = {
            "architecture": self.platform.architecture,
            "config": run,
            "created": when,
            "history": [{"created": when, "created_by": line} for line in self.created_by],
            "os": self.platform.os,
            "rootfs": {"type": "layers", "diff_ids": [str(digest) for digest in self.diff_ids]},
        }
        if self.platform.variant:
            whole["variant"] = self.platform.variant
        return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()
