"""What containers are given of the host and no release keeps: folders, and mounted files of more than 1 MiB. A release
has a mark of each, so that a return to it can say what is no longer as it was.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from engine.plan.lower.mounts import given_files
from engine.reconcile.contents import open_unblocked
from engine.reconcile.files import largest_of
from specs.models import Project

# Of so much the content is read; of more the names, sizes and times count; a folder of more entries has no mark.
MOST_BYTES, MOST_ENTRIES = 16 << 20, 10_000
# What the host itself writes there is no configuration.
KERNELS = ("/proc", "/sys", "/dev", "/run", "/var/run")
UNKNOWN = "unknown"


def marks_of(project: Project) -> dict[str, str]:
    """Host path → mark, for configs, secrets and read-only binds whose content no release keeps."""
    given = given_files(project, (*project.services.values(), *project.disabled_services.values()))
    return {path: mark for path, each in given.items() if (mark := mark_of(path, largest_of(each)))}


def mark_of(path: str, largest: int = 0) -> str:
    """The same for the same content; UNKNOWN for what is too large to tell; empty for what is kept (a file of at most
    `largest` bytes), or is not there.
    """
    if any(path == place or path.startswith(f"{place}/") for place in KERNELS):
        return ""
    try:
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):
            return "" if status.st_size <= largest else mark_of_files(path, [path])
        return mark_of_folder(path) if stat.S_ISDIR(status.st_mode) else ""
    except OSError:
        return ""


def mark_of_folder(path: str) -> str:
    files: list[str] = []
    for file in below(path):
        files.append(file)
        if len(files) > MOST_ENTRIES:
            return UNKNOWN
    return mark_of_files(path, files)


def below(path: str) -> Iterator[str]:
    for top, folders, names in os.walk(path):
        folders[:] = sorted(each for each in folders if each != ".git")
        yield from (os.path.join(top, name) for name in sorted(names))


def mark_of_files(root: str, files: list[str]) -> str:
    found = [(file, os.lstat(file)) for file in files]
    whole = sum(status.st_size for _, status in found) <= MOST_BYTES
    digest = hashlib.sha256(b"whole" if whole else b"times")
    for file, status in found:
        digest.update(f"{os.path.relpath(file, root)}\0{status.st_size}\0".encode("utf-8", "surrogateescape"))
        if stat.S_ISLNK(status.st_mode):
            digest.update(os.fsencode(os.readlink(file)))
        elif not whole:
            digest.update(str(status.st_mtime_ns).encode())
        elif stat.S_ISREG(status.st_mode):
            with open(file, "rb", opener=open_unblocked) as opened:
                digest.update(opened.read())
    return digest.hexdigest()[:32]


def lost(marks: dict[str, str]) -> list[str]:
    """The paths that are no more."""
    return [path for path in marks if not Path(path).exists()]


def changed(marks: dict[str, str]) -> list[str]:
    """The paths that are there, and are known not to be as they were."""
    return [
        path for path, mark in marks.items() if mark != UNKNOWN and Path(path).exists() and mark_of(path) not in {mark}
    ]
