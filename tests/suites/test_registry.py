"""Pushing, pulling and asking a real registry that wants a password, through each engine."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import anyio
import pytest

from engine.api.errors import EngineError, NotFound, Unauthorized
from engine.api.images import Progress
from engine.client.session import Engine, open_client
from engine.client.streams import JsonLines
from engine.credentials.config import Credentials
from tests.engines import TEST_REGISTRY, RunningEngine, short_folder

pytestmark = [pytest.mark.root, pytest.mark.anyio]
# htpasswd's line for user "me", password "secret".
HTPASSWD = "me:$2b$12$K6B6gQhu83Ivw9Owu55NEeor6Wr0CgJ.xf1AXdYOyqMMQuFhKyNK.\n"
CONFIG = """version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}
log: {{level: error}}
"""
HOST = TEST_REGISTRY
PORT = HOST.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Registry:
    """`environment` is that of a user who has logged in."""

    environment: dict[str, str]
    auth: Credentials


@pytest.fixture(scope="module")
def registry(running: RunningEngine) -> Iterator[Registry]:
    """In the engine's network namespace, on loopback, in plain HTTP."""
    if shutil.which("docker-registry") is None:
        pytest.skip("needs docker-registry")
    with short_folder() as folder:
        (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=PORT))
        (folder / "htpasswd").write_text(HTPASSWD)
        auth = base64.b64encode(b"me:secret").decode()
        (folder / "config.json").write_text(json.dumps({"auths": {HOST: {"auth": auth}}}))
        command = [
            "nsenter",
            f"--net=/proc/{running.pid}/ns/net",
            "docker-registry",
            "serve",
            str(folder / "config.yml"),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until_up(running)
            auth_config = Credentials(username="me", password="secret", serveraddress=HOST)
            yield Registry({"DOCKER_CONFIG": str(folder)}, auth_config)
        finally:
            process.terminate()
            process.wait(10)


def wait_until_up(running: RunningEngine) -> None:
    deadline = time.monotonic() + 20
    probe = ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}"]
    while time.monotonic() < deadline:
        try:
            running.inside(probe)
        except subprocess.CalledProcessError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the registry did not start")


async def drained(lines: JsonLines[Progress]) -> list[Progress]:
    return [line async for line in lines]


async def test_an_image_is_pushed_and_pulled_with_the_users_own_credentials(
    running: RunningEngine, registry: Registry, prefix: str
) -> None:
    name = f"{HOST}/{prefix}"
    async with open_client(running.target, registry.environment) as engine:
        await engine.images.tag(running.image, name, "1")
        async with engine.images.push(f"{name}:1") as lines:
            pushed = await drained(lines)
        await engine.images.remove(f"{name}:1")
        references = [f"{name}:1"]
        if (await engine.capabilities()).distribution:
            digest = (await engine.images.distribution(f"{name}:1"))["Descriptor"]["digest"]
            assert digest in [line["aux"]["Digest"] for line in pushed if "aux" in line]
            references.append(f"{name}@{digest}")
        for reference in references:
            async with engine.images.pull(reference) as lines:
                assert await drained(lines)
            assert (await engine.images.inspect(reference))["Id"] == (await engine.images.inspect(running.image))["Id"]
        await engine.images.remove(f"{name}:1")


async def test_without_credentials_all_is_refused(
    engine: Engine, running: RunningEngine, registry: Registry, prefix: str
) -> None:
    name = f"{HOST}/{prefix}"
    await engine.images.tag(running.image, name, "1")
    with pytest.raises(Unauthorized):
        async with engine.images.push(f"{name}:1", auth={}) as lines:
            await drained(lines)
    with pytest.raises(EngineError) as caught:
        async with engine.images.pull(f"{name}:1", auth={}) as lines:
            await drained(lines)
    assert isinstance(caught.value, Unauthorized | NotFound)
    await engine.images.remove(f"{name}:1")


async def test_a_tag_that_the_registry_does_not_have_is_not_found(
    running: RunningEngine, registry: Registry, prefix: str
) -> None:
    async with open_client(running.target, registry.environment) as engine:
        with pytest.raises(NotFound, match=r"manifest unknown|not found"):
            async with engine.images.pull(f"{HOST}/{prefix}:none") as lines:
                await drained(lines)
        if (await engine.capabilities()).distribution:
            with pytest.raises(NotFound):
                await engine.images.distribution(f"{HOST}/{prefix}:none")


async def test_the_engine_tries_credentials_at_their_registry(engine: Engine, registry: Registry) -> None:
    with anyio.fail_after(20):
        assert (await engine.system.auth(registry.auth))["Status"] == "Login Succeeded"
        with pytest.raises(EngineError):
            await engine.system.auth({**registry.auth, "password": "wrong"})
