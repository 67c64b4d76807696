"""What speaks to registries: pulls, pushes, searches, logins, and looks at what a registry holds."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio

from engine.api.errors import EngineError, InvalidArgument, Unauthorized
from engine.credentials.config import Credentials
from engine.daemon.faults import fault_of
from engine.daemon.images.fitting import check_platform
from engine.daemon.images.pull import Pulls, digest_in
from engine.daemon.images.push import Pushes
from engine.daemon.images.registry_words import error_of, pulling
from engine.daemon.server.request import Request
from engine.daemon.server.router import Route
from engine.oci.reference import Reference
from engine.registry.client.faults import RemoteFault
from engine.registry.client.policy import HUB, LOOPBACK, Policy
from engine.registry.client.remote import INDEXES

Line = dict[str, Any]
Work = Callable[[Callable[[Line], None]], Awaitable[None]]
SEARCH_FILTERS = ("is-official", "is-automated", "stars")
SEARCH_LIMIT, MOST_SEARCHED = 25, 100
# Docker Hub's names in a login.
HUB_ADDRESSES = {"", "docker.io", "index.docker.io", "registry-1.docker.io", "index.docker.io/v1"}


def routes(pulls: Pulls, pushes: Pushes) -> list[Route]:
    registries = pulls.registries

    async def push(request: Request) -> None:
        chosen = pushes.chosen(request.parameters["name"], request.text("tag"))
        for platform in request.oci_platforms("platform"):
            for reference, image in chosen:
                check_platform(reference.familiar, image.document, platform)
        credentials = credentials_of(request.headers)
        repository = f"{chosen[0][0].domain}/{chosen[0][0].path}"

        async def work(told: Callable[[Line], None]) -> None:
            told({"status": f"The push refers to repository [{repository}]"})
            for done in await pushes.push(chosen, credentials, told):
                aux = {"Tag": done.tag, "Digest": str(done.digest), "Size": done.size}
                told({"progressDetail": {}, "aux": aux})

        await answer_lines(request, work)

    async def distribution(request: Request) -> None:
        reference = parsed(request.parameters["name"]).with_default_tag()
        with pulling(reference):
            remote = registries.remote(reference, credentials_of(request.headers))
            fetched = await remote.manifest(reference.digest or reference.tag)
            platforms: list[Mapping[str, Any]] = []
            if fetched.media_type in INDEXES:
                entries = fetched.document.get("manifests") or ()
                platforms = [entry["platform"] for entry in entries if entry.get("platform")]
            elif isinstance(config := fetched.document.get("config"), dict):
                content = await remote.document(digest_in(config), config.get("size"), 8 << 20)
                platforms = [platform_in(content)]
        descriptor = {
            "mediaType": fetched.media_type,
            "digest": str(fetched.digest),
            "size": len(fetched.content),
        }
        await request.answer_json({"Descriptor": descriptor, "Platforms": platforms})

    async def search(request: Request) -> None:
        term = request.text("term")
        if not term:
            raise InvalidArgument("term must be given: what to search for")
        limit = request.integer("limit", SEARCH_LIMIT) or SEARCH_LIMIT
        if not 1 <= limit <= MOST_SEARCHED:
            raise InvalidArgument(f"limit {limit} is outside the range of [1, {MOST_SEARCHED}]")
        filters = request.filters(SEARCH_FILTERS)
        try:
            found = await registries.search(term, limit, credentials_of(request.headers))
        except RemoteFault as fault:
            raise error_of(fault) from fault
        await request.answer_json([shown for one in found if fits(shown := result_of(one), filters)])

    async def auth(request: Request) -> None:
        body = await request.json()
        credentials = Credentials(
            username=str(body.get("username") or ""),
            password=str(body.get("password") or ""),
            identitytoken=str(body.get("identitytoken") or ""),
        )
        address = str(body.get("serveraddress") or "").removeprefix("https://").removeprefix("http://").rstrip("/")
        domain = HUB if address in HUB_ADDRESSES else address.partition("/")[0]
        try:
            await registries.login(domain, credentials)
        except RemoteFault as fault:
            error = error_of(fault)
            if isinstance(error, Unauthorized):
                raise Unauthorized(f'Get "https://{domain}/v2/": {error.message}') from fault
            raise error from fault
        await request.answer_json({"Status": "Login Succeeded", "IdentityToken": ""})

    return [
        Route("POST", "/images/{name:path}/push", push),
        Route("GET", "/distribution/{name:path}/json", distribution, since=(1, 30)),
        Route("GET", "/images/search", search),
        Route("POST", "/auth", auth),
    ]


def registry_config(policy: Policy) -> Line:
    """What /info says of registries."""
    networks = [entry for entry in policy.insecure if "/" in entry]
    hosts = [entry for entry in policy.insecure if "/" not in entry]
    mirrors = [url if url.endswith("/") else f"{url}/" for url in policy.mirrors]
    hub = {"Name": HUB, "Mirrors": mirrors, "Secure": True, "Official": True}
    others = {host: {"Name": host, "Mirrors": [], "Secure": False, "Official": False} for host in hosts}
    return {
        "InsecureRegistryCIDRs": [*LOOPBACK, *networks],
        "IndexConfigs": {HUB: hub, **others},
        "Mirrors": mirrors,
    }


async def pull(request: Request, pulls: Pulls) -> None:
    """POST /images/create?fromImage=: one tag or digest, or without a tag all tags of the repository."""
    name, tag = request.text("fromImage"), request.text("tag")
    if tag:
        name = f"{name}@{tag}" if ":" in tag else f"{name}:{tag}"
    reference = parsed(name)
    platform = request.platform()
    credentials = credentials_of(request.headers)

    async def work(told: Callable[[Line], None]) -> None:
        if reference.tag or reference.digest:
            await pulls.pull(name, credentials=credentials, platform=platform, told=told)
        else:
            await pulls.pull_all(name, credentials=credentials, platform=platform, told=told)

    await answer_lines(request, work)


async def answer_lines(request: Request, work: Work) -> None:
    """The work's lines as they come. A fault before the first is a status, one after it the last line."""
    send, receive = anyio.create_memory_object_stream[Line](float("inf"))
    faults: list[EngineError] = []

    async def run() -> None:
        with send:
            try:
                await work(send.send_nowait)
            except Exception as error:
                faults.append(fault_of(error))

    async with anyio.create_task_group() as tasks, receive:
        tasks.start_soon(run)
        try:
            first = await receive.receive()
        except anyio.EndOfStream:
            first = {}
        if not first and faults:
            raise faults[0]
        async with request.stream("application/json") as out:
            if first:
                await out(line_of(first))
            async for line in receive:
                await out(line_of(line))
            for fault in faults:
                await out(line_of({"errorDetail": {"message": fault.message}, "error": fault.message}))


