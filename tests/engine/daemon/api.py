"""The Engine API by Python's own HTTP client: other eyes on our server than our client's."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any


class Api(http.client.HTTPConnection):
    """The API by Python's own HTTP client: another's eyes on our server."""

    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        self.request(method, path, body, headers)
        answer = self.getresponse()
        content = answer.read()
        kind = answer.headers.get("content-type") or ""
        if kind != "application/json" or not content:
            return answer.status, content
        lines = [json.loads(line) for line in content.splitlines()]
        return answer.status, lines[0] if len(lines) == 1 else lines

    def load(self, archive: bytes) -> list[Any]:
        status, lines = self.call("POST", "/v1.50/images/load?quiet=1", archive)
        assert status == 200, lines
        return lines if isinstance(lines, list) else [lines]
