"""POST /build, /build/prune: the classic builder's API, and the extension of it that docs/build.md describes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.api.errors import EngineError, InvalidArgument, NotImplementedByEngine
from engine.daemon.build.bounds import CacheBounds
from engine.daemon.build.build import Plan
from engine.daemon.build.context import EXTENDED
from engine.daemon.build.options import BuildOptions, CacheTarget
from engine.daemon.build.room import BuildRoom
from engine.daemon.build.transcript import line_of
from engine.daemon.faults import fault_of
from engine.daemon.images.images import familiar_name
from engine.daemon.images.show import moment
from engine.daemon.server.request import Request
from engine.daemon.server.router import Route, is_hang_up
from engine.daemon.server.unserved import BUILDKIT
from engine.kit.clock import Clock
from engine.oci.platform import Platform

PRUNE_FILTERS = frozenset({"until", "id", "type", "unused-for"})
SIGNED = re.compile(r"-?\d{1,18}", re.ASCII)


def routes(builds: BuildRoom, clock: Clock) -> list[Route]:
    async def build(request: Request) -> None:
        options = options_of(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        async with builds.workplace() as place:
            context, text = await builds.receive(place, options, request.body(), extended=kind == EXTENDED)
            plan = Plan.of(text, options)
            async with request.stream("application/json") as send:
                try:
                    await builds.build(place, options, context, plan, send)
                except Exception as error:
                    if is_hang_up(error):
                        raise
                    await send(line_of(fault_line(fault_of(error))))

    async def prune(request: Request) -> None:
        filters = dict(request.filters(PRUNE_FILTERS))
        now = clock.now()
        spans = filters.pop("unused-for", []) or filters.get("until", [])
        if spans:
            filters["until"] = [str(now - moment(spans[0], now))]
        bounds = bounds_of(request)
        await request.answer_json(await builds.prune(filters, all=request.flag("all"), bounds=bounds, now=now))

    return [
        Route("POST", "/build", build),
        Route("POST", "/build/prune", prune, since=(1, 31)),
    ]


def bounds_of(request: Request) -> CacheBounds:
    """`keep-storage` is what `reserved-space` was called before 1.48. Raises InvalidArgument."""
    reserved = request.integer("keep-storage") or request.integer("reserved-space") or 0
    return CacheBounds(reserved, request.integer("max-used-space") or 0, request.integer("min-free-space") or 0)


def fault_line(error: EngineError) -> dict[str, Any]:
    """As a stream ends that has failed; with the exit code of the command, where that was it."""
    code = getattr(error, "code", 0)
    detail = {"code": code, "message": error.message} if code else {"message": error.message}
    return {"errorDetail": detail, "error": error.message}


def options_of(request: Request) -> BuildOptions:
    """Raises InvalidArgument, NotImplementedByEngine for what a build can't be asked for here."""
    refuse(request)
    caches = texts(request, "cachefrom")
    return BuildOptions(
        names=tuple(dict.fromkeys(familiar_name(name, None) for name in request.texts("t") if name)),
        dockerfile=request.text("dockerfile") or "Dockerfile",
        remote=request.text("remote"),
        quiet=request.flag("q"),
        no_cache=request.flag("nocache"),
        pull=request.flag("pull"),
        remove=request.flag("rm", True),
        force_remove=request.flag("forcerm"),
        cache_from=tuple(caches) if caches else None,
        imports=tuple(texts(request, "cacheimport")),
        exports=cache_targets(request),
        args=arguments_of(request),
        labels=strings(document(request, "labels", dict), "labels"),
        target=request.text("target"),
        network=request.text("networkmode"),
        extra_hosts=tuple(texts(request, "extrahosts")),
        limits=limits_of(request),
        security=tuple(texts(request, "securityopt")),
        credentials=credentials_of(request),
        platform=platform_of(request),
    )


