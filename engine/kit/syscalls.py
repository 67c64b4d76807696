"""System calls that Python has no names for: openat2 (paths that can't leave a folder) and the mount calls.

Numbers are those of the generic table, the same on every architecture since 2019. Each raises OSError.
"""

from __future__ import annotations

import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
SYSCALL = LIBC.syscall
M_ARENA_MAX = -8
SYSCALL.restype = ctypes.c_long
SYS_MOVE_MOUNT, SYS_FSOPEN, SYS_FSCONFIG, SYS_FSMOUNT, SYS_OPENAT2 = 429, 430, 431, 432, 437

RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT = 0x02, 0x04, 0x08, 0x10
FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 0, 1, 6
FSOPEN_CLOEXEC = FSMOUNT_CLOEXEC = 1
MOVE_MOUNT_F_EMPTY_PATH = 4
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20
MNT_DETACH = 2


def checked(result: int, what: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def openat2(folder: int, path: str | bytes, flags: int, *, mode: int = 0, resolve: int = RESOLVE_IN_ROOT) -> int:
    """Open `path` as if `folder` were the root: links and `..` can't leave it. A folder that lies outside is EXDEV."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve | RESOLVE_NO_MAGICLINKS)
    name = os.fsencode(path)
    return checked(SYSCALL(SYS_OPENAT2, folder, name, how, len(how)), os.fsdecode(path))


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """mount(2); options may have 4095 bytes at the most."""
    checked(
        LIBC.mount(
            os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), os.fsencode(options) or None
        ),
        target,
    )


def unmount(target: str, *, lazily: bool = True) -> None:
    checked(LIBC.umount2(os.fsencode(target), MNT_DETACH if lazily else 0), target)


def fsopen(kind: str) -> int:
    return checked(SYSCALL(SYS_FSOPEN, kind.encode(), FSOPEN_CLOEXEC), kind)


def fsconfig_string(context: int, key: str, value: str) -> None:
    checked(SYSCALL(SYS_FSCONFIG, context, FSCONFIG_SET_STRING, key.encode(), os.fsencode(value), 0), value)


def fsconfig_create(context: int) -> None:
    checked(SYSCALL(SYS_FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0))


def fsmount(context: int, attributes: int = 0) -> int:
    """A mount that is nowhere in the tree: gone when its descriptor is closed, unless it is moved to a place."""
    return checked(SYSCALL(SYS_FSMOUNT, context, FSMOUNT_CLOEXEC, attributes))


def move_mount(handle: int, target: str) -> None:
    """Put the detached mount at `target`, in the caller's mount namespace."""
    checked(SYSCALL(SYS_MOVE_MOUNT, handle, b"", -100, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH), target)


def share_one_heap() -> None:
    """Let all threads of this process take their memory from one place (mallopt(3)); not every C library can.

    glibc gives threads heaps of their own, whose gaps nobody else fills: a process that begins a thread for each of
    thousands of calls grows by kilobytes with each, though it keeps nothing. Before the first thread begins.
    """
    mallopt = getattr(LIBC, "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
