"""Requests that nobody would send, at every endpoint of the reference: never a traceback, never a hang.

A seeded walk over the reference's own paths, parameters and schemas, with words that are wrong on purpose. Sampled;
whole under RORQUAL_CHAOS=1.
"""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.daemon.api import Api
from tests.engine.daemon.reference import reference
from tests.engines import RunningEngine, running_rorqual, short_folder

pytestmark = pytest.mark.root

CHAOS = bool(os.environ.get("RORQUAL_CHAOS"))
REQUESTS = 20_000 if CHAOS else 600
PATIENCE_SECONDS = 20
# What waits for ever by design, asks other machines, or is a stream of its own.
LEFT_OUT = (
    *("/attach", "/session", "/grpc", "/images/search", "/auth", "/push", "/distribution", "/build", "/wait"),
    *("/images/create", "/swarm", "/plugins", "/exec/{id}/start"),
)
WORDS = [
    *("", "a", "fuzz", "x y", "é", "../..", "/tmp", "/", "0", "-1", "1", "99999999999999999999", "host", "none", "%00"),
    *("container:nosuch", "x" * 300, '"', "{", "[]", "true", "null", "sha256:" + "a" * 64, "a=b", "10.0.0.0/8", "\x01"),
]
VALUES: list[Any] = [None, True, 0, -1, 2**63, 1.5, "", "x", [], [None], {}, {"x": None}, [[]], "\ud800"]


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    """One of its own: what is made here is nobody else's."""
    with short_folder() as folder, running_rorqual(folder) as engine:
        yield engine


class Dice:
    def __init__(self, seed: int, names: dict[str, list[str]]) -> None:
        self.random = random.Random(seed)
        self.names = names

    def word(self) -> str:
        return self.random.choice(WORDS)

    def path(self, template: str) -> str:
        """Each `{…}` is something that is there, or a word."""
        parts = []
        for part in template.split("/"):
            if part.startswith("{"):
                kind = template.split("/")[1]
                known = self.names.get(kind, [])
                part = self.random.choice([*known, *known, self.word() or "x"])
            parts.append(quote(part, safe=":"))
        return "/".join(parts)

    def query(self, parameters: list[dict[str, Any]]) -> str:
        pairs = []
        for parameter in parameters:
            if parameter.get("in") == "query" and self.random.random() < 0.5:
                name = parameter["name"]
                value = self.word()
                if name == "filters":
                    value = json.dumps({self.word(): self.random.choice([[self.word()], {self.word(): True}, 1, None])})
                elif name in ("stream", "follow"):
                    value = "0"
                elif parameter.get("type") in ("integer", "boolean") and self.random.random() < 0.5:
                    value = self.random.choice(["0", "1"])
                pairs.append(f"{name}={quote(value)}")
        return "&".join(pairs)

    def body(self, schema: Any, depth: int = 0) -> Any:
        """A value of the schema's shape, with wrong ones here and there."""
        schema = resolved(schema)
        if depth > 6 or self.random.random() < 0.06:
            return self.random.choice(VALUES)
        if "allOf" in schema:
            made: dict[str, Any] = {}
            for part in schema["allOf"]:
                piece = self.body(part, depth + 1)
                made |= piece if isinstance(piece, dict) else {}
            return made
        match schema.get("type"):
            case "object" if "properties" in schema:
                chosen = {k: v for k, v in schema["properties"].items() if self.random.random() < 0.25}
                return {key: self.body(value, depth + 1) for key, value in chosen.items()}
            case "object":
                inner = schema.get("additionalProperties")
                shape = inner if isinstance(inner, dict) else {"type": "string"}
                return {self.word(): self.body(shape, depth + 1) for _ in range(self.random.randrange(3))}
            case "array":
                return [self.body(schema.get("items") or {}, depth + 1) for _ in range(self.random.randrange(3))]
            case "integer" | "number":
                return self.random.choice([0, 1, -1, 7, 1 << 20, 1 << 40, 2**63 - 1])
            case "boolean":
                return self.random.random() < 0.5
            case _:
                return self.random.choice([*schema.get("enum", ()), self.word()])


def resolved(schema: Any) -> dict[str, Any]:
    while isinstance(schema, dict) and "$ref" in schema:
        schema = reference()["definitions"][schema["$ref"].rpartition("/")[2]]
    return schema if isinstance(schema, dict) else {}


