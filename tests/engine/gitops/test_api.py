"""The agent's API over real sockets, its engine not there: who may ask what, hooks, events, metrics."""

from __future__ import annotations

import hmac
import json
import re
import shutil
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.gitops.api.hooks import LARGEST_BODY
from engine.gitops.api.routes import ROUTES, Route
from engine.gitops.api.server import open_doors, serve_api
from engine.gitops.loop.agent import Agent
from engine.gitops.loop.open import open_agent
from engine.gitops.settings.models import Role
from engine.gitops.settings.read import read_settings
from engine.gitops.sources.source import GitSource
from engine.gitops.sources.tree import Tree
from engine.gitops.state.project import Waiting
from engine.http.dial import dial_tcp, dial_unix
from engine.http.message import Request
from engine.http.pool import Pool
from tests.engine.gitops.repository import Repository, make_repository
from tests.workshop import RORQUAL

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 30.0
KINDS = ("github", "gitlab", "gitea", "forgejo", "generic")
# but for the webhooks, of which the signature decides
ASKED = [route for route in ROUTES if route.pattern != "/hooks/{source}"]
SECRET = b"s3cret"
FLOOD, FLOOD_AT_ONCE = 2000, 50
STRANGERS, STRANGERS_PIECES = 32, 32


class AsyncPieces:
    """So many pieces of 64 KiB."""

    def __init__(self, count: int) -> None:
        self.count = count

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.count):
            yield b"x" * (64 << 10)


@dataclass
class Asked:
    agent: Agent
    repository: Repository
    own: Pool
    port: Pool
    port_number: int = 0

    async def ask(
        self, method: str, path: str, *, token: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Over the port, as anybody."""
        given = {**({"authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        response, content = await self.port.fetch(Request(method, path, given, body), timeout_seconds=30)
        kind = response.headers.get("content-type", "")
        return response.status, json.loads(content) if kind == "application/json" else content.decode()

    async def ready(self) -> None:
        """Until every source was looked at."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                if len(self.agent.followings) == len(KINDS) and (await self.ask("GET", "/readyz"))[0] == 200:
                    return
                await anyio.sleep(0.01)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one: sockets' paths end at 108 bytes."""
    found = Path(tempfile.mkdtemp(prefix="rq-", dir="/tmp"))
    yield found
    shutil.rmtree(found)


def settings_text(folder: Path, repository: Repository, port: int) -> str:
    sources = "".join(
        f"  {kind}:\n    git: {repository.bare}\n    interval: 1h\n"
        f"    webhook: {{kind: {kind}, secret_file: {folder}/secret}}\n    projects: {{p-{kind}: {{path: app}}}}\n"
        for kind in KINDS
    )
    tokens = ", ".join(f"{{role: {role}, file: {folder}/{role}}}" for role in ("read", "sync", "admin"))
    return (
        f"state: {folder}/state\nengine: {{host: 'unix://{folder}/no-engine.sock'}}\n"
        f"api: {{listen: ['127.0.0.1:{port}'], tokens: [{tokens}]}}\nsources:\n{sources}"
    )


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Asked]:
    repository = make_repository(folder / "r")
    repository.commit({"app/compose.yaml": "services: {web: {image: x}}\n"})
    for name, text in (("secret", SECRET), ("read", b"r-token\n"), ("sync", b"s-token"), ("admin", b"a-token")):
        (folder / name).write_bytes(text)
        (folder / name).chmod(0o600)
    config = folder / "agent.yaml"
    config.write_text(settings_text(folder, repository, 0))
    settings, _ = read_settings(config)
    async with open_agent(settings) as agent:
        with ExitStack() as stack:
            doors = open_doors(agent, stack)
            port = doors[1].listener.getsockname()[1]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(agent.run)
                tasks.start_soon(serve_api, agent, doors)
                own = Pool(partial(dial_unix, str(agent.desk.places.socket)), host="agent")
                pool = Pool(partial(dial_tcp, "127.0.0.1", port), host="127.0.0.1")
                asked = Asked(agent, repository, own, pool, port)
                await asked.ready()
                yield asked
                await own.aclose()
                await asked.port.aclose()
                agent.stop()
                tasks.cancel_scope.cancel()


@pytest.fixture
async def asked(folder: Path) -> AsyncIterator[Asked]:
    async with serving(folder) as found:
        yield found