def line_of(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\r\n"


def parsed(text: str) -> Reference:
    try:
        return Reference.parse(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid reference format: {error}") from error


def platform_in(config: bytes) -> Mapping[str, Any]:
    """As an index would say it; an artifact's config says nothing."""
    try:
        document = json.loads(config)
        found = {key: document[key] for key in ("architecture", "os", "variant", "os.version") if document.get(key)}
    except (ValueError, TypeError, AttributeError):
        found = {}
    return found or {"architecture": "", "os": ""}


def credentials_of(headers: Mapping[str, str]) -> Credentials | None:
    """X-Registry-Auth, JSON in base64; None for none. Raises InvalidArgument for what can't be read."""
    text = headers.get("x-registry-auth", "")
    try:
        packed = text.replace("-", "+").replace("_", "/")
        document = json.loads(base64.b64decode(packed + "=" * (-len(packed) % 4)) or b"{}")
        if not isinstance(document, dict):
            return None
        known = ("username", "password", "identitytoken", "registrytoken")
        found = {key: str(document[key]) for key in known if document.get(key)}
        if not found.get("username") and document.get("auth"):
            user, _, password = base64.b64decode(str(document["auth"])).decode("utf-8", "replace").partition(":")
            found |= {"username": user, "password": password}
    except (ValueError, RecursionError) as error:  # binascii's is a ValueError
        raise InvalidArgument(f"the X-Registry-Auth header can't be read: {error}") from error
    return Credentials(**found) if found else None  # type: ignore[typeddict-item]  # its own keys


def result_of(one: Mapping[str, Any]) -> Line:
    return {
        "name": str(one.get("name") or ""),
        "description": str(one.get("description") or ""),
        "star_count": int(one.get("star_count") or 0),
        "is_official": bool(one.get("is_official")),
        "is_automated": bool(one.get("is_automated")),
    }


def fits(result: Line, filters: Mapping[str, list[str]]) -> bool:
    """Raises InvalidArgument."""
    for name in ("is-official", "is-automated"):
        for value in filters.get(name, ()):
            if value not in {"true", "false", "1", "0"}:
                raise InvalidArgument(f"invalid filter '{name}={value}'")
            if result[name.replace("-", "_")] is not (value in {"true", "1"}):
                return False
    for value in filters.get("stars", ()):
        if not value.isascii() or not value.isdigit():
            raise InvalidArgument(f"invalid filter 'stars={value}'")
        if result["star_count"] < int(value):
            return False
    return True
