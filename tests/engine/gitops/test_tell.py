"""Who is told: the wire format of each git host's statuses, webhooks, Slack and commands, against a local server."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.client.errors import EngineError, SystemFailure, Unavailable
from engine.gitops.settings.models import CommitStatus, Notification
from engine.gitops.state.store import Event
from engine.gitops.tell.notices import notify, wants
from engine.gitops.tell.redaction import redacted
from engine.gitops.tell.statuses import tell_status
from engine.http.listen import bind_tcp, serve
from engine.http.server import Exchange
from engine.kit.clock import SystemClock

pytestmark = pytest.mark.anyio
SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Recorder(SystemClock):
    """A server that keeps what it is sent and answers with the next of `answers`; a clock that never waits."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    async def take(self, exchange: Exchange) -> None:
        body = json.loads(await exchange.read(1 << 20))
        self.requests.append((exchange.method, exchange.target, exchange.headers, body))
        await exchange.answer(self.answers.pop(0) if self.answers else 201, {}, b"some words")

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    with bind_tcp("127.0.0.1", 0) as listener:
        found = Recorder(listener.getsockname()[1])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve, listener, found.take)
            yield found
            tasks.cancel_scope.cancel()


@pytest.fixture
async def server() -> AsyncIterator[Recorder]:
    async with recording() as found:
        yield found


@pytest.fixture
def token(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("t0ken\n")
    return tmp_path / "token"


def put(file: Path, text: str) -> None:
    file.write_text(text)


def event(kind: str = "synced", text: str = "image changed", project: str = "shop") -> Event:
    return Event(7, 0.0, kind, project, SHA, text)


async def test_github_is_told_as_its_api_wants_it(server: Recorder, token: Path) -> None:
    await tell_status(server, CommitStatus("github", server.url, "me/shop", token), event("failed", "x" * 300))
    ((method, target, headers, body),) = server.requests
    assert (method, target) == ("POST", f"/repos/me/shop/statuses/{SHA}")
    assert headers["authorization"] == "Bearer t0ken"
    assert (headers["accept"], headers["x-github-api-version"]) == ("application/vnd.github+json", "2022-11-28")
    assert (body["state"], body["context"], len(body["description"])) == ("failure", "rorqual/shop", 140)


async def test_gitlab_is_told_as_its_api_wants_it(server: Recorder, token: Path) -> None:
    await tell_status(server, CommitStatus("gitlab", server.url, "group/sub/shop", token, "cd"), event("syncing"))
    ((method, target, headers, body),) = server.requests
    assert (method, target) == ("POST", f"/api/v4/projects/group%2Fsub%2Fshop/statuses/{SHA}")
    assert headers["private-token"] == "t0ken"
    assert body == {"state": "running", "name": "cd/shop", "description": "image changed"}


@pytest.mark.parametrize("kind", ["gitea", "forgejo"])
async def test_gitea_and_forgejo_are_told_as_their_api_wants_it(server: Recorder, token: Path, kind: str) -> None:
    await tell_status(server, CommitStatus(kind, server.url, "me/shop", token), event("synced"))
    ((method, target, headers, body),) = server.requests
    assert (method, target) == ("POST", f"/api/v1/repos/me/shop/statuses/{SHA}")
    assert headers["authorization"] == "token t0ken"
    assert body == {"state": "success", "context": "rorqual/shop", "description": "image changed"}


async def test_a_server_in_trouble_is_asked_again_and_one_that_refuses_is_not(server: Recorder, token: Path) -> None:
    status = CommitStatus("github", server.url, "me/shop", token)
    server.answers = [503, 429, 201]
    await tell_status(server, status, event())
    assert (len(server.requests), len(server.slept)) == (3, 2)
    server.answers = [422]
    with pytest.raises(SystemFailure, match="answered 422: some words"):
        await tell_status(server, status, event())
    assert len(server.requests) == 4


async def test_nobody_there_is_told_without_the_address_that_may_be_secret(token: Path) -> None:
    put(token, "http://127.0.0.1:1/services/T0/B0/secret")
    with pytest.raises(Unavailable) as caught:
        await notify(Recorder(), Notification(slack_file=token), event())
    assert "127.0.0.1:1" in caught.value.message and "secret" not in caught.value.message


async def test_a_webhook_gets_the_event_as_json(server: Recorder) -> None:
    template = "$project is $kind: $$5"
    await notify(server, Notification(webhook=f"{server.url}/in?a=1", template=template), event())
    ((_, target, headers, body),) = server.requests
    assert (target, headers["content-type"]) == ("/in?a=1", "application/json")
    assert body["message"] == "shop is synced: $5"
    assert {k: body[k] for k in ("id", "at", "kind", "project", "revision", "text")} == {
        "id": 7,
        "at": "1970-01-01T00:00:00Z",
        "kind": "synced",
        "project": "shop",
        "revision": SHA,
        "text": "image changed",
    }


async def test_slack_gets_text(server: Recorder, token: Path) -> None:
    put(token, f"{server.url}/services/T/B/x\n")
    await notify(server, Notification(slack_file=token, template="$project: $text"), event())
    assert server.requests[0][1] == "/services/T/B/x"
    assert server.requests[0][3] == {"text": "shop: image changed"}


async def test_a_command_gets_the_event_on_stdin_and_in_its_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = f"import os, sys; open({str(out)!r}, 'w').write(os.environ['RORQUAL_KIND'] + sys.stdin.read())"
    await notify(SystemClock(), Notification(command=(sys.executable, "-c", script)), event())
    text = out.read_text()
    assert text.startswith("synced{") and json.loads(text.removeprefix("synced"))["project"] == "shop"
    with pytest.raises(EngineError, match="ended with 3: no"):
        failing = (sys.executable, "-c", "import sys; print('no', file=sys.stderr); sys.exit(3)")
        await notify(SystemClock(), Notification(command=failing), event())
    with pytest.raises(EngineError, match="No such file"):
        await notify(SystemClock(), Notification(command=("/no/such/command",)), event())


def test_a_notification_is_for_the_events_and_projects_that_it_names() -> None:
    of = partial(wants, Notification(webhook="http://x", events=frozenset({"failed"}), projects=frozenset({"shop"})))
    assert of(event("failed")) and not of(event("synced")) and not of(event("failed", project="other"))
    assert wants(Notification(webhook="http://x"), event("synced"))
    assert not wants(Notification(webhook="http://x"), event("notification-failed")), "it would never end"


def test_secrets_leave_no_text() -> None:
    text = redacted("probe said hunter22 and DB_PASSWORD=abc; api_key: xyz; token is fine", {"hunter22", "hunter"})
    assert text == "probe said *** and DB_PASSWORD=*** api_key: *** token is fine"
