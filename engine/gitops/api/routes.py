"""What the API answers: one table, from which the server dispatches and OpenAPI is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from engine.client.errors import InvalidArgument, NotFound
from engine.gitops.api import documents
from engine.gitops.api.call import Call
from engine.gitops.api.documents import (
    EventDocument,
    Message,
    PlanDocument,
    ProjectDocument,
    ReleaseDocument,
    SourceDocument,
    Told,
)
from engine.gitops.api.events import send_events
from engine.gitops.api.hooks import receive
from engine.gitops.loop import orders
from engine.gitops.settings.models import Role
from engine.gitops.state.project import ProjectState


@dataclass(frozen=True, slots=True)
class Route:
    """`role` None: everybody may ask. `shape` is the type of the answer's JSON, None where it is no JSON; `body` names
    the keys that a request may have, each with what it means, and `query` those of its query. `stream`: server-sent
    events are sent, too.
    """

    method: str
    pattern: str
    role: Role | None
    summary: str
    handler: Callable[[Call], Awaitable[None]]
    shape: Any = None
    body: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    stream: bool = False


def state_of(call: Call) -> ProjectState:
    key = call.path["project"]
    if key not in call.agent.desk.states:
        close = get_close_matches(key, call.agent.desk.states, 1)
        hint = f'did you mean "{close[0]}"?' if close else "`rorqual agent status` lists them"
        raise NotFound(f'there is no project "{key}" here: {hint}')
    return call.agent.desk.states[key]


async def list_projects(call: Call) -> None:
    await call.answer(documents.projects(call.agent))


async def show_project(call: Call) -> None:
    await call.answer(documents.project_document(state_of(call)))


async def show_plan(call: Call) -> None:
    await call.answer(state_of(call).pending)


async def list_releases(call: Call) -> None:
    await call.answer(documents.releases(call.agent, state_of(call)))


async def list_sources(call: Call) -> None:
    await call.answer(documents.sources(call.agent))


async def list_events(call: Call) -> None:
    await send_events(call)


async def sync(call: Call) -> None:
    key = state_of(call).key
    await ordered(call, key, "sync", orders.sync(call.agent, key), 202)


async def suspend(call: Call) -> None:
    key = state_of(call).key
    await ordered(call, key, "suspend", orders.suspend(call.agent, key))


async def resume(call: Call) -> None:
    key = state_of(call).key
    await ordered(call, key, "resume", orders.resume(call.agent, key))


async def approve(call: Call) -> None:
    key, wanted = state_of(call).key, await text_of(call, "plan")
    await ordered(call, key, "approve", orders.approve(call.agent, key, call.who, wanted), 202)


async def rollback(call: Call) -> None:
    key, wanted = state_of(call).key, await text_of(call, "revision")
    revision = await orders.rollback(call.agent, key, wanted, call.who)
    await ordered(call, key, "rollback", f"goes back to {revision}", 202)


async def ordered(call: Call, key: str, word: str, told: str, status: int = 200) -> None:
    """Answer an order, and note who gave it."""
    state = call.agent.desk.states[key]
    call.agent.desk.bus.tell("ordered", key, state.target, f"{word} by {call.who}: {told}")
    await call.answer(Told(key, told), status)


async def text_of(call: Call, name: str) -> str | None:
    """One key of the request's body. Raises InvalidArgument for what is no text, and for keys that nobody reads."""
    body = await call.body()
    for key in body.keys() - {name}:
        raise InvalidArgument(f'nothing is known of "{key}": there is {name}')
    found = body.get(name)
    if found is not None and not isinstance(found, str):
        raise InvalidArgument(f"{name} must be a text")
    return found


async def healthz(call: Call) -> None:
    await call.text("ok\n")


async def readyz(call: Call) -> None:
    """Ready once every source was looked at, whatever came of it, and until it is to end."""
    if call.agent.desk.stopping.is_set():
        await call.text("stopping\n", 503)
        return
    waiting = [name for name, each in call.agent.followings.items() if not each.looked.is_set()]
    await call.text(f"waiting for {', '.join(waiting)}\n" if waiting else "ok\n", 503 if waiting else 200)


async def metrics(call: Call) -> None:
    # late: prometheus takes a while to import, and only a scrape needs it
    from engine.gitops.api.metrics import CONTENT_TYPE, exposition

    await call.text(exposition(call.agent), kind=CONTENT_TYPE)


async def openapi(call: Call) -> None:
    # late: pydantic describes the shapes
    from engine.gitops.api.openapi import document

    await call.answer(document(ROUTES))


PROJECT = "/v1/projects/{project}"
ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/projects", Role.READ, "All projects and how they do", list_projects, list[ProjectDocument]),
    Route("GET", PROJECT, Role.READ, "One project", show_project, ProjectDocument),
    Route("GET", f"{PROJECT}/plan", Role.READ, "The plan that waits", show_plan, PlanDocument),
    Route("GET", f"{PROJECT}/releases", Role.READ, "Its history", list_releases, list[ReleaseDocument]),
    Route(
        "GET", "/v1/sources", Role.READ, "All sources and what is wrong with them", list_sources, list[SourceDocument]
    ),
    Route(
        "GET",
        "/v1/events",
        Role.READ,
        "What happens, as server-sent events, or what happened as JSON",
        list_events,
        list[EventDocument],
        query=(("follow", "false: what happened, as JSON"), ("after", "the number of the last event that is known")),
        stream=True,
    ),
    Route("POST", f"{PROJECT}/sync", Role.SYNC, "Look now, and try again what was held or rested", sync, Told),
    Route("POST", f"{PROJECT}/suspend", Role.SYNC, "Leave the project alone", suspend, Told),
    Route("POST", f"{PROJECT}/resume", Role.SYNC, "Care for it again", resume, Told),
    Route(
        "POST",
        f"{PROJECT}/approve",
        Role.ADMIN,
        "Accept the plan that waits",
        approve,
        Told,
        body=(("plan", "the digest of the plan that is meant; refused where another one waits"),),
    ),
    Route(
        "POST",
        f"{PROJECT}/rollback",
        Role.ADMIN,
        "Hold the newest revision and go back",
        rollback,
        Told,
        body=(("revision", "where to; without it, the last healthy one before"),),
    ),
    Route(
        "POST",
        "/hooks/{source}",
        None,
        "A git host says that something was pushed; 401 where it isn't signed as agent.yaml has it",
        receive,
        Message,
    ),
    Route("GET", "/metrics", Role.READ, "Counters and states for Prometheus", metrics),
    Route("GET", "/healthz", None, "Whether the agent answers", healthz),
    Route("GET", "/readyz", None, "Whether every source was looked at", readyz),
    Route("GET", "/openapi.json", None, "This description", openapi),
)
