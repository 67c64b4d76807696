"""What a build may take from: the context that came in the body, and what else the request's extension brought.

Unpacked below a folder of the build's own; nothing in it is trusted: names stay below the folder, links are followed
within it alone. Called in threads.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.api.errors import InvalidArgument
from engine.daemon.build.options import Extension
from engine.daemon.snapshots.placing import Placer
from engine.daemon.snapshots.streams import Next, Pieces, unpacked
from engine.daemon.snapshots.tarread import Entry, TarFault, TarReader
from engine.dockerfile.ignore import parse
from engine.kit.rooted import RootedFolder, UnsafePath, parts_of, remove_tree

# A body of this type holds `context/` and what a classic request has no place for (docs/build.md).
EXTENDED = "application/vnd.rorqual.build.v1+tar"
LARGEST_DOCKERFILE = 4 << 20
LARGEST_SECRET = 1 << 20
IGNORE_FILE = ".dockerignore"


@dataclass(slots=True)
class Context:
    """`root` is the context itself; `named` are other folders by name, `secrets` contents by id."""

    root: Path
    named: Mapping[str, Path] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    extension: Extension = field(default_factory=Extension)


class ContextPlacer(Placer):
    """No devices: a file is what a build copies."""

    def _place(self, entry: Entry) -> None:
        if entry.kind in (0x33, 0x34):
            raise TarFault(f'"{os.fsdecode(entry.name)}" is a device, which no build context holds')
        super()._place(entry)


def unpack_context(folder: Path, packed: Next, *, extended: bool = False) -> Mapping[str, bytes]:
    """The tar (packed or not) below the empty folder → the secrets of an extended one.

    Raises InvalidArgument; OSError for a full or broken disk.
    """
    try:
        source = Pieces(packed)
        if not source.peek(1):
            return {}
        reader = TarReader(Pieces(unpacked(source)))
        with RootedFolder(folder) as root:
            placer = ExtendedPlacer(root, reader) if extended else ContextPlacer(root, reader, b"", False, None)
            placed = placer.run()
        if placed.missing:
            raise TarFault(f"a hard link names {os.fsdecode(placed.missing[0][1])}, which is not there")
    except (TarFault, UnsafePath) as error:
        raise InvalidArgument(f"the build context can't be unpacked: {error}") from None
    return placer.secrets if isinstance(placer, ExtendedPlacer) else {}


def plain_context(folder: Path, packed: Next) -> Context:
    root = folder / "context"
    root.mkdir()
    unpack_context(root, packed)
    return Context(root)


class ExtendedPlacer(ContextPlacer):
    """Secrets stay in memory: they never touch the disk."""

    def __init__(self, root: RootedFolder, reader: TarReader) -> None:
        super().__init__(root, reader, b"", False, None)
        self.secrets: dict[str, bytes] = {}

    def _place(self, entry: Entry) -> None:
        parts = parts_of(entry.name)
        if parts[:1] != [b"secrets"]:
            super()._place(entry)
        elif len(parts) == 2 and entry.kind in (0, 0x30):
            if entry.size > LARGEST_SECRET:
                raise TarFault(f"a secret is larger than {LARGEST_SECRET >> 10} KB")
            pieces = []
            while piece := self._reader.content(LARGEST_SECRET):
                pieces.append(piece)
            self.secrets[os.fsdecode(parts[1])] = b"".join(pieces)


def extended_context(folder: Path, packed: Next) -> Context:
    """A body of the type EXTENDED. Raises InvalidArgument."""
    secrets = unpack_context(folder, packed, extended=True)
    root = folder / "context"
    if not root.exists():
        root.mkdir()
    said = read_json(folder / "build.json")
    try:
        contexts = {
            str(name): folder / "contexts" / str(number) for name, number in (said.get("contexts") or {}).items()
        }
        known = {str(name): secrets[str(number)] for name, number in (said.get("secrets") or {}).items()}
        extension = Extension(
            images=texts_of(said.get("images")),
            remotes=texts_of(said.get("remotes")),
            agents=texts_of(said.get("ssh")),
        )
        if not all(is_real_folder(path) for path in (root, *contexts.values())):
            raise ValueError
    except (AttributeError, KeyError, ValueError, OSError):
        raise InvalidArgument("build.json in the extended build request names what is not in it") from None
    return Context(root, contexts, known, extension)


def texts_of(found: Any) -> dict[str, str]:
    """Raises AttributeError for what is no object."""
    return {str(name): str(value) for name, value in (found or {}).items()}


def read_json(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_bytes()) if is_real_file(path) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidArgument("build.json in the extended build request can't be read")
    return found


def is_real_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def is_real_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def read_dockerfile(root: Path, name: str) -> str:
    """The Dockerfile's text; what .dockerignore hides of it and of itself is gone from the context then.

    Raises InvalidArgument, in Docker's words where there is none.
    """
    name = name or "Dockerfile"
    try:
        parts = parts_of(os.fsencode(name))
    except UnsafePath:
        raise InvalidArgument(f"Forbidden path outside the build context: {name}") from None
    with RootedFolder(root) as rooted:
        content = read_small(rooted, b"/".join(parts))
        if content is None and name == "Dockerfile":
            parts = [b"dockerfile"]
            content = read_small(rooted, b"dockerfile")
        if content is None:
            raise InvalidArgument(f"Cannot locate specified Dockerfile: {name}")
        if not content.strip():
            raise InvalidArgument(f"the Dockerfile ({name}) cannot be empty")
        hide_ignored(rooted, [os.fsdecode(b"/".join(parts)), IGNORE_FILE])
    return content.decode("utf-8", "replace")


def read_small(rooted: RootedFolder, path: bytes) -> bytes | None:
    try:
        handle = rooted.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        content = file.read(LARGEST_DOCKERFILE + 1)
    if len(content) > LARGEST_DOCKERFILE:
        raise InvalidArgument(f"{os.fsdecode(path)} is larger than {LARGEST_DOCKERFILE >> 20} MB")
    return content


def hide_ignored(rooted: RootedFolder, paths: list[str]) -> None:
    """Clients always send the Dockerfile and .dockerignore; COPY sees them only where .dockerignore lets it."""
    text = read_small(rooted, IGNORE_FILE.encode())
    if text is None:
        return
    try:
        ignore = parse(text.decode("utf-8", "replace"))
    except ValueError as error:
        raise InvalidArgument(f"{IGNORE_FILE}: {error}") from None
    for path in paths:
        if ignore.excludes(path):
            parts = parts_of(os.fsencode(path))
            try:
                parent, name = rooted.split(parts)
            except OSError:
                continue
            remove_tree(name, parent)
