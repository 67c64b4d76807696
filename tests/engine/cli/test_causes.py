"""Engines' refusals: whatever the words, one code, the smallest place in the spec, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.render.causes import CAUSES, cause_of
from tests.engines import RunningEngine
from tests.workshop import Workshop

MANUAL = Path(__file__).parents[3] / "docs/diagnostics.md"
# As Docker 20.10, Podman 4.3 and registries word it.
WORDS = [
    ("create", "Bind for 0.0.0.0:80 failed: port is already allocated", "port-in-use"),
    ("create", "rootlessport listen tcp 0.0.0.0:80: bind: address already in use", "port-in-use"),
    ("create", "Address already in use", "bad-address"),
    ("create", 'Conflict. The container name "/a" is already in use by container "b"', "name-in-use"),
    ("pull", "pull access denied for a, repository does not exist or may require 'docker login'", "pull-denied"),
    ("pull", "manifest for localhost:5000/a:2 not found: manifest unknown: manifest unknown", "no-such-image"),
    ("pull", 'Get "https://r.test/v2/": x509: certificate signed by unknown authority', "pull-tls"),
    ("pull", 'Get "https://r.test/v2/": dial tcp: lookup r.test: no such host', "registry-unreachable"),
    ("pull", "write /var/lib/docker/tmp/GetImageBlob1: no space left on device", "no-space"),
    ("create", 'exec: "/x": stat /x: no such file or directory: unknown', "no-such-program"),
    ("create", 'exec: "/etc/passwd": permission denied: unknown', "not-executable"),
    ("create", "the engine at unix:///x was lost: the connection ended", "engine-lost"),
    ("create", "some words that nobody has seen", "create-failed"),
    ("wait", "shop-db-1 is unhealthy", "unhealthy"),
]


@pytest.mark.parametrize(("word", "reason", "code"), WORDS)
def test_a_refusal_has_a_code_by_what_it_means(word: str, reason: str, code: str) -> None:
    assert cause_of(word, reason).code == code


def test_the_manual_knows_every_code_of_a_refusal() -> None:
    known = set(re.findall(r"`([a-z-]+)`", MANUAL.read_text()))
    assert {cause.code for _, _, cause in CAUSES} <= known


# A service for each fault: one that fails holds up only what depends on it, so one run shows all.
FILE = """
services:
  first: {{image: {image}, command: sleep 1000, ports: ["18471:80"]}}
  port:
    image: {image}
    depends_on: [first]
    ports: ["80", "18471:80"]
  name:
    image: {image}
    container_name: {taken}
  image:
    image: nosuch/image:1
    pull_policy: never
  pull:
    image: localhost:1/none/x:1
  program:
    image: {image}
    command: [nosuch]
  file:
    image: {image}
    entrypoint: [/etc/passwd]
  user:
    image: {image}
    user: nosuch
  address:
    image: {image}
    networks: {{small: {{ipv4_address: 10.99.0.5}}}}
  device:
    image: {image}
    devices: [/dev/nonexist]
  driver:
    image: {image}
    volumes: ["data:/data"]
networks: {{default: , small: {{ipam: {{config: [{{subnet: 10.78.3.0/24}}]}}}}}}
volumes: {{data: {{driver: nosuch}}}}
"""
EXPECTED = {
    "6:19 port-in-use service.port.1",
    "9:21 name-in-use service.name.1",
    "11:12 no-such-image service.image.1",
    "14:12 registry-unreachable image.localhost:1/none/x:1",
    "17:14 no-such-program service.program.1",
    "20:17 not-executable service.file.1",
    "23:11 no-such-user service.user.1",
    "26:15 bad-address service.address.1",
    "29:14 no-such-device service.device.1",
    "34:26 no-such-driver volume.data",
}


@pytest.fixture(params=["docker_engine", "rorqual_engine", "podman_engine"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    engine: RunningEngine = request.getfixturevalue(request.param)
    with Workshop(tmp_path, engine, "refusals") as workshop:
        yield workshop


@pytest.mark.root
def test_every_refusal_of_a_run_names_its_place_and_what_to_do(shop: Workshop) -> None:
    taken = f"{shop.name}-taken"
    shop.docker("create", "--name", taken, "--label", f"com.docker.compose.project={shop.name}x", shop.engine.image)
    try:
        shop.write(FILE.format(image=shop.engine.image, taken=taken).lstrip())
        done = shop.run("up", "-d", code=1)
    finally:
        shop.docker("rm", "-f", taken)
    found = re.findall(r"^compose\.yaml:(\d+:\d+): error\[([a-z-]+)\]: (\S+): .", done.stderr, re.MULTILINE)
    known = {" ".join(words) for words in found}
    assert known == EXPECTED, done.stderr
    assert done.stderr.count("  hint: ") == len(known)
    assert "Traceback" not in done.stderr
