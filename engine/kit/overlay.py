"""An overlay as a detached mount: reached by descriptor, in nobody's mount table, gone with the process that holds it.

Needs Linux 6.8 (`lowerdir+`); `mount_at` also knows the old way, by mount(2) and short names. Blocks for a moment.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engine.kit import syscalls

MOUNT_ATTR_RDONLY = 1
CLONE_FS = 0x200


def detached(lower: Sequence[Path], upper: Path | None = None, work: Path | None = None) -> int:
    """A descriptor of the overlay's root. `lower` goes from the top down; no `upper`: read-only. Raises OSError.

    Read-only needs two lower layers: overlayfs refuses to show one as it is.
    """
    context = syscalls.fsopen("overlay")
    try:
        for layer in lower:
            syscalls.fsconfig_string(context, "lowerdir+", str(layer))
        if upper is not None and work is not None:
            syscalls.fsconfig_string(context, "upperdir", str(upper))
            syscalls.fsconfig_string(context, "workdir", str(work))
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context, MOUNT_ATTR_RDONLY if upper is None else 0)
    finally:
        os.close(context)


def path_of(handle: int) -> Path:
    """A path by which this process, and others of this machine, reach a descriptor of ours."""
    return Path(f"/proc/{os.getpid()}/fd/{handle}")


def mount_at(
    target: Path, lower: Sequence[Path], upper: Path, work: Path, *, folder: Path, short: Sequence[str]
) -> None:
    """The overlay at `target`. Before Linux 6.8 by mount(2), whose 4 KiB take some 1,000 short names below `folder`.

    The old way changes the calling thread's working directory: call it in a thread of its own, or a child.
    """
    try:
        handle = detached(lower, upper, work)
    except OSError:
        mount_the_old_way(target, upper, work, folder, short)
        return
    try:
        syscalls.move_mount(handle, str(target))
    finally:
        os.close(handle)


def view_at(target: Path, lower: Sequence[Path]) -> None:
    """Two layers or more, read-only, at `target`. Before Linux 6.8 they must lie in one folder; see mount_at."""
    try:
        handle = detached(lower)
    except OSError:
        syscalls.checked(syscalls.LIBC.unshare(CLONE_FS))
        os.chdir(lower[0].parent)
        names = ":".join(path.name for path in lower)
        syscalls.mount("overlay", str(target), "overlay", syscalls.MS_RDONLY, f"lowerdir={names}")
        return
    try:
        syscalls.move_mount(handle, str(target))
    finally:
        os.close(handle)


def mount_the_old_way(target: Path, upper: Path, work: Path, folder: Path, short: Sequence[str]) -> None:
    # the working directory of this thread alone
    syscalls.checked(syscalls.LIBC.unshare(CLONE_FS))
    os.chdir(folder)
    syscalls.mount("overlay", str(target), "overlay", 0, f"lowerdir={':'.join(short)},upperdir={upper},workdir={work}")
