"""/_ping, /version, /info, /events, /system/df, /auth: the engine itself."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anyio import to_thread

from engine.api.errors import InvalidArgument
from engine.daemon.build.room import BuildRoom
from engine.daemon.images.images import LocalImages
from engine.daemon.images.moments import rfc3339
from engine.daemon.images.show import moment, shared_sizes, summary_of
from engine.daemon.protocols import Events, Places, Users
from engine.daemon.server.host import Host
from engine.daemon.server.request import Request
from engine.daemon.server.router import NEWEST, OLDEST, Route
from engine.daemon.volumes.volumes import LocalVolumes
from engine.kit.clock import Clock

NO_CACHE = {"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache"}
EVENT_KINDS = frozenset({"config", "container", "daemon", "image", "network", "node", "plugin", "secret", "service"})
EVENT_FILTERS = EVENT_KINDS | {"volume", "event", "label", "scope", "type"}
DF_TYPES = frozenset({"container", "image", "volume", "build-cache"})


@dataclass(slots=True)
class Facts:
    """What app.py knows of this daemon. `facts` of the rooms are asked at each /info, merged over ours."""

    id: str
    version: str
    places: Places
    host: Host
    # the OCI runtimes by name → path
    runtimes: dict[str, str] = field(default_factory=dict)
    default_runtime: str = ""
    more: list[Callable[[], dict[str, Any]]] = field(default_factory=list)


def routes(
    facts: Facts,
    images: LocalImages,
    volumes: LocalVolumes,
    users: Users,
    builds: BuildRoom,
    events: Events,
    clock: Clock,
) -> list[Route]:
    async def ping(request: Request) -> None:
        # Builder-Version 1: what speaks BuildKit asks for a session, which is not served
        headers = {**NO_CACHE, "Builder-Version": "1", "Swarm": "inactive", "Content-Type": "text/plain; charset=utf-8"}
        await request.answer_text(b"" if request.exchange.method == "HEAD" else b"OK", headers)

    async def version(request: Request) -> None:
        await request.answer_json(version_of(facts))

    async def info(request: Request) -> None:
        counts = dict(users.containers.counts()) if users.containers is not None else {}
        shown = {**info_of(facts, clock.now()), "Images": len(images.index.all())}
        names = {"running": "ContainersRunning", "paused": "ContainersPaused", "stopped": "ContainersStopped"}
        shown |= {name: counts.get(key, 0) for key, name in names.items()}
        shown["Containers"] = sum(counts.get(key, 0) for key in names)
        for more in facts.more:
            shown |= more()
        await request.answer_json(shown)

    async def events_(request: Request) -> None:
        filters = {name: words for name, words in request.filters(None).items() if name in EVENT_FILTERS}
        since, until = instant(request, "since", clock), instant(request, "until", clock)
        async with (
            events.subscribe(filters, since=since, until=until) as stream,
            request.stream("application/json") as send,
        ):
            async for event in stream:
                await send(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")

    async def df(request: Request) -> None:
        kinds = set(request.texts("type")) if request.version >= (1, 42) else set()
        if unknown := kinds - DF_TYPES:
            raise InvalidArgument(f"unknown object type: {sorted(unknown)[0]}")
        wanted = kinds or DF_TYPES
        shown: dict[str, Any] = {}
        if "image" in wanted:
            shown["LayersSize"] = sum({layer.folder: layer.size for layer in images.layers.all()}.values())
            shared = shared_sizes(images.index.all())
            shown["Images"] = [
                summary_of(
                    image, request.version, containers=len(users.of_image(image.id)), shared=shared.get(image.id, 0)
                )
                for image in images.index.all()
            ]
        if "container" in wanted:
            shown["Containers"] = users.containers.summaries(size=True) if users.containers is not None else []
        if "volume" in wanted:
            shown["Volumes"] = await volumes.usages()
        if "build-cache" in wanted:
            caches = await to_thread.run_sync(builds.usage)
            shown["BuildCache"] = [cache_of(entry, request.version) for entry in caches]
            if request.version < (1, 42):
                shown["BuilderSize"] = sum(entry["Size"] for entry in caches if not entry["Shared"])
        await request.answer_json(shown)

    return [
        Route("GET", "/_ping", ping),
        Route("HEAD", "/_ping", ping),
        Route("GET", "/version", version),
        Route("GET", "/info", info),
        Route("GET", "/events", events_),
        Route("GET", "/system/df", df, since=(1, 25)),
    ]


def cache_of(entry: Mapping[str, Any], version: tuple[int, int]) -> dict[str, Any]:
    """One entry of the build cache; before 1.42 with a single `Parent`."""
    shown = {**entry, "CreatedAt": rfc3339(entry["CreatedAt"]), "LastUsedAt": rfc3339(entry["LastUsedAt"])}
    parents = shown.pop("Parents")
    if version < (1, 42):
        return {**shown, "Parent": parents[0] if parents else ""}
    return {**shown, **({"Parents": parents} if parents else {})}


def instant(request: Request, name: str, clock: Clock) -> float | None:
    text = request.text(name)
    if not text:
        return None
    found = moment(text, clock.now())
    if not math.isfinite(found):
        raise InvalidArgument(f'invalid value for {name}: "{text}"')
    return found


def dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def version_of(facts: Facts) -> dict[str, Any]:
    system = os.uname()
    details = {
        "ApiVersion": dotted(NEWEST),
        "Arch": facts.host.architecture,
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": f"python{platform.python_version()}",
        "KernelVersion": system.release,
        "MinAPIVersion": dotted(OLDEST),
        "Os": "linux",
        "BuildTime": "",
    }
    # the docker CLI looks for a component "Engine"; our own client for "Rorqual"
    parts: list[dict[str, Any]] = [{"Name": "Engine", "Version": facts.version, "Details": details}]
    parts.append({"Name": "Rorqual", "Version": facts.version, "Details": {"GitCommit": ""}})
    # build requests with secrets, agents and named contexts: docs/build.md, "The request's extension"
    parts.append({"Name": "rorqual-build", "Version": "1", "Details": {}})
    # … and with contexts that the engine fetches
    parts.append({"Name": "rorqual-build-remotes", "Version": "1", "Details": {}})
    # … and caches of builds at registries
    parts.append({"Name": "rorqual-build-caches", "Version": "1", "Details": {}})
    # the engine's own state looked through and mended: docs/engines.md, "Checking the embedded engine"
    parts.append({"Name": "rorqual-check", "Version": "1", "Details": {}})
    return {
        "Platform": {"Name": "Rorqual"},
        "Components": parts,
        "Version": facts.version,
        **{key: details[key] for key in ("ApiVersion", "MinAPIVersion", "GitCommit", "GoVersion", "Os", "Arch")},
        "KernelVersion": system.release,
        "BuildTime": "",
    }


def info_of(facts: Facts, now: float) -> dict[str, Any]:
    """Everything that no room has to be asked for."""
    host, system = facts.host, os.uname()
    return {
        "ID": facts.id,
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", host.file_system], ["Supports d_type", "true"]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file", "none"],
        },
        **host.limits,
        "IPv4Forwarding": host.forwards_ipv4,
        "BridgeNfIptables": True,
        "BridgeNfIp6tables": True,
        "Debug": False,
        "NFd": len(os.listdir("/proc/self/fd")),
        "NGoroutines": 0,
        "SystemTime": rfc3339(now),
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": host.cgroup_version,
        "NEventsListener": 0,
        "KernelVersion": system.release,
        "OperatingSystem": host.operating_system,
        "OSVersion": host.os_version,
        "OSType": "linux",
        "Architecture": system.machine,
        "IndexServerAddress": "https://index.docker.io/v1/",
        "NCPU": os.cpu_count() or 1,
        "MemTotal": host.memory,
        "GenericResources": None,
        "DockerRootDir": str(facts.places.root),
        "HttpProxy": os.environ.get("HTTP_PROXY", ""),
        "HttpsProxy": os.environ.get("HTTPS_PROXY", ""),
        "NoProxy": os.environ.get("NO_PROXY", ""),
        "Name": system.nodename,
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": facts.version,
        "Runtimes": {name: {"path": str(path)} for name, path in facts.runtimes.items()},
        "DefaultRuntime": facts.default_runtime,
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "InitBinary": "",
        "ContainerdCommit": {"ID": "", "Expected": ""},
        "RuncCommit": {"ID": "", "Expected": ""},
        "InitCommit": {"ID": "", "Expected": ""},
        "SecurityOptions": ["name=seccomp,profile=default"],
        "Warnings": None,
    }
