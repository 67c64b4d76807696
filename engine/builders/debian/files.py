"""`files:` of a debian image: a second layer over the packages, made of files of this machine.

Paths follow the links of the layer below, and a folder that is already there keeps its mode and owner: an entry for it
in an upper layer would otherwise replace them.
"""

from __future__ import annotations

import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.builders.debian.cache import CachedLayer
from engine.builders.debian.finish import Folder, Tree
from engine.builders.debian.layer import Hashing, Times, Writable, open_layer
from engine.builders.sources import ImageFile
from engine.client.errors import InvalidArgument
from engine.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Placed:
    """One file, folder or link of this machine and its path in the image, without the leading slash."""

    source: Path
    target: str
    mode: int | None
    owner: str


def placed(files: Sequence[ImageFile]) -> Iterator[Placed]:
    """Every entry of `files`, folders opened, in the order of names; links stay links below a folder."""
    for file in files:
        target = posixpath.normpath("/" + file.target).strip("/")
        if not file.source.exists():
            raise InvalidArgument(f"{file.source}: no such file or folder (for {file.target} in the image)")
        if file.target.endswith("/") and file.source.is_file():
            target = posixpath.join(target, file.source.name)
        if not file.source.is_dir():
            yield Placed(file.source.resolve(), target, file.mode, file.owner)
            continue
        yield Placed(file.source, target, None, file.owner)
        for folder, names, leaves in os.walk(file.source):
            names.sort()
            below = os.path.relpath(folder, file.source)
            for name in sorted([*names, *leaves]):
                path = Path(folder, name)
                is_file = not path.is_symlink() and path.is_file()
                yield Placed(path, posixpath.normpath(posixpath.join(target, below, name)),
                             file.mode if is_file else None, file.owner)  # fmt: skip


def write_files(files: Sequence[ImageFile], below: CachedLayer, target: Writable, times: Times) -> tuple[Digest, int]:
    """Write the layer; return its DiffID and size. A later file at the same path wins."""
    tree = Tree(links=dict(below.links), folders=dict(below.folders))
    last = {tree.real(entry.target): entry for entry in placed(files)}
    out = Hashing(target)
    folders: set[str] = set()
    with open_layer(out) as layer:
        for path in sorted(last):
            for parent in parents(path):
                if parent not in folders and parent not in last:
                    folders.add(parent)
                    layer.addfile(folder_entry(parent, below.folders.get(parent, Folder(0o755, 0, 0))))
            add(layer, path, last[path], below, times)
    return out.digest, out.size


def parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def folder_entry(path: str, folder: Folder) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, folder.mode, folder.uid, folder.gid
    return entry


def add(layer: tarfile.TarFile, path: str, entry: Placed, below: CachedLayer, times: Times) -> None:
    status = entry.source.lstat()
    if stat.S_ISDIR(status.st_mode) and path in below.folders:
        layer.addfile(folder_entry(path, below.folders[path]))
        return
    member = tarfile.TarInfo(path)
    member.mode = stat.S_IMODE(status.st_mode) if entry.mode is None else entry.mode
    member.uid, member.gid = ids(entry, below)
    member.mtime = int(status.st_mtime) if times.epoch is None else min(int(status.st_mtime), times.epoch)
    if stat.S_ISLNK(status.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, os.readlink(entry.source)
        layer.addfile(member)
    elif stat.S_ISDIR(status.st_mode):
        member.type, member.mtime = tarfile.DIRTYPE, 0
        layer.addfile(member)
    elif stat.S_ISREG(status.st_mode):
        with entry.source.open("rb") as content:
            member.size = os.fstat(content.fileno()).st_size
            layer.addfile(member, content)
    else:
        raise InvalidArgument(f"{entry.source}: only files, folders and links go into an image")


def ids(entry: Placed, below: CachedLayer) -> tuple[int, int]:
    """`user[:group]` → numbers; a user without a group brings its own group."""
    user, colon, group = entry.owner.partition(":")
    if user.isdigit():
        uid, gid = int(user), next((g for u, g in below.users.values() if u == int(user)), 0)
    elif user in below.users:
        uid, gid = below.users[user]
    else:
        raise InvalidArgument(f'owner "{entry.owner}" of /{entry.target}: the image has no user "{user}"')
    if not colon:
        return uid, gid
    if group.isdigit():
        return uid, int(group)
    if group not in below.groups:
        raise InvalidArgument(f'owner "{entry.owner}" of /{entry.target}: the image has no group "{group}"')
    return uid, below.groups[group]