def calls() -> list[tuple[str, str, list[dict[str, Any]]]]:
    found = []
    for path, methods in reference()["paths"].items():
        if any(part in path for part in LEFT_OUT):
            continue
        for method, call in methods.items():
            if method in {"get", "post", "put", "delete", "head"}:
                found.append((method.upper(), path, call.get("parameters") or []))
    return found


def test_no_request_makes_a_traceback_or_waits_for_ever(engine: RunningEngine) -> None:
    api = Api(engine.socket)
    body = json.dumps({"Image": engine.image, "Cmd": ["sleep", "100000"], "StopTimeout": 0}).encode()
    made = [api.call("POST", "/containers/create?name=fuzz", body, **{"Content-Type": "application/json"})[1]["Id"]]
    api.call("POST", f"/containers/{made[0]}/start")
    names = {
        "containers": ["fuzz", made[0][:12]],
        "images": [engine.image],
        "networks": ["bridge", "host", "fuzz"],
        "volumes": ["fuzz"],
        "exec": ["fuzz"],
    }
    dice = Dice(1, names)
    choices = calls()
    for number in range(REQUESTS):
        method, path, parameters = dice.random.choice(choices)
        version = dice.random.choice(["1.24", "1.41", "1.44", "1.50"])
        # the first of a name counts: what would stream for ever ends
        ends = {
            "/events": "until=1&",
            "/containers/{id}/stats": "stream=0&one-shot=1&",
            "/containers/{id}/logs": "follow=0&",
        }
        target = f"/v{version}{dice.path(path)}?{ends.get(path, '')}{dice.query(parameters)}"
        sent = next((dice.body(p.get("schema") or {}) for p in parameters if p.get("in") == "body"), None)
        content = None if sent is None else json.dumps(sent).encode()
        if number % 50 == 0:
            api.close()
            api = Api(engine.socket)
        told = f"request {number}: {method} {target} {content!r}"
        try:
            api.timeout = PATIENCE_SECONDS
            api.request(method, target, content, {"Content-Type": "application/json"} if content else {})
            answer = api.getresponse()
            text = answer.read()
        except TimeoutError as error:
            raise AssertionError(f"no answer within {PATIENCE_SECONDS} s to {told}") from error
        except HTTPException as error:
            raise AssertionError(f"{error!r} as the answer to {told}") from error
        if answer.status >= 500:
            assert isinstance(json.loads(text)["message"], str), told
    words = (Path(engine.socket).parent / "log").read_text(errors="replace")
    assert "Traceback" not in words, words[words.index("Traceback") :][:3000]
    assert api.call("GET", "/_ping")[0] == 200
    api.close()


def test_half_a_character_is_no_end_of_the_daemon(engine: RunningEngine) -> None:
    """json.dumps writes \\ud800; an answer that repeats it must be UTF-8 all the same."""
    api = Api(engine.socket)
    body = json.dumps({"Hostname": "\ud800", "Image": engine.image, "Cmd": ["\udfff"]}).encode()
    status, answer = api.call("POST", "/containers/create", body, **{"Content-Type": "application/json"})
    assert status == 400 and "hostname" in answer["message"]
    assert api.call("GET", "/containers/json?filters=" + quote('{"name":["\\ud800"]}'))[0] == 200
    api.close()


RAW = {
    "a body that ends too early": b"POST /v1.50/containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{}",
    "a chunk of nonsense": b"POST /v1.50/commit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    "both lengths": b"POST /commit HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "a head without end": b"GET /" + b"a" * 200_000,
    "many headers": b"GET /_ping HTTP/1.1\r\nHost: x\r\n" + b"X-Y: z\r\n" * 50_000 + b"\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "another version": b"GET /_ping HTTP/9.9\r\n\r\n",
    "a body past every limit": b"POST /v1.50/commit HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
    + b" " * 100_000,
}


@pytest.mark.parametrize("name", RAW)
def test_what_is_no_request_ends_its_own_connection_only(engine: RunningEngine, name: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_SECONDS)
        client.connect(str(engine.socket))
        try:
            client.sendall(RAW[name])
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the end of it: as good as an answer
    api = Api(engine.socket)
    assert api.call("GET", "/_ping")[0] == 200
    api.close()
