"""Builds by the API, as the tests of this folder ask for them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

from tests.busybox import REFERENCE
from tests.dockerfiles import docker
from tests.engine.daemon.api import Api
from tests.engines import RunningEngine

FROM = f"FROM {REFERENCE}\n"
EXTENDED = "application/vnd.rorqual.build.v1+tar"


def tar_of(files: Mapping[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class Builds:
    def __init__(self, engine: RunningEngine) -> None:
        self.engine = engine

    def lines(self, text: str, files: Mapping[str, bytes | str] | None = None, **query: Any) -> list[dict[str, Any]]:
        """The lines of an answer that is 200."""
        status, lines = self.call(tar_of({"Dockerfile": text, **(files or {})}), **query)
        assert status == 200, lines
        return list(lines)

    def call(self, body: bytes, kind: str = "application/x-tar", **query: Any) -> tuple[int, Any]:
        words = urlencode({k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in query.items()})
        with closing(Api(self.engine.socket)) as api:
            api.request("POST", f"/v1.41/build?{words}", body, {"Content-Type": kind})
            answer = api.getresponse()
            content = answer.read().splitlines()
        found = [json.loads(line) for line in content]
        return answer.status, found if answer.status == 200 else found[0]["message"]

    def said(self, text: str, files: Mapping[str, bytes | str] | None = None, **query: Any) -> str:
        lines = self.lines(text, files, **query)
        assert not any("error" in line for line in lines), lines
        return "".join(line.get("stream", "") for line in lines)

    def fault(self, text: str, files: Mapping[str, bytes | str] | None = None, **query: Any) -> dict[str, Any]:
        return dict(self.lines(text, files, **query)[-1]["errorDetail"])

    def post(self, path: str) -> dict[str, Any]:
        with closing(Api(self.engine.socket)) as api:
            return dict(api.call("POST" if "prune" in path else "GET", f"/v1.50{path}")[1])

    def file(self, tag: str, path: str) -> str:
        return docker(self.engine.socket, "run", "--rm", tag, "cat", path).stdout.decode()

    def inspect(self, tag: str) -> dict[str, Any]:
        (found,) = json.loads(docker(self.engine.socket, "image", "inspect", tag).stdout)
        return dict(found)
