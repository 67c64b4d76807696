"""A root file system's tar → one layer of an image: the host's traces out, the finish step in, times made the same.

Blocking; called in a thread. Equal packages give equal bytes: entries keep the order of names that mmdebstrap has, and
what was made during this build, not shipped by a package, gets one fixed time.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Protocol, cast

from engine.builders.debian.accounts import Accounts
from engine.builders.debian.finish import (
    DROPPED,
    HELD,
    READ,
    Entry,
    Folder,
    Kind,
    Tree,
    accounts_of,
    finish,
    versions,
)
from engine.oci.digest import Digest


class Writable(Protocol):
    def write(self, content: bytes, /) -> int: ...


class Hashing:
    """A file that is written once, front to back, and knows its own digest."""

    def __init__(self, target: Writable) -> None:
        self.target, self.hash, self.size = target, hashlib.sha256(), 0

    def write(self, content: bytes) -> int:
        self.hash.update(content)
        self.size += len(content)
        return self.target.write(content)

    @property
    def digest(self) -> Digest:
        return Digest("sha256", self.hash.hexdigest())


@dataclass(frozen=True, slots=True)
class LayerMade:
    diff_id: Digest
    size: int
    # the newest time of a file that a package brought: the image's own date
    newest: int
    tree: Tree
    accounts: Accounts


@dataclass(frozen=True, slots=True)
class Times:
    """Times at or after `started` were made by this build; `epoch`, where set, caps all (SOURCE_DATE_EPOCH)."""

    started: int
    epoch: int | None = None

    def of(self, mtime: float) -> int:
        whole = int(mtime) if mtime < self.started else 0
        return whole if self.epoch is None else min(whole, self.epoch)


def write_layer(source: IO[bytes], target: Writable, packages: Callable[[], frozenset[str]], times: Times) -> LayerMade:
    """Copy `source` (a tar stream) to `target`, finished. `packages` is asked once the stream has ended."""
    out = Hashing(target)
    tree = Tree()
    newest = 0
    with tarfile.open(fileobj=source, mode="r|") as packed, open_layer(out) as layer:
        for member in packed:
            name = plain(member.name)
            data: IO[bytes] | None = packed.extractfile(member) if member.isreg() else None
            if data is not None and READ.fullmatch(name):
                tree.contents[name] = data.read()
                data = io.BytesIO(tree.contents[name])
            if DROPPED.fullmatch(name) or name in tree.paths:
                continue
            note(tree, name, member)
            if name in HELD and member.isdir():
                continue
            clean(member, name, times)
            newest = max(newest, int(member.mtime))
            layer.addfile(member, data)
        accounts = accounts_of(tree, packages() | versions(tree).keys())
        for entry in finish(tree, accounts):
            add_entry(layer, entry, newest)
            note_entry(tree, entry)
    return LayerMade(out.digest, out.size, newest, tree, accounts)


def open_layer(target: Writable) -> tarfile.TarFile:
    return tarfile.open(fileobj=cast("IO[bytes]", target), mode="w|", format=tarfile.PAX_FORMAT)


def plain(name: str) -> str:
    """A member's name as one path: no leading ./ or /, the root itself empty."""
    path = posixpath.normpath(name).lstrip("/")
    return "" if path == "." else path


def clean(member: tarfile.TarInfo, name: str, times: Times) -> None:
    """Take out what depends on this machine and this moment; extended attributes (file capabilities) stay."""
    member.name = name or "./"
    member.mtime = times.of(member.mtime)
    member.uname = member.gname = ""
    if member.islnk():
        member.linkname = plain(member.linkname)
    member.pax_headers = {key: value for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr.")}


def note(tree: Tree, name: str, member: tarfile.TarInfo) -> None:
    tree.paths.add(name)
    if member.isdir():
        tree.folders[name] = Folder(member.mode, member.uid, member.gid)
    elif member.issym():
        tree.links[name] = member.linkname


def note_entry(tree: Tree, entry: Entry) -> None:
    tree.paths.add(entry.path)
    if entry.kind is Kind.FOLDER:
        tree.folders[entry.path] = Folder(entry.mode, entry.uid, entry.gid)
    elif entry.kind is Kind.LINK:
        tree.links[entry.path] = entry.target


def add_entry(layer: tarfile.TarFile, entry: Entry, mtime: int) -> None:
    member = tarfile.TarInfo(entry.path or "./")
    member.mode, member.uid, member.gid, member.mtime = entry.mode, entry.uid, entry.gid, mtime
    match entry.kind:
        case Kind.FOLDER:
            member.type = tarfile.DIRTYPE
        case Kind.LINK:
            member.type, member.linkname = tarfile.SYMTYPE, entry.target
        case Kind.FILE:
            member.size = len(entry.content)
    layer.addfile(member, io.BytesIO(entry.content))
