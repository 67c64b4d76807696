"""What a build is made of, as one digest: the planner compares it with the label that the image on the engine bears.

Blocking: reads every file concerned, in a thread of the caller's.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, assert_never

from engine.builders.context import context_digest, is_remote, read_context
from engine.builders.debian.files import Placed, placed
from engine.builders.sources import ArchiveImage, DebianImage, DockerfileBuild, ImageSource
from engine.client.errors import InvalidArgument

LAYOUT = "oci-layout://"
# The label of an image that we built: its source's key.
CONTENT = "io.rorqual.content"


def content_key(source: ImageSource) -> str:
    """A digest of all that this machine hands to the build; equal keys mean that nothing need be built again.

    Blocking, reads every file concerned. Asks no network and no engine, so what a name like `FROM debian` or a Debian
    suite stands for today has no part in it.
    """
    match source:
        case DebianImage():
            seen: Any = [spec_of(source, "files"), [file_seen(entry) for entry in placed(source.files)]]
        case ArchiveImage():
            seen = [source.ref, tree_digest(source.path)]
        case DockerfileBuild():
            sent = source.context if is_remote(source.context) else context_digest(read_context(source))
            # where the context lies and how it is fetched from caches has no part in what comes out
            seen = [spec_of(source, "context", "cache_from", "cache_to", "no_cache", "pull", "tags"), sent]
        case _:
            assert_never(source)
    text = json.dumps([type(source).__name__, seen], sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()}"


def spec_of(source: DebianImage | DockerfileBuild, *without: str) -> dict[str, Any]:
    spec = asdict(source)
    if isinstance(source, DockerfileBuild):
        without = (*without, "dockerfile", "secrets", "ssh")
        spec["additional_contexts"] = {
            name: tree_digest(Path(value.removeprefix(LAYOUT).partition(":")[0])) if on_this_machine(value) else value
            for name, value in source.additional_contexts.items()
        }
    else:
        spec["packages"] = sorted(set(source.packages))
    # defaults are left out, so that a later version with more fields finds today's key again
    return {key: value for key, value in spec.items() if key not in without and value}


def on_this_machine(context: str) -> bool:
    return os.path.isabs(context) or context.startswith(LAYOUT)


def file_seen(entry: Placed) -> list[Any]:
    status = entry.source.lstat()
    link = os.readlink(entry.source) if entry.source.is_symlink() else ""
    content = tree_digest(entry.source) if entry.source.is_file() and not link else ""
    mode = status.st_mode if entry.mode is None else entry.mode
    return [entry.target, mode & 0o7777, entry.owner, link, content, entry.source.is_dir()]


def tree_digest(path: Path) -> str:
    """The digest of a file, or of all files below a folder with their paths."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not path.is_dir():
        raise InvalidArgument(f"{path}: no such file or folder")
    whole = hashlib.sha256()
    for below in sorted(path.rglob("*")):
        if below.is_file():
            whole.update(f"\0{below.relative_to(path)}\0{tree_digest(below)}".encode(errors="surrogateescape"))
    return whole.hexdigest()
