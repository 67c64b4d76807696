"""Named contexts that lie elsewhere: git repositories, and files by http(s). Fetched once, when a stage asks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import anyio
from anyio import to_thread

from engine.daemon.build.faults import StepFault
from engine.daemon.build.fetching import Download, clone, download, is_git, is_url


class Remotes:
    """For one build; `scratch` is the build's own folder."""

    def __init__(self, urls: Mapping[str, str], scratch: Path) -> None:
        self._urls = urls
        self._scratch = scratch
        self._folders: dict[str, Path] = {}
        self._locks = {name: anyio.Lock() for name in urls}

    def __contains__(self, name: str) -> bool:
        return name in self._urls

    async def folder(self, name: str) -> Path:
        """A repository's files, or a folder that holds the one file. Raises StepFault."""
        async with self._locks[name]:
            if name not in self._folders:
                self._folders[name] = await self._fetched(name, self._urls[name])
            return self._folders[name]

    async def _fetched(self, name: str, url: str) -> Path:
        if is_git(url):
            return (await clone(url, self._scratch))[0]
        if not is_url(url):
            raise StepFault(f"the context {name} ({url}) is neither a git repository nor a file by http(s)")
        found = await download(url, self._scratch, said=f"the context {name} can't be fetched")
        return await to_thread.run_sync(alone, found, self._scratch)


def alone(found: Download, scratch: Path) -> Path:
    """The file in a folder of its own, under its own name."""
    folder = scratch / os.urandom(6).hex()
    folder.mkdir()
    place = folder / (found.name or "context")
    found.path.rename(place)
    place.chmod(0o600)
    os.utime(place, ns=(found.mtime_ns, found.mtime_ns))
    return folder
