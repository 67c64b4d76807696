"""The distribution API put together: a path finds its route, the caller is admitted, faults become answers.

`Registry` is a handler of engine.http's server. Source: OCI distribution-spec v1.1, Endpoints.
"""

from __future__ import annotations

import errno
import re
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import anyio

from engine.http.errors import HttpFault
from engine.http.server import BadRequest, Exchange
from engine.kit.clock import Clock
from engine.registry.server.access import CATALOG, Access, Grant, repository
from engine.registry.server.blobs import BlobRoutes
from engine.registry.server.call import COMMON, JSON_TYPE, Call
from engine.registry.server.catalog import Catalog
from engine.registry.server.faults import RegistryFault, Unsupported, error_body
from engine.registry.server.garbage import collect
from engine.registry.server.listings import ListingRoutes
from engine.registry.server.names import check_name
from engine.registry.server.objects import ManifestRoutes
from engine.registry.server.protocols import BlobStore, Records
from engine.registry.server.uploads import Uploads

Answer: TypeAlias = Callable[[Call, str, str, Grant], Awaitable[None]]
PATHS = (
    ("upload", re.compile(r"/v2/(.+)/blobs/uploads/([^/]+)")),
    ("uploads", re.compile(r"/v2/(.+)/blobs/uploads/?()")),
    ("blob", re.compile(r"/v2/(.+)/blobs/([^/]+)")),
    ("manifest", re.compile(r"/v2/(.+)/manifests/([^/]+)")),
    ("tags", re.compile(r"/v2/(.+)/tags/list()")),
    ("referrers", re.compile(r"/v2/(.+)/referrers/([^/]+)")),
)
PULL, PUSH, DELETE = ("pull",), ("pull", "push"), ("delete",)
FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Route:
    """`actions` are what the caller must be allowed; `writes` is refused by a read-only registry."""

    actions: tuple[str, ...]
    answer: Answer
    writes: bool = False


class Registry:
    def __init__(
        self,
        blobs: BlobStore,
        records: Records,
        clock: Clock,
        access: Access,
        *,
        read_only: bool = False,
        sparse: bool = False,
    ) -> None:
        """`sparse`: images are taken though some of their blobs aren't here."""
        self._blobs = blobs
        self._clock = clock
        self._access = access
        self._read_only = read_only
        self.catalog = Catalog(records)
        self.uploads = Uploads(blobs, records, clock.now)
        self._content = BlobRoutes(self.catalog, blobs, self.uploads, clock.now)
        self._objects = ManifestRoutes(self.catalog, blobs, self.uploads, self._content.drop_unheld, sparse=sparse)
        self._listings = ListingRoutes(self.catalog)
        self._routes = self._table()

    def _table(self) -> dict[str, dict[str, Route]]:
        content, objects, listings = self._content, self._objects, self._listings
        pull_blob = Route(PULL, lambda call, name, rest, _: content.pull(call, name, rest))
        pull_manifest = Route(PULL, lambda call, name, rest, _: objects.pull(call, name, rest))
        return {
            "uploads": {
                "POST": Route(PUSH, lambda call, name, _, grant: content.begin(call, name, grant.may_mount_from), True)
            },
            "upload": {
                "GET": Route(PUSH, lambda call, name, id, _: content.status(call, name, id)),
                "PATCH": Route(PUSH, lambda call, name, id, _: content.chunk(call, name, id), True),
                "PUT": Route(PUSH, lambda call, name, id, _: content.finish(call, name, id), True),
                "DELETE": Route(PUSH, lambda call, name, id, _: content.cancel(call, name, id), True),
            },
            "blob": {
                "GET": pull_blob,
                "HEAD": pull_blob,
                "DELETE": Route(DELETE, lambda call, name, rest, _: content.delete(call, name, rest), True),
            },
            "manifest": {
                "GET": pull_manifest,
                "HEAD": pull_manifest,
                "PUT": Route(PUSH, lambda call, name, rest, _: objects.push(call, name, rest), True),
                "DELETE": Route(DELETE, lambda call, name, rest, _: objects.delete(call, name, rest), True),
            },
            "tags": dict.fromkeys(("GET", "HEAD"), Route(PULL, lambda call, name, _, __: listings.tags(call, name))),
            "referrers": dict.fromkeys(
                ("GET", "HEAD"), Route(PULL, lambda call, name, rest, _: listings.referrers(call, name, rest))
            ),
        }

    async def __call__(self, exchange: Exchange) -> None:
        call = Call(exchange)
        try:
            await self._serve(call)
        except RegistryFault as fault:
            await self._refuse(call, fault.status, fault.body(), fault.headers)
        except BadRequest as fault:
            await self._refuse(call, fault.status, error_body("UNSUPPORTED", str(fault)), {})
        except HttpFault:
            raise
        except OSError as error:
            print(f"rorqual: registry: {call.method} {call.path}: {error}", file=sys.stderr, flush=True)
            status = 507 if error.errno in FULL else 500
            words = f"the registry's disk failed: {error.strerror}"
            await self._refuse(call, status, error_body("UNKNOWN", words), {})
        except Exception as error:
            print("".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
            await self._refuse(call, 500, error_body("UNKNOWN", f"the registry failed: {error}"), {})

    async def _refuse(self, call: Call, status: int, body: bytes, headers: dict[str, str]) -> None:
        if call.exchange.answered:
            # the head is out: all that can be done is to break off
            call.exchange.stays = False
            return
        await call.exchange.answer(status, {**COMMON, "Content-Type": JSON_TYPE, **headers}, body)

    async def _serve(self, call: Call) -> None:
        if call.path.rstrip("/") == "/v2":
            await self._access.admit(call, ())
            await call.answer_json({})
        elif call.path == "/v2/_catalog":
            grant = await self._access.admit(call, (CATALOG,))
            await self._listings.repositories(call, grant.may_see)
        elif call.path == "/token":
            await self._access.give_token(call)
        elif call.path in {"/v1/_ping", "/_ping"}:
            await self._listings.ping_v1(call)
        elif call.path == "/v1/search":
            grant = await self._access.admit(call, (CATALOG,))
            await self._listings.search(call, grant.may_see)
        else:
            await self._serve_repository(call)

    async def _serve_repository(self, call: Call) -> None:
        matches = ((kind, pattern.fullmatch(call.path)) for kind, pattern in PATHS)
        kind, found = next(((kind, match) for kind, match in matches if match), ("", None))
        if found is None:
            await self._refuse(call, 404, error_body("UNSUPPORTED", "page not found"), {})
            return
        name, rest = check_name(found[1]), found[2]
        methods = self._routes[kind]
        route = methods.get(call.method)
        if route is None:
            raise Unsupported(f"{call.method} is not possible here", headers={"Allow": ", ".join(methods)})
        if route.writes and self._read_only:
            raise Unsupported("this registry is read-only")
        mounts = kind == "uploads" and call.text("mount") and call.text("from")
        helpful = [repository(call.text("from"), "pull")] if mounts else []
        grant = await self._access.admit(call, [repository(name, *route.actions)], helpful)
        await route.answer(call, name, rest, grant)

    # --- housekeeping
    async def collect(self, grace_seconds: float) -> int:
        """Remove what has been of no use for so long → how many things went."""
        before = self._clock.now() - grace_seconds
        return await collect(self.catalog, self._blobs, self.uploads, self._content.drop_unheld, before=before)

    async def keep_collecting(self, *, every_seconds: float, grace_seconds: float) -> None:
        while True:
            await anyio.sleep(every_seconds)
            if not self._read_only:
                await self.collect(grace_seconds)
