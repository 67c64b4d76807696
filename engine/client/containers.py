"""Containers: looked at by ContainerReader, changed by ContainerWriter."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.api.errors import NotImplementedByEngine, SystemFailure
from engine.api.frames import Multiplexed, Raw
from engine.client.calls import Calls, Filters, filters_of, name_in_path
from engine.client.faults import parse
from engine.client.streams import Frames, Hijacked, JsonLines, Pieces
from engine.http.message import Response

if TYPE_CHECKING:
    # For annotations only: making the shapes' classes costs 10 ms.
    from engine.api.containers import (
        ContainerCreate,
        ContainerCreated,
        ContainerInspect,
        ContainersPruned,
        ContainerSummary,
        ContainerUpdate,
        FilesystemChange,
        PathStat,
        Top,
        WaitCondition,
        WaitResult,
    )

    # Inside the classes, `list` is the call.
    Summaries: TypeAlias = list[ContainerSummary]
    Changes: TypeAlias = list[FilesystemChange]
    Warnings: TypeAlias = list[str]

STAT_HEADER = "x-docker-container-path-stat"


class Archive(Pieces):
    """A tar of one path in a container, as it comes; `stat` is that path's."""

    def __init__(self, response: Response, address: str) -> None:
        super().__init__(response, address)
        self.stat = path_stat(response)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A wait that the engine has taken on: what happens from now on is seen."""

    _response: Response
    _address: str

    async def result(self) -> WaitResult:
        pieces = [piece async for piece in Pieces(self._response, self._address)]
        result: WaitResult = parse(b"".join(pieces), self._address)
        return result


class ContainerReader:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list(
        self, *, all: bool = False, filters: Filters | None = None, size: bool = False, limit: int | None = None
    ) -> Summaries:
        """Running containers, or every one with `all`."""
        found: Summaries = await self._calls.get(
            "/containers/json", all=all or None, filters=filters_of(filters), size=size or None, limit=limit
        )
        return found

    async def inspect(self, container: str, *, size: bool = False) -> ContainerInspect:
        found: ContainerInspect = await self._calls.get(path_of(container, "json"), size=size or None)
        return found

    @asynccontextmanager
    async def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        since: str | float | None = None,
        until: str | float | None = None,
        timestamps: bool = False,
        tail: str | int = "all",
        tty: bool | None = None,
    ) -> AsyncIterator[Frames]:
        """What the container wrote. `since` and `until` are seconds since the epoch; `tty` saves a look when known."""
        query = {
            "follow": follow,
            "stdout": stdout,
            "stderr": stderr,
            "since": since,
            "until": until,
            "timestamps": timestamps,
            "tail": tail,
        }
        async with self._calls.stream("GET", path_of(container, "logs"), query=query) as response:
            raw = await self._is_raw(container, response.headers.get("content-type", ""), tty)
            yield Frames(response, Raw() if raw else Multiplexed(), self._calls.address)

    async def _is_raw(self, container: str, content_type: str, tty: bool | None) -> bool:
        """Whether a stream comes without frames. The content type tells from 1.42 on; before, only the TTY does."""
        if "multiplexed" in content_type:
            return False
        if tty is None:
            config = (await self.inspect(container)).get("Config") or {}
            return bool(config.get("Tty"))
        return tty

    async def stats(self, container: str, *, one_shot: bool = False) -> dict[str, Any]:
        """One sample; with `one_shot` at once and without the earlier sample that CPU shares are reckoned from."""
        query = {"stream": False, "one-shot": one_shot or None}
        sample: dict[str, Any] = await self._calls.json("GET", path_of(container, "stats"), query=query)
        return sample

    @asynccontextmanager
    async def stats_stream(self, container: str) -> AsyncIterator[JsonLines[dict[str, Any]]]:
        """A sample each second until the container is gone."""
        async with self._calls.stream("GET", path_of(container, "stats"), query={"stream": True}) as response:
            yield JsonLines(response, self._calls.address)

    async def top(self, container: str, ps_args: str | None = None) -> Top:
        found: Top = await self._calls.get(path_of(container, "top"), ps_args=ps_args)
        return found

    async def changes(self, container: str) -> Changes:
        """What differs from the image; nothing does → []."""
        found: Changes | None = await self._calls.get(path_of(container, "changes"))
        return found or []

    async def path_stat(self, container: str, path: str) -> PathStat:
        response, _ = await self._calls.fetch("HEAD", path_of(container, "archive"), query={"path": path})
        return path_stat(response)

    @asynccontextmanager
    async def get_archive(self, container: str, path: str) -> AsyncIterator[Archive]:
        query = {"path": path}
        async with self._calls.stream("GET", path_of(container, "archive"), query=query) as response:
            yield Archive(response, self._calls.address)

    @asynccontextmanager
    async def export(self, container: str) -> AsyncIterator[Pieces]:
        """The whole file system as a tar."""
        async with self._calls.stream("GET", path_of(container, "export")) as response:
            yield Pieces(response, self._calls.address)

    @asynccontextmanager
    async def waiting(self, container: str, condition: WaitCondition = "not-running") -> AsyncIterator[Waiting]:
        """Begin to wait; in the block the engine has taken it on, so that a start in the block can't be missed."""
        query = {"condition": condition}
        async with self._calls.stream("POST", path_of(container, "wait"), query=query) as response:
            yield Waiting(response, self._calls.address)

    async def wait(self, container: str, condition: WaitCondition = "not-running") -> int:
        """The exit code, once the condition has come. Raises SystemFailure with the engine's words if it can't come."""
        async with self.waiting(container, condition) as waiting:
            result = await waiting.result()
        if error := result.get("Error"):
            raise SystemFailure(error.get("Message") or "the engine could not wait for the container")
        return result.get("StatusCode", 0)


