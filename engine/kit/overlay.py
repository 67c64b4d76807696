"""An overlay as a detached mount: reached by descriptor, in nobody's mount table, gone with the process that holds it.

Needs Linux 6.8 (`lowerdir+`); `mount_at` also knows the old way, by mount(2) and short names. Blocks for a moment.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engine.kit import syscalls

MOUNT_ATTR_RDONLY = 1


def detached(lower: Sequence[Path], upper: Path | None = None, work: Path | None = None) -> int:
    """A descriptor of the overlay's root. `lower` goes from the top down; no `upper`: read-only. Raises OSError.

