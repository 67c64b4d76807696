"""What a volume's tar must be before it is let into a volume, and the one entry that engines leave out. Blocking."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import IO, Any

from engine.api.errors import InvalidArgument

BLOCK = tarfile.BLOCKSIZE


def checked(file: IO[bytes], name: str) -> tarfile.TarInfo | None:
    """Read a tar (plain, gzip, bzip2 or xz) to its end; what it says of the volume's own folder, if it does.

    Raises InvalidArgument for what is no tar, is cut off, or has an entry that would leave the volume. `name` is the
    file's, for those words. The file is left at its start.
    """
    top: tarfile.TarInfo | None = None
    try:
        with tarfile.open(fileobj=file, mode="r:*") as tar:
            for member in tar:
                parts = PurePosixPath(member.name).parts
                if ".." in parts or member.name.startswith("/"):
                    raise InvalidArgument(f'{name} has an entry that would leave the volume: "{member.name}"')
                if not parts and member.isdir():
                    top = member
                # the list of members is for readers that come back: here it would only grow
                tar.members.clear()  # type: ignore[attr-defined]
            if len(end_of(tar)) < BLOCK:
                raise InvalidArgument(f"{name} is cut off: the archive has no end")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InvalidArgument(f"{name} is no whole tar: {error}") from error
    file.seek(0)
    return top


def end_of(tar: tarfile.TarFile) -> bytes:
    """The block that ends the archive, where it has one."""
    stream: Any = tar.fileobj
    stream.seek(tar.offset)
    found: bytes = stream.read(BLOCK)
    return found


def folder_alone(top: tarfile.TarInfo, name: str) -> bytes:
    """A tar of one entry: the folder `name` with owner, mode, time and attributes of `top`."""
    top.name = name
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(top)
    return made.getvalue()


def holds_something(stream: IO[bytes]) -> bool:
    """Whether a volume's tar, as it comes from an engine, has more in it than the volume's own folder."""
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        return any(PurePosixPath(member.name).parts for member in tar)
