"""The request's extension: secrets, agents' sockets, named contexts."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.busybox import REFERENCE
from tests.dockerfiles import docker
from tests.engine.daemon.build.building import EXTENDED, FROM, Builds, tar_of

pytestmark = pytest.mark.root


def extended(text: str, said: Mapping[str, Any], files: Mapping[str, bytes | str]) -> bytes:
    return tar_of({"build.json": json.dumps(said), "context/Dockerfile": text, **files})


def test_secrets_reach_their_step_and_nothing_else(builds: Builds) -> None:
    text = (
        FROM
        + "RUN --mount=type=secret,id=k,required cat /run/secrets/k; stat -c '%a %u' /run/secrets/k > /mode\n"
        + "RUN --mount=type=secret,id=k,env=KEY,target=/x/y,mode=0444,uid=9 echo $KEY | md5sum; cat /x/y | md5sum; "
        + "stat -c '%a %u' /x/y >> /mode\nRUN --mount=type=secret,id=none ls /run/secrets 2>&1 | wc -l\n"
    )
    body = extended(text, {"secrets": {"k": "0"}}, {"secrets/0": "h-u-s-h"})
    status, lines = builds.call(body, EXTENDED, t="secret", nocache=1)
    assert status == 200 and "aux" in str(lines), lines
    assert builds.file("secret", "/mode") == "400 0\n444 9\n"
    saved = docker(builds.engine.socket, "save", "secret").stdout
    assert b"h-u-s-h" not in saved
    status, lines = builds.call(extended(FROM + "RUN --mount=type=secret,id=no,required x\n", {}, {}), EXTENDED)
    assert "secret no not found" in lines[-1]["error"]


def test_named_contexts_are_folders_and_images(builds: Builds) -> None:
    text = "FROM base\nCOPY --from=more /x/f /f\nRUN --mount=from=more,target=/m cat /m/x/f > /g\n"
    said = {"contexts": {"more": "0"}, "images": {"base": REFERENCE}}
    status, lines = builds.call(extended(text, said, {"contexts/0/x/f": "named"}), EXTENDED, t="named")
    assert status == 200 and "aux" in str(lines), lines
    assert builds.file("named", "/f") + builds.file("named", "/g") == "namednamed"


def test_an_agents_socket_is_forwarded_to_its_step(builds: Builds, tmp_path: Path) -> None:
    text = FROM + "RUN --mount=type=ssh,required test -S $SSH_AUTH_SOCK && echo forwarded\n"
    place = f"/tmp/rq-agent-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(place)
        try:
            _, lines = builds.call(extended(text, {"ssh": {"default": place}}, {}), EXTENDED, nocache=1)
        finally:
            os.unlink(place)
    assert "forwarded\n" in "".join(line.get("stream", "") for line in lines), lines
    _, lines = builds.call(extended(text, {}, {}), EXTENDED, nocache=1)
    assert "no SSH key default forwarded" in lines[-1]["error"]


def test_an_extended_request_that_names_what_it_hasnt_is_refused(builds: Builds) -> None:
    status, message = builds.call(extended(FROM, {"secrets": {"k": "7"}}, {}), EXTENDED)
    assert (status, "names what is not in it" in message) == (400, True)