def signed(kind: str, body: bytes, *, secret: bytes = SECRET, at: float | None = None) -> dict[str, str]:
    """The headers of a delivery, as each host sends them."""
    mark = hmac.new(secret, body, sha256).hexdigest()
    match kind:
        case "github":
            return {"x-hub-signature-256": f"sha256={mark}", "x-github-event": "push"}
        case "gitlab":
            return {"x-gitlab-token": secret.decode(), "x-gitlab-event": "Push Hook"}
        case "gitea" | "forgejo":
            return {f"x-{kind}-signature": mark, f"x-{kind}-event": "push"}
    stamp = str(int(time.time() if at is None else at))
    mark = hmac.new(secret, stamp.encode() + b"." + body, sha256).hexdigest()
    return {"x-rorqual-timestamp": stamp, "x-rorqual-signature": f"sha256={mark}"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_webhook_of_each_host_makes_its_source_look_and_a_forged_one_does_not(asked: Asked, kind: str) -> None:
    new = asked.repository.commit({"README": "new"})
    body = json.dumps({"ref": "refs/heads/main", "after": new}).encode()
    for forged in ({}, signed(kind, body, secret=b"guess"), signed("generic" if kind == "github" else "github", body)):
        assert (await asked.ask("POST", f"/hooks/{kind}", body=body, headers=forged))[0] == 401
    assert asked.agent.followings[kind].revision != new
    status, _ = await asked.ask("POST", f"/hooks/{kind}", body=body, headers=signed(kind, body))
    assert status == 202
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            if asked.agent.followings[kind].revision == new:
                break
            await anyio.sleep(0.01)


async def test_a_replayed_or_stale_delivery_does_nothing(asked: Asked) -> None:
    body = b'{"ref": "refs/heads/main"}'
    headers = signed("github", body)
    first = await asked.ask("POST", "/hooks/github", body=body, headers=headers)
    again = await asked.ask("POST", "/hooks/github", body=body, headers=headers)
    assert first == (202, {"message": "github is looked at now"})
    assert again == (202, {"message": "this was delivered before"})
    old = signed("generic", body, at=time.time() - 3600)
    assert (await asked.ask("POST", "/hooks/generic", body=body, headers=old))[0] == 401


async def test_a_flood_of_webhooks_makes_few_looks(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands that are real, and as many that are not; the newest commit is there at the end."""
    looks = 0
    new = asked.repository.commit({"README": "new"})
    look = GitSource.look

    async def counted(self: GitSource) -> Tree:
        nonlocal looks
        looks += 1
        return await look(self)

    monkeypatch.setattr(GitSource, "look", counted)

    async def deliver(start: int) -> None:
        for number in range(start, FLOOD, FLOOD_AT_ONCE):
            body = json.dumps({"number": number}).encode()
            assert (await asked.ask("POST", "/hooks/github", body=body, headers=signed("github", body)))[0] == 202
            forged = signed("github", body, secret=b"guess")
            assert (await asked.ask("POST", "/hooks/github", body=body, headers=forged))[0] == 401

    async with anyio.create_task_group() as tasks:
        for start in range(FLOOD_AT_ONCE):
            tasks.start_soon(deliver, start)
    assert 1 <= looks < FLOOD / 10
    with anyio.fail_after(PATIENCE_SECONDS):
        while asked.agent.followings["github"].revision != new:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)


async def test_large_bodies_of_strangers_take_no_memory(asked: Asked) -> None:
    """As many at once as there may be, each as large as a delivery may be but for one byte, none of them signed."""
    tracemalloc.start()

    async def send() -> None:
        request = Request(
            "POST", "/hooks/github", {"x-hub-signature-256": "sha256=guess"}, AsyncPieces(STRANGERS_PIECES)
        )
        async with asked.port.exchange(request, timeout_seconds=60) as response:
            assert response.status == 401

    async with anyio.create_task_group() as tasks:
        for _ in range(STRANGERS):
            tasks.start_soon(send)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < STRANGERS * STRANGERS_PIECES * (64 << 10) / 4
    too_large = AsyncPieces(LARGEST_BODY // (64 << 10) + 1)
    async with asked.port.exchange(Request("POST", "/hooks/github", {}, too_large), timeout_seconds=60) as response:
        assert response.status == 413


async def test_who_only_holds_connections_keeps_nobody_out_for_long(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All connections of the port taken: by half a head, by nothing at all. The agent's own socket goes on."""
    monkeypatch.setattr("engine.gitops.api.server.MOST_CONNECTIONS", 8)
    monkeypatch.setattr("engine.gitops.api.server.REST_SECONDS", 1.0)
    monkeypatch.setattr("engine.http.server.HEAD_SECONDS", 1.0)
    async with serving(folder) as asked:
        host, port = "127.0.0.1", asked.port_number
        await asked.port.aclose()
        held = [await anyio.connect_tcp(host, port) for _ in range(8)]
        for each in held[:4]:
            await each.send(b"GET /healthz HTT")
        response, _ = await asked.own.fetch(Request("GET", "/v1/projects"), timeout_seconds=30)
        assert response.status == 200
        fresh = Pool(partial(dial_tcp, host, port), host=host)
        with anyio.fail_after(PATIENCE_SECONDS):
            response, _ = await fresh.fetch(Request("GET", "/healthz"), timeout_seconds=30)
        assert response.status == 200
        await fresh.aclose()
        for each in held:
            await each.aclose()


async def test_unknown_hooks_and_large_bodies_are_refused(asked: Asked) -> None:
    assert (await asked.ask("POST", "/hooks/nowhere", body=b"{}"))[0] == 404
    assert (await asked.ask("POST", "/v1/projects/p-github/approve", token="a-token", body=b"x" * 70_000))[0] == 413


@pytest.mark.parametrize(
    ("token", "method", "path", "status"),
    [
        ("", "GET", "/v1/projects", 401),
        ("wrong", "GET", "/v1/projects", 401),
        ("", "GET", "/metrics", 401),
        ("", "GET", "/healthz", 200),
        ("", "GET", "/readyz", 200),
        ("", "GET", "/openapi.json", 200),
        ("r-token", "GET", "/v1/projects", 200),
        ("r-token", "GET", "/v1/projects/nope", 404),
        ("r-token", "POST", "/v1/projects/p-github/sync", 403),
        ("s-token", "POST", "/v1/projects/p-github/sync", 202),
        ("s-token", "POST", "/v1/projects/p-github/suspend", 200),
        ("s-token", "POST", "/v1/projects/p-github/approve", 403),
        ("a-token", "POST", "/v1/projects/p-github/approve", 409),
        ("a-token", "POST", "/v1/projects/p-github/rollback", 409),
        ("a-token", "DELETE", "/v1/projects/p-github", 404),
    ],
)
async def test_a_token_may_do_what_its_role_says(asked: Asked, token: str, method: str, path: str, status: int) -> None:
    assert (await asked.ask(method, path, token=token))[0] == status


@pytest.mark.parametrize("route", ASKED, ids=lambda route: f"{route.method} {route.pattern}")
async def test_every_route_is_open_to_the_roles_that_cover_its_own_and_to_nobody_else(
    asked: Asked, route: Route
) -> None:
    path = route.pattern.replace("{project}", "p-github") + ("?follow=false" if route.pattern == "/v1/events" else "")
    roles = {"": None, "guess": None, "r-token": Role.READ, "s-token": Role.SYNC, "a-token": Role.ADMIN}
    for token, role in roles.items():
        status, _ = await asked.ask(route.method, path, token=token)
        if route.role is None:
            assert status < 400
        elif role is None:
            assert status == 401
        else:
            assert (status == 403) == (not role.covers(route.role)) and status not in {401, 500}
    # a scheme of another kind is no token, whatever it holds
    answer, _ = await asked.ask(route.method, path, headers={"authorization": "Basic a-token"})
    assert (answer == 401) == (route.role is not None)


async def test_who_ordered_what_is_told(asked: Asked) -> None:
    await asked.ask("POST", "/v1/projects/p-github/suspend", token="s-token")
    status, refused = await asked.ask("POST", "/v1/projects/p-github/sync", token="a-token")
    assert (status, "is suspended" in refused["message"]) == (409, True)
    status, refused = await asked.ask("POST", "/v1/projects/p-github/rollback", token="a-token", body=b'{"to": "x"}')
    assert (status, refused["message"]) == (400, 'nothing is known of "to": there is revision')
    await asked.ask("POST", "/v1/projects/p-github/resume", token="a-token")
    _, events = await asked.ask("GET", "/v1/events?follow=false", token="r-token")
    told = [(each["project"], each["text"]) for each in events if each["kind"] == "ordered"]
    by = "by a token of role"
    assert told == [("p-github", f"suspend {by} sync: suspended"), ("p-github", f"resume {by} admin: resumed")]


async def test_a_token_that_is_changed_counts_at_once_and_one_that_cannot_be_read_keeps_nobody_out(
    asked: Asked, folder: Path
) -> None:
    (folder / "read").write_text("another")
    assert (await asked.ask("GET", "/v1/projects", token="r-token"))[0] == 401
    assert (await asked.ask("GET", "/v1/projects", token="another"))[0] == 200
    (folder / "read").unlink()
    assert (await asked.ask("GET", "/v1/projects", token="another"))[0] == 401
    assert (await asked.ask("GET", "/v1/projects", token="a-token"))[0] == 200
    (folder / "admin").write_text("")
    assert (await asked.ask("GET", "/v1/projects", token=""))[0] == 401


async def test_no_secret_of_the_agents_is_in_anything_that_it_says(asked: Asked, folder: Path) -> None:
    body = b"{}"
    await asked.ask("POST", "/hooks/github", body=body, headers=signed("github", body))
    await asked.ask("POST", "/hooks/gitlab", body=body, headers={"x-gitlab-token": "guess"})
    said = ""
    for path in ("/v1/projects", "/v1/sources", "/v1/events?follow=false", "/metrics", "/openapi.json", "/readyz"):
        said += str((await asked.ask("GET", path, token="r-token"))[1])
    for planted in (SECRET.decode(), "r-token", "s-token"):
        assert planted not in said
    kept = [path for path in (folder / "state").rglob("*") if path.is_file() and SECRET in path.read_bytes()]
    assert kept == []


async def test_whoever_can_open_the_agents_own_socket_is_its_administrator(asked: Asked) -> None:
    assert asked.agent.desk.places.socket.stat().st_mode & 0o777 == 0o600
    response, content = await asked.own.fetch(Request("GET", "/v1/projects"), timeout_seconds=30)
    assert response.status == 200
    assert sorted(each["project"] for each in json.loads(content)) == sorted(f"p-{kind}" for kind in KINDS)


async def test_an_engine_that_is_not_there_is_told_and_tried_again(asked: Asked) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            _, found = await asked.ask("GET", "/v1/projects/p-github", token="r-token")
            if found["waiting"] == Waiting.RETRY:
                break
            await anyio.sleep(0.01)
    assert "no-engine.sock" in found["reason"]
    assert (found["sync"], found["health"]) == ("unknown", "unknown")


async def test_events_are_streamed_as_they_happen_and_from_where_a_client_left(asked: Asked) -> None:
    bus = asked.agent.desk.bus
    bus.tell("synced", "p", "abc", "first")
    request = Request("GET", "/v1/events?after=0", {"authorization": "Bearer r-token"})
    got = b""
    async with asked.port.exchange(request) as response:
        assert response.headers["content-type"] == "text/event-stream"
        with anyio.fail_after(PATIENCE_SECONDS):
            while b"second" not in got:
                if b": following" in got and b"first" in got:
                    bus.tell("failed", "p", "def", "second")
                got += await response.receive()
    kinds = [line.removeprefix("event: ") for line in got.decode().splitlines() if line.startswith("event: ")]
    assert kinds[0] == "synced" and kinds[-1] == "failed"
    _, past = await asked.ask("GET", "/v1/events?follow=false&after=1", token="r-token")
    assert past[0]["text"] == "second"


async def test_who_comes_back_after_long_gets_every_event_once_and_in_order(asked: Asked) -> None:
    bus = asked.agent.desk.bus
    for number in range(1200):
        bus.tell("drifted", "p", "abc", str(number))
    first = next(event.id for event in bus.store.events(0, 5000) if event.text == "0")
    headers = {"authorization": "Bearer r-token", "last-event-id": str(first)}
    got = b""
    async with asked.port.exchange(Request("GET", "/v1/events", headers)) as response:
        with anyio.fail_after(PATIENCE_SECONDS):
            while b": following" not in got:
                got += await response.receive()
    data = [json.loads(line.removeprefix("data: ")) for line in got.decode().splitlines() if line.startswith("data: ")]
    assert [each["text"] for each in data if each["kind"] == "drifted"] == [str(n) for n in range(1, 1200)]
    assert [each["id"] for each in data] == sorted({each["id"] for each in data})


async def test_who_reads_slowly_gets_every_event_all_the_same(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """More events at once than are kept for a listener."""
    monkeypatch.setattr("engine.gitops.bus.WAITING_EVENTS", 10)
    monkeypatch.setattr("engine.gitops.api.events.KEEPALIVE_SECONDS", 0.1)
    bus, got = asked.agent.desk.bus, b""
    async with asked.port.exchange(Request("GET", "/v1/events", {"authorization": "Bearer r-token"})) as response:
        with anyio.fail_after(PATIENCE_SECONDS):
            while b": following" not in got:
                got += await response.receive()
            for number in range(100):
                bus.tell("healed", "p", "abc", f"number {number}")
            while b"number 99" not in got:
                got += await response.receive()
    data = [json.loads(line.removeprefix("data: ")) for line in got.decode().splitlines() if line.startswith("data: ")]
    assert [each["text"] for each in data if each["kind"] == "healed"] == [f"number {n}" for n in range(100)]


async def test_metrics_are_prometheus_text(asked: Asked) -> None:
    """Named as Prometheus' own linter wants it (promtool check metrics), and each in the manual."""
    asked.agent.desk.bus.tell("synced", "p", "abc", "text")
    _, text = await asked.ask("GET", "/metrics", token="r-token")
    manual = (Path(__file__).parents[3] / "docs/agent.md").read_text()
    for family in text_string_to_metric_families(text):
        assert family.documentation, f"{family.name} has no help"
        assert re.fullmatch("[a-z][a-z0-9_]*", family.name) and not family.name.endswith(("_total", "_count", "_sum"))
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
            assert not {"le", "quantile", "job", "instance"} & sample.labels.keys(), sample.name
            assert sample.name.startswith("process_") or f"`{sample.name}`" in manual, sample.name
    samples = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    assert {
        "rorqual_project_info",
        "rorqual_project_synced",
        "process_resident_memory_bytes",
        "rorqual_source_up",
        "rorqual_looks_total",
    } <= samples


async def test_openapi_describes_every_route_and_the_shape_of_what_comes(asked: Asked) -> None:
    _, found = await asked.ask("GET", "/openapi.json")
    described = {(method.upper(), path) for path, methods in found["paths"].items() for method in methods}
    assert described == {(route.method, route.pattern) for route in ROUTES}
    events = found["paths"]["/v1/events"]["get"]
    assert {each["name"] for each in events["parameters"]} == {"follow", "after"}
    assert set(events["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    shape = found["components"]["schemas"]["ProjectDocument"]
    _, projects = await asked.ask("GET", "/v1/projects", token="r-token")
    assert set(projects[0]) == set(shape["properties"])


async def test_commands_say_what_is_wrong_with_a_name_a_token_or_an_address(asked: Asked, folder: Path) -> None:
    (folder / "guess").write_text("guess")
    here = f"127.0.0.1:{asked.port_number}"

    async def told(*words: str, token: str = "admin", code: int = 1) -> str:
        more = ["--token-file", str(folder / token)] if token else []
        done = await anyio.run_process([RORQUAL, "agent", *words, *more], check=False)
        assert (done.returncode, b"Traceback" in done.stderr) == (code, False), done.stderr
        return " ".join(done.stderr.decode().split())

    at = ("--agent", here)
    assert 'there is no project "p-gihub" here: did you mean "p-github"?' in await told("sync", "p-gihub", *at)
    assert "`rorqual agent status` lists them" in await told("plan", "a/b", *at)
    assert "name a token: Authorization: Bearer" in await told("status", *at, token="guess")
    assert "a token of role read may not do this: it takes sync" in await told("suspend", "p-github", *at, token="read")
    assert "No such file or directory" in await told("status", *at, token="nowhere")
    assert "no plan of p-github waits for an approval" in await told("approve", "p-github", *at)
    assert "no agent answers at 127.0.0.1:1 (" in await told("status", "--agent", "127.0.0.1:1")
    assert "ADDRESS:PORT" in await told("status", "--agent", "localhost", code=64)
    assert "can't read" in await told("status", "-c", str(folder / "none.yaml"))
    done = await anyio.run_process([RORQUAL, "agent", "plan", "p-github", *at, "--token-file", str(folder / "read")])
    assert done.stdout == b"p-github: no plan waits\n"
