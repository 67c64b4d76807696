"""Secrets out of what leaves the machine: an event's text quotes logs and probes, which may quote anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from specs.models import Project

HIDDEN = "***"
# Shorter ones would take ordinary words out of every sentence.
SHORTEST = 4
MARKED = re.compile(r"(?i)pass(word|wd)?|secret|token|api_?key|private_?key|credential")
ASSIGNED = re.compile(r"(?i)\b([\w-]*(?:password|passwd|secret|token|api_?key)[\w-]*)(\s*[=:]\s*)(\S+)")


def secret_values(project: Project) -> set[str]:
    """What the project's secrets and its environment's marked values are."""
    found: set[str] = set()
    for secret in project.secrets.values():
        found.add(secret.content or content_of(secret.file))
    for service in project.services.values():
        found |= {v for k, v in (service.environment or {}).items() if v and MARKED.search(k)}
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
