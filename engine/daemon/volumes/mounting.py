"""A volume's options as one mount(2): `type`, `device`, `o`, as mount(8) reads them. Raises engine faults."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from engine.api.errors import InvalidArgument, SystemFailure
from engine.kit import syscalls

FLAGS = {
    "ro": syscalls.MS_RDONLY,
    "nosuid": syscalls.MS_NOSUID,
    "nodev": syscalls.MS_NODEV,
    "noexec": syscalls.MS_NOEXEC,
    "bind": syscalls.MS_BIND,
    "rbind": syscalls.MS_BIND | syscalls.MS_REC,
    "sync": 16,
    "dirsync": 128,
    "noatime": 1024,
    "nodiratime": 2048,
    "relatime": 1 << 21,
    "strictatime": 1 << 24,
    "private": 0,
    "rprivate": 0,
}
NO_FLAGS = {"defaults", "rw", "suid", "dev", "exec", "async", "auto", "noauto", "user", "nouser", "_netdev"}


def mount_volume(name: str, options: Mapping[str, str], target: Path) -> None:
    flags, data = parse(options.get("o", ""))
    device, kind = options["device"], options.get("type", "none")
    if flags & syscalls.MS_BIND and not Path(device).is_absolute():
        raise InvalidArgument(f'the volume {name} binds "{device}": a bind needs an absolute path')
    if kind in {"nfs", "nfs4", "cifs"}:
        data = [resolved(item) for item in data]
    try:
        syscalls.mount(device, str(target), "" if flags & syscalls.MS_BIND else kind, flags, ",".join(data))
        if flags & syscalls.MS_BIND and flags & ~(syscalls.MS_BIND | syscalls.MS_REC):
            # a bind takes its own flags only when it is mounted again
            syscalls.mount(device, str(target), "", flags | syscalls.MS_REMOUNT)
    except OSError as error:
        words = f"failed to mount local volume: mount {device}:{target}, flags: {options.get('o', '')}"
        raise SystemFailure(f"error while mounting volume '{target}': {words}: {error.strerror}") from error


def parse(text: str) -> tuple[int, list[str]]:
    flags, data = 0, []
    for word in filter(None, text.split(",")):
        if word in FLAGS:
            flags |= FLAGS[word]
        elif word not in NO_FLAGS:
            data.append(word)
    return flags, data


def resolved(item: str) -> str:
    """The kernel wants an address where people write a name."""
    key, _, value = item.partition("=")
    if key != "addr":
        return item
    try:
        return f"addr={socket.getaddrinfo(value, None)[0][4][0]}"
    except OSError as error:
        raise SystemFailure(f'error resolving passed in network volume address "{value}": {error}') from error


def is_mounted(folder: Path) -> bool:
    """Whether something is mounted there: also a bind of the same file system, so mountinfo has to say it."""
    wanted = os.fsencode(folder).replace(b" ", b"\\040")
    with open("/proc/self/mountinfo", "rb") as table:
        return any(line.split(b" ", 5)[4] == wanted for line in table)