def cache_targets(request: Request) -> tuple[CacheTarget, ...]:
    """`cacheexport=["name", "name,mode=max"]`, an extension of ours (docs/build.md). Raises InvalidArgument."""
    found = []
    for text in texts(request, "cacheexport"):
        name, _, mode = text.partition(",mode=")
        if mode not in ("", "min", "max"):
            raise InvalidArgument(f"invalid mode of the cache {name}: {mode} (min or max)")
        found.append(CacheTarget(name, whole=mode == "max"))
    return tuple(found)


def refuse(request: Request) -> None:
    if request.text("version") == "2" or request.text("session"):
        raise NotImplementedByEngine(BUILDKIT)
    if request.flag("squash"):
        raise InvalidArgument("squash is only supported with experimental mode: this engine has none, use stages")
    if request.text("outputs") not in ("", "null", "[]"):
        raise NotImplementedByEngine("outputs are BuildKit's: this engine's builder makes images")
    if request.text("isolation") not in ("", "default"):
        raise InvalidArgument(f"invalid isolation: {request.text('isolation')} (only Windows has others than default)")


def platform_of(request: Request) -> Platform:
    """Native only. Raises InvalidArgument."""
    here = Platform.here()
    text = request.text("platform")
    asked = (request.platform() if "," not in text else None) if text else here
    if asked is None or (asked.os, asked.architecture) != (here.os, here.architecture):
        raise InvalidArgument(f"this engine builds for {here} alone: the platform {text} was asked for")
    return here


def arguments_of(request: Request) -> dict[str, str]:
    """Those with a value: one without takes the client's environment, which it has sent or not."""
    found = document(request, "buildargs", dict)
    if not all(value is None or isinstance(value, str) for value in found.values()):
        raise InvalidArgument("buildargs must be a JSON object of texts")
    return {str(name): value for name, value in found.items() if value is not None}


def limits_of(request: Request) -> dict[str, Any]:
    names = {
        "memory": "Memory",
        "memswap": "MemorySwap",
        "cpushares": "CpuShares",
        "cpuperiod": "CpuPeriod",
        "cpuquota": "CpuQuota",
        "shmsize": "ShmSize",
    }
    found: dict[str, Any] = {}
    for name, key in names.items():
        text = request.text(name)
        if text and not SIGNED.fullmatch(text):
            raise InvalidArgument(f"invalid value for {name}: {json.dumps(text)} is not a whole number")
        if text and int(text):
            found[key] = int(text)
    for name, key in {"cpusetcpus": "CpusetCpus", "cpusetmems": "CpusetMems", "cgroupparent": "CgroupParent"}.items():
        if text := request.text(name):
            found[key] = text
    ulimits = document(request, "ulimits", list)
    return {**found, **({"Ulimits": ulimits} if ulimits else {})}


def document(request: Request, name: str, kind: type) -> Any:
    text = request.text(name)
    if not text:
        return kind()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = ...
    if found is None:
        return kind()
    if not isinstance(found, kind):
        raise InvalidArgument(f"{name} must be a JSON {'object' if kind is dict else 'list'}")
    return found


def texts(request: Request, name: str) -> list[str]:
    """A list of texts: repeated, or one JSON list."""
    found: list[str] = []
    for text in request.texts(name):
        if text.startswith("["):
            more = json_list(name, text)
            found += more
        elif text and text != "null":
            found.append(text)
    return found


def json_list(name: str, text: str) -> Sequence[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise InvalidArgument(f"{name} must be a JSON list of texts")
    return found


def strings(found: Mapping[str, Any], name: str) -> dict[str, str]:
    if not all(isinstance(value, str) for value in found.values()):
        raise InvalidArgument(f"{name} must be a JSON object of texts")
    return dict(found)


def credentials_of(request: Request) -> dict[str, Mapping[str, str]]:
    """X-Registry-Config: a map of credentials by registry; one that can't be read is none, as Docker has it."""
    text = request.headers.get("x-registry-config", "")
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) or b"{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, dict)}