class ContainerWriter(ContainerReader):
    async def create(
        self, body: ContainerCreate, *, name: str | None = None, platform: str | None = None
    ) -> ContainerCreated:
        made: ContainerCreated = await self._calls.post("/containers/create", body, name=name, platform=platform)
        return made

    async def start(self, container: str, *, detach_keys: str | None = None) -> bool:
        """False if it ran already."""
        return await self._calls.changed(path_of(container, "start"), detachKeys=detach_keys)

    async def stop(self, container: str, *, signal: str | None = None, grace_seconds: int | None = None) -> bool:
        """False if it was stopped already. It is killed after `grace_seconds`; -1 is never, None as created."""
        self._needs_signal(signal)
        return await self._calls.changed(path_of(container, "stop"), signal=signal, t=grace_seconds)

    async def restart(self, container: str, *, signal: str | None = None, grace_seconds: int | None = None) -> None:
        self._needs_signal(signal)
        await self._calls.act(path_of(container, "restart"), signal=signal, t=grace_seconds)

    def _needs_signal(self, signal: str | None) -> None:
        if signal is not None and self._calls.version is not None and self._calls.version < (1, 42):
            raise NotImplementedByEngine(
                f"the engine at {self._calls.address} takes no signal for a stop (that needs API 1.42); "
                "set the container's stop_signal, or send the signal by a kill"
            )

    async def kill(self, container: str, signal: str = "SIGKILL") -> None:
        await self._calls.act(path_of(container, "kill"), signal=signal)

    async def pause(self, container: str) -> None:
        await self._calls.act(path_of(container, "pause"))

    async def unpause(self, container: str) -> None:
        await self._calls.act(path_of(container, "unpause"))

    async def rename(self, container: str, name: str) -> None:
        await self._calls.act(path_of(container, "rename"), name=name)

    async def update(self, container: str, body: ContainerUpdate) -> Warnings:
        """Change resources or the restart policy in place; the engine's warnings."""
        answer: dict[str, Any] = await self._calls.post(path_of(container, "update"), body)
        return (answer or {}).get("Warnings") or []

    async def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        """`volumes` takes the anonymous ones along."""
        await self._calls.delete(path_of(container), force=force or None, v=volumes or None)

    async def prune(self, *, filters: Filters | None = None) -> ContainersPruned:
        pruned: ContainersPruned = await self._calls.post("/containers/prune", filters=filters_of(filters))
        return pruned

    @asynccontextmanager
    async def attach(
        self,
        container: str,
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        stream: bool = True,
        logs: bool = False,
        detach_keys: str | None = None,
        tty: bool | None = None,
    ) -> AsyncIterator[Hijacked]:
        """The container's own streams; in the block they are joined, so a start in the block loses no output."""
        query = {
            "stdin": stdin,
            "stdout": stdout,
            "stderr": stderr,
            "stream": stream,
            "logs": logs,
            "detachKeys": detach_keys,
        }
        async with self._calls.upgrade(path_of(container, "attach"), query=query) as upgraded:
            raw = await self._is_raw(container, upgraded.headers.get("content-type", ""), tty)
            yield Hijacked(upgraded, Raw() if raw else Multiplexed(), self._calls.address)

    async def resize(self, container: str, *, height: int, width: int) -> None:
        await self._calls.act(path_of(container, "resize"), h=height, w=width)

    async def put_archive(
        self,
        container: str,
        path: str,
        body: bytes | AsyncIterable[bytes],
        *,
        no_overwrite_dir_non_dir: bool = False,
        copy_uid_gid: bool = False,
    ) -> None:
        """Unpack a tar into the directory `path`, which must exist."""
        query = {
            "path": path,
            "noOverwriteDirNonDir": no_overwrite_dir_non_dir or None,
            "copyUIDGID": copy_uid_gid or None,
        }
        headers = {"content-type": "application/x-tar"}
        async with self._calls.stream(
            "PUT", path_of(container, "archive"), query=query, body=body, headers=headers
        ) as response:
            await response.read()

    async def commit(
        self,
        container: str,
        *,
        repository: str | None = None,
        tag: str | None = None,
        comment: str | None = None,
        author: str | None = None,
        pause: bool = True,
        changes: Sequence[str] = (),
    ) -> str:
        """Make an image of the container as it is; its id. `changes` are Dockerfile instructions."""
        query = {
            "container": container,
            "repo": repository,
            "tag": tag,
            "comment": comment,
            "author": author,
            "pause": pause,
            "changes": [*changes],
        }
        made = await self._calls.json("POST", "/commit", query=query, body={})
        return str(made["Id"])


def path_of(container: str, *more: str) -> str:
    return "/".join(("/containers", name_in_path(container), *more))


def path_stat(response: Response) -> PathStat:
    """The stat that an archive call puts in a header, base64 of JSON (ENGINE-FACTS 13)."""
    stat: PathStat = json.loads(base64.b64decode(response.headers[STAT_HEADER]))
    return stat
