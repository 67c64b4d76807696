"""What Docker has and this engine has not: known calls answer 501 with a reason, Swarm's 503 as Docker words it."""

from __future__ import annotations

from engine.api.errors import EngineError, NotFound, NotImplementedByEngine, Unavailable
from engine.daemon.server.request import Request
from engine.daemon.server.router import Handler, Route

NO_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again."
)
BUILDKIT = (
    "this engine does not serve BuildKit: set DOCKER_BUILDKIT=0 to build with the classic builder's API, "
    "or use a builder of buildx's own"
)
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")


def saying(error: type[EngineError], message: str) -> Handler:
    async def handler(request: Request) -> None:
        raise error(message)

    return handler


def routes() -> list[Route]:
    """To be put last: any of these that is served elsewhere is answered there."""
    found: list[Route] = [Route("POST", "/swarm/leave", saying(Unavailable, "This node is not part of a swarm"))]
    for action in ("init", "join"):
        found.append(Route("POST", f"/swarm/{action}", unserved("Swarm clusters are not served by this engine")))
    for noun in ("swarm", "services", "nodes", "tasks", "secrets", "configs"):
        for method in METHODS:
            handler = saying(Unavailable, NO_MANAGER)
            found += [Route(method, f"/{noun}", handler), Route(method, f"/{noun}/{{rest:path}}", handler)]
    found.append(Route("GET", "/plugins", empty_list, since=(1, 25)))
    # `docker inspect NAME` asks here last: there is none of that name
    found.append(Route("GET", "/plugins/{name:path}/json", saying(NotFound, "plugin not found")))
    for method in METHODS:
        found.append(Route(method, "/plugins/{rest:path}", unserved("plugins are not served by this engine")))
    found += [
        Route("POST", "/session", saying(NotImplementedByEngine, BUILDKIT)),
        Route("POST", "/grpc", saying(NotImplementedByEngine, BUILDKIT)),
        Route("POST", "/build/cancel", unserved("a build ends when its client leaves: there are no ids to cancel")),
        Route("POST", "/containers/{id}/checkpoints", unserved("checkpoints are not served by this engine")),
        Route("GET", "/containers/{id}/checkpoints", unserved("checkpoints are not served by this engine")),
    ]
    return found


def unserved(message: str) -> Handler:
    return saying(NotImplementedByEngine, message)


async def empty_list(request: Request) -> None:
    """GET /plugins: there are none, which is the truth."""
    await request.answer_json([])
