"""One file as the duplicate of another: its content by the kernel, the attributes that an image keeps. Blocks."""

from __future__ import annotations

import os

PIECE = 1 << 24


def remove(name: bytes, parent: int) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return


def copy(source: int, target: int) -> None:
    """All of a file's content, by the kernel."""
    try:
        while os.copy_file_range(source, target, PIECE):
            pass
    except OSError:
        while os.sendfile(target, source, None, PIECE):
            pass


def copy_attributes(place: str, handle: int) -> None:
    """Capabilities and users' attributes; what overlayfs or the host means by its own stays behind."""
    for key in os.listxattr(place, follow_symlinks=True):
        if (key.startswith("user.") and not key.startswith("user.overlay.")) or key == "security.capability":
            os.setxattr(handle, key, os.getxattr(place, key))
