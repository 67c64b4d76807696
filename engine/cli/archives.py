"""Tars between a host's folder and a container, in the rules of `docker cp`. Blocking: call it in a thread.

Packing renames the first name of every entry; unpacking never writes outside the target.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from engine.api.errors import InvalidArgument, NotFound


def pack(stream: IO[bytes], source: Path, name: str, *, contents: bool, follow: bool, keep_owner: bool) -> None:
    """Write `source` as a tar whose top is called `name`; with `contents`, what is in the folder without the folder."""
    with tarfile.open(fileobj=stream, mode="w|", dereference=False, format=tarfile.PAX_FORMAT) as tar:
        for path, arcname in entries(source, name, contents=contents, follow=follow):
            if stat.S_ISSOCK(path.lstat().st_mode):
                # no tar can hold it
                continue
            info = tar.gettarinfo(str(path), arcname)
            if not keep_owner:
                info.uid = info.gid = 0
                info.uname = info.gname = ""
            if info.isreg():
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)


def entries(source: Path, name: str, *, contents: bool, follow: bool) -> Iterator[tuple[Path, str]]:
    """Every path below `source` with its name in the tar; a link is itself, unless it is `source` and `follow`."""
    source = source.resolve() if follow else source
    if not source.is_dir() or source.is_symlink():
        yield source, name
        return
    if not contents:
        yield source, name
    for folder, folders, files in os.walk(source):
        below = PurePosixPath(name if not contents else ".", *Path(folder).relative_to(source).parts)
        for child in sorted([*folders, *files]):
            yield Path(folder, child), str(below / child)


def unpack(stream: IO[bytes], target: Path, *, name: str, as_name: str | None, keep_owner: bool) -> None:
    """Write a tar below the folder `target`; its top `name` becomes `as_name`, and where that is None is left out.

    Raises InvalidArgument for an entry that would leave `target`.
    """
    with tarfile.open(fileobj=stream, mode="r|*") as tar:
        for member in tar:
            moved = renamed(member.name, name, as_name)
            if moved is None:
                continue
            member.name = moved
            if member.islnk():
                member.linkname = renamed(member.linkname, name, as_name) or member.linkname
            extract(tar, member, target, keep_owner=keep_owner)


def renamed(path: str, name: str, as_name: str | None) -> str | None:
    """`name/a/b` → `as_name/a/b` or `a/b`; None for the top itself where it is left out."""
    parts = [part for part in PurePosixPath(path).parts if part not in {".", "/"}]
    if parts and parts[0] == name:
        parts = parts[1:] if as_name is None else [as_name, *parts[1:]]
    return str(PurePosixPath(*parts)) if parts else None


def extract(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, *, keep_owner: bool) -> None:
    place = Path(target, member.name)
    parent = place.parent.resolve()
    root = target.resolve()
    if ".." in PurePosixPath(member.name).parts or not parent.is_relative_to(root):
        raise InvalidArgument(f'the container\'s tar has an entry that would leave {target}: "{member.name}"')
    if place.is_char_device() or place.is_block_device():
        raise InvalidArgument(f"{place} is a device: it is not replaced by a file; - writes the tar to stdout")
    if place.is_symlink() or (place.exists() and not place.is_dir() and not member.isdir()):
        place.unlink()
    if not keep_owner:
        member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
    tar.extract(member, target, set_attrs=True, numeric_owner=True)


def host_source(text: str) -> Path:
    """Raises NotFound in plain words."""
    path = Path(text)
    if not path.exists() and not path.is_symlink():
        raise NotFound(f"{text}: no such file or directory")
    return path
