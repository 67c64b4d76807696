"""Values that nobody may see, planted wherever the agent can meet one, and looked for in all that it says and keeps."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from engine.cli.agent import line_of
from engine.client.session import Engine
from engine.gitops.api.server import open_doors, serve_api
from engine.gitops.loop import orders
from engine.gitops.loop.agent import Agent
from engine.gitops.loop.look import Look
from engine.gitops.state.project import Waiting
from engine.gitops.tell.teller import keep_telling
from engine.http.dial import dial_unix
from engine.http.message import Request
from engine.http.pool import Pool
from tests.engine.gitops.host import Host, hosting
from tests.engines import RunningEngine

pytestmark = [pytest.mark.anyio, pytest.mark.root]
# By where they are planted; each is looked for everywhere.
PLANTED = {
    "environment": "planted-in-environment",
    "settings": "planted-in-settings",
    "env_file": "planted-in-env-file",
    "secret": "planted-in-secret-file",
    "token": "planted-as-api-token",
    "hook": "planted-as-hook-secret",
    "slack": "planted-in-slack-address",
    "login": "planted-in-webhook-login",
    "status": "planted-as-status-token",
    "address": "planted-in-git-address",
}
ROUTES = ("", "/{name}", "/{name}/plan", "/{name}/releases")


class Heard(http.server.BaseHTTPRequestHandler):
    """Takes whatever is posted; what it got is kept."""

    got: list[bytes]

    def do_POST(self) -> None:
        self.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        # refused: what a refusal says may quote what was sent
        self.send_response(400)
        self.end_headers()
        self.wfile.write(b"no")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hearing() -> Iterator[tuple[int, list[bytes]]]:
    got: list[bytes] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Heard,), {"got": got}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, got
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
async def there(rorqual_engine: RunningEngine, tmp_path: Path) -> AsyncIterator[tuple[Host, Engine]]:
    async with hosting(tmp_path, rorqual_engine, f"mum-{uuid4().hex[:8]}") as found:
        yield found


def plant(host: Host, port: int) -> None:
    """Settings that hold or name every planted value."""
    folder = host.folder
    for name in ("token", "hook", "status", "env_file", "secret"):
        text = f"FILE_TOKEN={PLANTED[name]}\n" if name == "env_file" else PLANTED[name]
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    (folder / "slack").write_text(f"http://127.0.0.1:{port}/{PLANTED['slack']}")
    host.policy = (
        f"interval: 300ms, environment: {{SETTINGS_TOKEN: {PLANTED['settings']}}}, env_files: [{folder}/env_file]"
    )
    host.source = (
        f"    webhook: {{kind: github, secret_file: {folder}/hook}}\n"
        f"    status: {{kind: github, url: 'http://127.0.0.1:{port}', repository: a/b, token_file: {folder}/status}}\n"
    )
    host.more = (
        f"api: {{listen: [{folder}/api.sock], tokens: [{{role: admin, file: {folder}/token}}]}}\n"
        "notifications:\n"
        f"  - {{slack_file: {folder}/slack}}\n"
        f"  - {{webhook: 'http://me:{PLANTED['login']}@127.0.0.1:{port}/hook'}}\n"
        "  - {command: [sh, -c, 'cat >&2; exit 1']}\n"
    )


def spec(host: Host, probe: str) -> str:
    more = (
        f"    environment: {{DB_PASSWORD: {PLANTED['environment']}, SETTINGS_TOKEN: $SETTINGS_TOKEN, "
        "FILE_TOKEN: $FILE_TOKEN}\n"
        "    secrets: [key]\n"
        f"    healthcheck: {{test: [CMD-SHELL, '{probe}'], interval: 200ms, retries: 1, start_period: 0s}}\n"
        f"secrets: {{key: {{file: {host.folder}/secret}}}}\n"
    )
    return host.web("sh -c 'echo $SETTINGS_TOKEN $$DB_PASSWORD; cat /run/secrets/key; sleep 1000'", more)


async def test_no_planted_value_is_in_anything_that_the_agent_says_or_keeps(
    there: tuple[Host, Engine], capfd: pytest.CaptureFixture[str]
) -> None:
    host, client = there
    said: dict[str, str] = {}
    with hearing() as (port, got):
        plant(host, port)
        tell = "echo $$DB_PASSWORD $$FILE_TOKEN $$SETTINGS_TOKEN; cat /run/secrets/key"
        first = host.commit(spec(host, "true"))
        async with host.agent() as agent, anyio.create_task_group() as tasks:
            with ExitStack() as stack:
                tasks.start_soon(serve_api, agent, open_doors(agent, stack))
                tasks.start_soon(keep_telling, agent)
                await host.synced(agent, first)
                await client.containers.remove(f"{host.name}-web-1", force=True)
                await host.heard("healed")
                bad = host.commit(spec(host, f"{tell}; exit 1"))
                await host.until(agent, lambda s: bad in s.held and s.synced == first)
                await wrong_submodule(host)
                host.commit("services: {web: {image: [" + PLANTED["environment"] + "]}}\n")
                await host.heard("source-recovered")
                await host.until(agent, lambda s: s.waiting is Waiting.NEWER)
                said |= await asked(host, agent)
                labels = (await client.containers.inspect(f"{host.name}-web-1"))["Config"]["Labels"]
                said["labels"] = json.dumps(labels)
                folder = agent.desk.folder
                tasks.cancel_scope.cancel()
    assert got and host.kinds("notification-failed"), "who is told was told, and refused it"
    said["told"] = b"\n".join(got).decode()
    said["events"] = "\n".join(line_of(event, form) for event in host.events for form in ("text", "json"))
    said["output"] = "".join(capfd.readouterr())
    places = (host.folder / "state/state", host.folder / "state/git", folder)
    kept = {str(path): path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}
    assert any(path.endswith("agent.db") for path in kept) and any(path.endswith("releases.db") for path in kept)
    found = {
        (value, place)
        for value in PLANTED.values()
        for place, text in [*said.items(), *((path, data.decode("latin-1")) for path, data in kept.items())]
        if value in text
    }
    assert found == set()


async def test_a_fault_that_no_rule_foresaw_quotes_no_secret(
    there: tuple[Host, Engine], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    host, _ = there
    planted = PLANTED["environment"]
    first = host.commit(host.web(more=f"    environment: {{DB_PASSWORD: {planted}}}\n"))
    async with host.agent() as agent:
        await host.synced(agent, first)

        def fails(*_: object) -> None:
            raise RuntimeError(f"could not make sense of {planted}")

        monkeypatch.setattr(Look, "plan", fails)
        orders.sync(agent, host.name)
        state = await host.until(agent, lambda s: "internal error" in s.reason)
        event = await host.heard("failed")
        said = f"{state.document()} {event.text} {capfd.readouterr()}"
    assert "could not make sense of ***" in state.reason and "Traceback" in said and planted not in said


async def wrong_submodule(host: Host) -> None:
    """A commit whose submodule can't be had, by an address with a login in it; then one without it."""
    repository, parts = host.repository, host.repository.work / "parts"
    parts.mkdir()
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},parts")
    url = f"https://me:{PLANTED['address']}@127.0.0.1:1/a.git"
    repository.commit({".gitmodules": f'[submodule "parts"]\n\tpath = parts\n\turl = {url}\n'})
    assert "submodule parts (https://127.0.0.1:1/a.git)" in (await host.heard("source-failed")).text
    repository.git("rm", "-q", "--cached", "parts")
    parts.rmdir()
    repository.commit({".gitmodules": None})


async def asked(host: Host, agent: Agent) -> dict[str, str]:
    """Everything that the API tells."""
    pool = Pool(partial(dial_unix, str(agent.desk.places.socket)), host="agent")
    paths = [f"/v1/projects{each.format(name=host.name)}" for each in ROUTES]
    found = {}
    for path in [*paths, "/v1/sources", "/v1/events?follow=false", "/metrics", "/openapi.json", "/readyz"]:
        _, content = await pool.fetch(Request("GET", path), timeout_seconds=30)
        found[path] = content.decode()
    async with pool.exchange(Request("GET", "/v1/events?after=0")) as response:
        text = b""
        while b": following" not in text:
            text += await response.receive()
    found["stream"] = text.decode()
    await pool.aclose()
    return found
