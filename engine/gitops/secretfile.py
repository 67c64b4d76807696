"""Secrets that the settings name by file: read when they are needed, so that a changed one counts at once."""

from __future__ import annotations

from pathlib import Path

from engine.client.errors import SystemFailure


def read_secret(file: Path) -> bytes:
    """The file's content without the newline that editors add. Raises SystemFailure: an empty secret is none."""
    try:
        found = file.read_bytes().strip()
    except OSError as error:
        raise SystemFailure(f"can't read the secret {file}: {error.strerror}") from None
    if not found:
        raise SystemFailure(f"the secret {file} is empty")
    return found
