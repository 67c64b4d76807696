"""Secrets out of what leaves the machine: an event's text quotes logs and probes, which may quote anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from engine.plan.sensitive import SHORTEST, sensitive_values
from specs.models import Project

HIDDEN = "***"
ASSIGNED = re.compile(r"(?i)\b([\w-]*(?:password|passwd|secret|token|api_?key)[\w-]*)(\s*[=:]\s*)(\S+)")


def secret_values(project: Project) -> set[str]:
    """What the project's secrets and its environment's sensitive values are."""
    found = {content_of(secret.file) for secret in project.secrets.values()} | set(sensitive_values(project))
    return {line for value in found for line in (value, value.strip()) if len(line) >= SHORTEST}


def content_of(file: str | None) -> str:
    try:
        return Path(file).read_text(errors="replace")[:65536] if file else ""
    except OSError:
        return ""


def redacted(text: str, secrets: Iterable[str]) -> str:
    for value in sorted(secrets, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return ASSIGNED.sub(rf"\1\2{HIDDEN}", text)
